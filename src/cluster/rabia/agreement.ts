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
  /** What happens once the ballots of a member without others are durable. */
  #held: AgreementEffect[] | undefined
  #slot: Slot | undefined
  /** Decided, but its body is not known yet: a peer will repeat it. */
  #missing: BatchId | undefined

  constructor(options: AgreementOptions) {
    this.number = options.number
    this.electorate = options.electorate
    this.#self = options.self
    this.#coin = options.coin
  }

  /** Whether this node has said, or is about to say, anything in this slot. */
  get isJoined(): boolean {
    return this.#slot !== undefined
  }

  /** The own durable ballots, in order. */
  get ballots(): readonly Ballot[] {
    if (this.#held) return []
    return this.#slot?.state.own ?? this.#recorded
  }

  /** The phase of the last own durable ballot. */
  get phase(): Phase {
    return this.ballots.at(-1)?.phase ?? 0
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
    return id === undefined ? undefined : this.#bodies.get(id)
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
    const held = this.#held
    this.#held = undefined
    if (held) return held
    return this.#step({ kind: 'persisted' })
  }

  /** What a member said in this slot, or in another one that has its number. */
  hear(from: NodeId, message: Ballots): readonly AgreementEffect[] {
    const { epoch, slot, batch, ballots } = message
    if (batch && epoch === this.electorate.epoch) this.#bodies.set(batch.id, batch)
    const effects: AgreementEffect[] = []
    for (const ballot of ballots) {
      effects.push(...this.#step({ kind: 'ballot', from, epoch, slot, ballot }))
    }
    if (this.#missing !== undefined) effects.push(...this.#decided(this.#missing))
    return effects
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
    for (const effect of this.#slot?.step(input) ?? []) {
      if (effect.kind === 'persist') {
        effects.push(this.#cast(effect.ballot))
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

  /** A member without others knows all its ballots of the slot at once: they go to the disk together. */
  #cast(ballot: Ballot): AgreementEffect {
    const record = this.#record(ballot)
    if (this.electorate.members.length > 1) return { kind: 'persist', records: [record] }
    const records = [record]
    const held: AgreementEffect[] = []
    for (const effect of this.#step({ kind: 'persisted' })) {
      if (effect.kind === 'persist') records.push(...effect.records)
      else if (effect.kind === 'decided') held.push(effect)
    }
    this.#held ??= held
    return { kind: 'persist', records }
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

  #message(ballots: readonly Ballot[], repeats: boolean): Ballots {
    const [first] = ballots
    const batch = first?.stage === 'proposal' ? this.body(first.batch) : undefined
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
}

/** `decided` comes last, and once: it has the body of what was decided, or none when the slot is forfeited. */
export type AgreementEffect =
  | { readonly kind: 'persist'; readonly records: readonly LogRecord[] }
  | { readonly kind: 'send'; readonly message: Ballots }
  | { readonly kind: 'decided'; readonly body: Batch | undefined }
  | { readonly kind: 'violation'; readonly from: NodeId }
