/**
 * One slot: an instance of weak multi-valued consensus, Algorithm 2 of "Rabia: Simplifying State-Machine Replication
 * Through Randomization" (SOSP 2021), extended for members that crash and come back.
 *
 * The paper's exchanges are numbered here as rounds: 0 is the proposal, 2p − 1 the state and 2p the vote of phase p. A
 * member has exactly one ballot per round, and its ballots so far are all that a restart has to remember.
 *
 * 1. A ballot counts, also for its own member, only when it is durable; until then the member takes no further step.
 * 2. A round ends with n − f ballots of different members, the own one among them.
 * 3. States and votes for 1 name their batch, so whoever decides 1 knows for what (R1).
 * 4. n − f votes of one phase decide if f + 1 of them are for one value, whichever members they are of and wherever this one
 *    is, since n − f votes always have one of these: nobody enters the next phase with another value. Who is slow to sync does
 *    not hold up its clients.
 * 5. All n proposals decide at once if every n − f of them lead to the same state: then no member can vote, or decide, for
 *    anything else (R17). A member therefore waits for all of them, until it is told to `hurry`.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import { type Ballot, type Phase, roundOf, type SlotNumber, sameBallot } from './ballot.ts'
import type { BatchId } from './batch.ts'
import type { Coin } from './coin.ts'
import { type Electorate, majority, quorum, tolerated } from './electorate.ts'

export class Slot {
  readonly context: SlotContext
  readonly state: SlotState

  /** `state` is owned by the slot from now on. */
  constructor(context: SlotContext, state: SlotState = emptySlot()) {
    assert(context.electorate.members.includes(context.self), 'only members have a slot')
    this.context = context
    this.state = state
  }

  /** Takes one input and returns what is to be done for it, in order. */
  step(input: SlotInput): SlotEffect[] {
    const effects: SlotEffect[] = []
    switch (input.kind) {
      case 'propose':
        assert(this.state.own.length === 0 && !this.state.pending, 'a member proposes once')
        this.#cast(proposal(input.batch), effects)
        break
      case 'resume':
        this.#hearOwn(effects)
        break
      case 'persisted':
        this.#release(effects)
        break
      case 'ballot':
        this.#hear(input, effects)
        break
      case 'hurry':
        this.#advance(effects, true)
        break
    }
    return effects
  }

  #cast(ballot: Ballot, effects: SlotEffect[]): void {
    this.state.pending = ballot
    effects.push({ kind: 'persist', ballot })
  }

  #release(effects: SlotEffect[]): void {
    const ballot = this.state.pending
    assert(ballot, 'a ballot was being persisted')
    this.state.pending = undefined
    this.state.own.push(ballot)
    effects.push({ kind: 'send', ballot })
    this.#hearOwn(effects)
  }

  #hearOwn(effects: SlotEffect[]): void {
    const { electorate, self } = this.context
    const round = this.state.own.length - 1
    this.#tally(round)[electorate.members.indexOf(self)] = this.state.own[round]
    this.#advance(effects)
  }

  #hear(input: BallotInput, effects: SlotEffect[]): void {
    const { electorate, number } = this.context
    if (input.epoch !== electorate.epoch || input.slot !== number) return
    const sender = electorate.members.indexOf(input.from)
    const round = roundOf(input.ballot)
    const current = this.#round()
    if (this.state.decision || sender < 0) return
    if (round < current || round > current + ROUNDS_AHEAD_MAX) return
    const tally = this.#tally(round)
    const earlier = tally[sender]
    if (earlier === undefined) {
      tally[sender] = input.ballot
      if (input.ballot.stage === 'vote') this.#decide(tally, effects)
      this.#advance(effects)
    } else if (!sameBallot(earlier, input.ballot)) {
      effects.push({ kind: 'violation', from: input.from })
    }
  }

  #advance(effects: SlotEffect[], isHurried = false): void {
    const { own, pending, decision, heard } = this.state
    if (pending || decision || own.length === 0) return
    const n = this.context.electorate.members.length
    const round = this.#round()
    const ballots = this.#tally(round).filter((ballot) => ballot !== undefined)
    if (ballots.length < quorum(n)) return
    if (round === 0 && ballots.length < n && !isHurried) return
    heard.delete(round)
    const outcome = this.#conclude(ballots)
    if ('decided' in outcome) {
      this.state.decision = outcome
      effects.push({ kind: 'decided', batch: outcome.decided })
    } else {
      this.#cast(outcome, effects)
    }
  }

  /** Rule 4. */
  #decide(tally: readonly (Ballot | undefined)[], effects: SlotEffect[]): void {
    const n = this.context.electorate.members.length
    const votes = tally.filter((vote) => vote !== undefined)
    const outcome = votes.length < quorum(n) ? undefined : decisionOf(votes, n)
    if (outcome === undefined) return
    this.state.decision = outcome
    effects.push({ kind: 'decided', batch: outcome.decided })
  }

  /** What n − f ballots of the current round lead to. */
  #conclude(ballots: readonly Ballot[]): Ballot | SlotDecision {
    const n = this.context.electorate.members.length
    const { stage, phase } = ballots[0] as Ballot
    if (stage === 'proposal') return this.#concludeProposals(ballots)
    const batch = soleBatch(ballots)
    const { zeros, ones } = count(ballots)
    if (stage === 'state') {
      if (zeros >= majority(n)) return { stage: 'vote', phase, value: 0, batch: undefined }
      const value = ones >= majority(n) ? 1 : '?'
      return { stage: 'vote', phase, value, batch }
    }
    const decision = decisionOf(ballots, n)
    if (decision !== undefined) return decision
    if (ones > 0) return stateFrom(phase + 1, batch)
    if (zeros > 0) return stateFrom(phase + 1, undefined)
    const { coin, electorate, number } = this.context
    return stateFrom(phase + 1, coin(electorate.epoch, number, phase) === 1 ? batch : undefined)
  }

  /** A batch is what n − f proposals name, and n − f are a majority: without one there is no state but 0. */
  #concludeProposals(ballots: readonly Ballot[]): Ballot | SlotDecision {
    const n = this.context.electorate.members.length
    const batch = proposedByMajority(ballots, majority(n))
    const isSure = batch === undefined || ballots.every((ballot) => ballot.batch === batch)
    return ballots.length === n && isSure ? { decided: batch } : stateFrom(1, batch)
  }

  #round(): number {
    return this.state.pending ? this.state.own.length : Math.max(0, this.state.own.length - 1)
  }

  #tally(round: number): (Ballot | undefined)[] {
    let tally = this.state.heard.get(round)
    if (!tally) {
      tally = this.context.electorate.members.map(() => undefined)
      this.state.heard.set(round, tally)
    }
    return tally
  }
}

/** What never changes in a slot. `self` is one of the members. */
export type SlotContext = {
  readonly self: NodeId
  readonly electorate: Electorate
  readonly number: SlotNumber
  readonly coin: Coin
}

/**
 * All that changes, as data. `own` are the durable ballots of this member, at the index of their round, and all that
 * survives a restart; `pending` is on its way to the disk; `heard` are the ballots of the current round and of later
 * ones, by round and then by member.
 */
export type SlotState = {
  readonly own: Ballot[]
  pending: Ballot | undefined
  readonly heard: Map<number, (Ballot | undefined)[]>
  decision: SlotDecision | undefined
}

/** Undefined when the slot was forfeited. */
export type SlotDecision = { readonly decided: BatchId | undefined }

/**
 * - `propose`: once, on a slot without ballots; without a batch the member has nothing to propose.
 * - `resume`: once, on a slot with the `own` ballots of an earlier life.
 * - `persisted`: the ballot of the last `persist` survives power loss.
 * - `ballot`: what a member said, in any order and any number of times.
 * - `hurry`: the proposals of a quorum shall be enough; without a quorum nothing happens.
 */
export type SlotInput =
  | { readonly kind: 'propose'; readonly batch: BatchId | undefined }
  | { readonly kind: 'resume' }
  | { readonly kind: 'persisted' }
  | { readonly kind: 'hurry' }
  | BallotInput

type BallotInput = {
  readonly kind: 'ballot'
  readonly from: NodeId
  readonly epoch: number
  readonly slot: SlotNumber
  readonly ballot: Ballot
}

/** `send` goes to all other members; `violation` is a member that said two things in one round (R3). */
export type SlotEffect =
  | { readonly kind: 'persist'; readonly ballot: Ballot }
  | { readonly kind: 'send'; readonly ballot: Ballot }
  | { readonly kind: 'decided'; readonly batch: BatchId | undefined }
  | { readonly kind: 'violation'; readonly from: NodeId }

/** The state of a slot in which nothing has happened, or of a restarted member that recorded `own`. */
export function emptySlot(own: readonly Ballot[] = []): SlotState {
  return { own: [...own], pending: undefined, heard: new Map(), decision: undefined }
}

/**
 * Ballots of later rounds are dropped, to be repeated by their sender. A phase ends with probability ½ or more, so a
 * member that is 16 of them behind gets the decision rather than the ballots.
 */
const ROUNDS_AHEAD_MAX = 32

function proposal(batch: BatchId | undefined): Ballot {
  return { stage: 'proposal', phase: 0, value: batch === undefined ? 0 : 1, batch }
}

function stateFrom(phase: Phase, batch: BatchId | undefined): Ballot {
  return { stage: 'state', phase, value: batch === undefined ? 0 : 1, batch }
}

function count(ballots: readonly Ballot[]): { zeros: number; ones: number } {
  return {
    zeros: ballots.filter((ballot) => ballot.value === 0).length,
    ones: ballots.filter((ballot) => ballot.value === 1).length,
  }
}

/** What votes of one phase decide among `n` members, if anything. */
function decisionOf(votes: readonly Ballot[], n: number): SlotDecision | undefined {
  const { zeros, ones } = count(votes)
  assert(ones === 0 || zeros === 0, 'a phase has votes for 0 and for 1: agreement is broken')
  if (ones > tolerated(n)) return { decided: soleBatch(votes) }
  return zeros > tolerated(n) ? { decided: undefined } : undefined
}

function proposedByMajority(ballots: readonly Ballot[], needed: number): BatchId | undefined {
  for (const { batch } of ballots) {
    if (batch === undefined) continue
    if (ballots.filter((ballot) => ballot.batch === batch).length >= needed) return batch
  }
  return undefined
}

/** Two majorities of proposals share a member, hence all states and votes of a slot name one batch. */
function soleBatch(ballots: readonly Ballot[]): BatchId | undefined {
  let sole: BatchId | undefined
  for (const { batch } of ballots) {
    assert(!batch || !sole || batch === sole, 'two batches in one slot: agreement is broken')
    sole ??= batch
  }
  return sole
}
