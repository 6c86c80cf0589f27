import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Ballot, Phase, SlotNumber } from './ballot.ts'
import type { Batch, BatchId } from './batch.ts'
import type { Coin } from './coin.ts'
import type { Electorate } from './electorate.ts'
import type { Ballots } from './message.ts'
import type { LogRecord } from './record.ts'
import { emptySlot, Slot, type SlotInput } from './slot.ts'

/** One node's part in the current slot of the log: its `Slot`, and the bodies behind the ids its ballots name. */
export class Agreement {
  readonly number: SlotNumber
  readonly electorate: Electorate
  readonly #self: NodeId
  readonly #coin: Coin
  readonly #bodies = new Map<BatchId, Batch>()
  readonly #recorded: Ballot[] = []
  readonly #heard = new Set<NodeId>()
  readonly #find: (id: BatchId) => Batch | undefined
  #slot: Slot | undefined
  #isPatient: boolean
  readonly #carriesBody: boolean
  /** Decided, but its body is not known yet: a peer will repeat it. */
  #missing: BatchId | undefined

  constructor(options: AgreementOptions) {
    this.number = options.number
    this.electorate = options.electorate
    this.#self = options.self
    this.#coin = options.coin
    this.#find = options.find
    this.#isPatient = options.isPatient
    this.#carriesBody = options.carriesBody
  }

  /** Whether this node has said, or is about to say, anything in this slot. */
  get isJoined(): boolean {
    return this.#slot !== undefined
  }

  /** The own durable ballots, in order. */
  get ballots(): readonly Ballot[] {
    return this.#slot?.state.own ?? this.#recorded
  }

  /** The phase of the last own durable ballot. */
  get phase(): Phase {
    return this.ballots.at(-1)?.phase ?? 0
  }

  /** Whether every other member has said something in this slot. */
  get hasHeardAll(): boolean {
    return this.#heard.size >= this.electorate.members.length - 1
  }

  /** The last phase in which this node has voted. */
  get votedPhase(): Phase {
    return Math.floor(Math.max(0, this.ballots.length - 1) / 2)
  }

  /** The bodies known to belong to this slot. */
  get bodies(): Iterable<Batch> {
    return this.#bodies.values()
  }

  /** Takes back a ballot of an earlier life, before anything else happens. */
  replay(ballot: Ballot, body: Batch | undefined): void {
    this.#recorded.push(ballot)
    if (body) this.#bodies.set(body.id, body)
  }

  body(id: BatchId | undefined): Batch | undefined {
    return id === undefined ? undefined : (this.#bodies.get(id) ?? this.#find(id))
  }

  /** Takes part: goes on where the replayed ballots end, or begins, with nothing to propose if need be (R6). */
  join(head: Batch | undefined): readonly AgreementEffect[] {
    if (this.#slot) return []
    if (this.#recorded.length > 0) {
      this.#slot = new Slot(this.#context(), emptySlot(this.#recorded))
      return this.#step({ kind: 'resume' })
    }
    if (head) this.#bodies.set(head.id, head)
    this.#slot = new Slot(this.#context())
    return this.#step({ kind: 'propose', batch: head?.id })
  }

  persisted(): readonly AgreementEffect[] {
    return this.#step({ kind: 'persisted' })
  }

  /** Waits no longer for all proposals: some member is not there, or has not waited itself. */
  hurry(): readonly AgreementEffect[] {
    if (!this.#slot || !this.#isPatient) return []
    this.#isPatient = false
    return this.#step({ kind: 'hurry' })
  }

  /** What a member said in this slot, or in another one that has its number. */
  hear(from: NodeId, message: Ballots): readonly AgreementEffect[] {
    const { epoch, slot, batch, ballots } = message
    if (batch && epoch === this.electorate.epoch) this.#bodies.set(batch.id, batch)
    if (epoch === this.electorate.epoch && this.electorate.members.includes(from)) {
      this.#heard.add(from)
      if (ballots.some(({ stage }) => stage !== 'proposal')) this.#isPatient = false
    }
    const effects: AgreementEffect[] = []
    for (const ballot of ballots) {
      effects.push(...this.#step({ kind: 'ballot', from, epoch, slot, ballot }))
    }
    return [...effects, ...this.complete()]
  }

  /** A body may have become known that this slot was only waiting for. */
  complete(): readonly AgreementEffect[] {
    return this.#missing === undefined ? [] : this.#decided(this.#missing)
  }

  /** Whether this outcome, learned from a peer, is the one this node has come to, if it has come to any. */
  agreesWith(batch: BatchId | undefined): boolean {
    const decision = this.#slot?.state.decision
    return !decision || decision.decided === batch
  }

  /** The own ballots so far as one message, if there are any (R4). */
  repetition(): Ballots | undefined {
    return this.ballots.length > 0 ? this.#message(this.ballots, true) : undefined
  }

  #step(input: SlotInput): AgreementEffect[] {
    assert(this.#slot || input.kind === 'ballot', 'only a member acts')
    const effects: AgreementEffect[] = []
    const steps = this.#slot?.step(input) ?? []
    if (!this.#isPatient && input.kind !== 'hurry') {
      steps.push(...(this.#slot?.step({ kind: 'hurry' }) ?? []))
    }
    for (const effect of steps) {
      if (effect.kind === 'persist') {
        effects.push({ kind: 'persist', record: this.#record(effect.ballot) })
      } else if (effect.kind === 'send') {
        effects.push({ kind: 'send', message: this.#message([effect.ballot], false) })
      } else if (effect.kind === 'decided') {
        effects.push(...this.#decided(effect.batch))
      } else {
        effects.push(effect)
      }
    }
    return effects
  }

  #decided(batch: BatchId | undefined): AgreementEffect[] {
    const body = this.body(batch)
    this.#missing = body ? undefined : batch
    return this.#missing === undefined ? [{ kind: 'decided', body }] : []
  }

  #record(ballot: Ballot): LogRecord {
    const batch = ballot.stage === 'proposal' ? this.body(ballot.batch) : undefined
    return { kind: 'ballot', epoch: this.electorate.epoch, slot: this.number, ballot, batch }
  }

  /** The origin has sent the batch to everybody: its body comes again only if that seems to have been lost (R2). */
  #message(ballots: readonly Ballot[], repeats: boolean): Ballots {
    const [first] = ballots
    const isNeeded = (repeats || this.#carriesBody) && first?.stage === 'proposal'
    const batch = isNeeded ? this.body(first.batch) : undefined
    const { epoch } = this.electorate
    return { kind: 'ballots', epoch, slot: this.number, ballots, batch, repeats }
  }

  #context(): Slot['context'] {
    const { number, electorate } = this
    return { self: this.#self, electorate, number, coin: this.#coin }
  }
}

type AgreementOptions = {
  readonly self: NodeId
  readonly coin: Coin
  readonly number: SlotNumber
  readonly electorate: Electorate
  /** Where bodies are that came without a ballot. */
  readonly find: (id: BatchId) => Batch | undefined
  /** Whether it waits for the proposals of all members. */
  readonly isPatient: boolean
  /** Whether a proposal carries the body of its batch when it is first made, too. */
  readonly carriesBody: boolean
}

/** `decided` comes last, and once: it has the body of what was decided, or none when the slot is forfeited. */
export type AgreementEffect =
  | { readonly kind: 'persist'; readonly record: LogRecord }
  | { readonly kind: 'send'; readonly message: Ballots }
  | { readonly kind: 'decided'; readonly body: Batch | undefined }
  | { readonly kind: 'violation'; readonly from: NodeId }
