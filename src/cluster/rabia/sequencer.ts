import { assert } from '../../base/assert.ts'
import { AetherError } from '../../base/fault.ts'
import type { NodeId } from '../../base/ids.ts'
import { Agreement, type AgreementEffect } from './agreement.ts'
import type { Ballot, Phase, SlotNumber } from './ballot.ts'
import type { Batch, BatchId } from './batch.ts'
import type { Coin } from './coin.ts'
import { Journal } from './journal.ts'
import type { Ledger, Settled } from './ledger.ts'
import type { Ballots, Decided } from './message.ts'
import type { Outbox } from './outbox.ts'
import { BatchQueue } from './queue.ts'
import type { LogRecord } from './record.ts'

/** Takes the slots of the log one after the other: from the queue through agreement and the disk to the ledger. */
export class Sequencer {
  readonly journal = new Journal()
  readonly queue = new BatchQueue()
  readonly #options: SequencerOptions
  #agreement: Agreement
  /** The token of the current slot's ballot that is on its way to the disk. */
  #ballotToken: number | undefined
  /** The last phase of the slot before in which this node has voted. */
  #votedPhase: Phase = 0
  #forfeitsInRow = 0
  /** In the slot before all members took part: it is likely, and worth waiting, that they do in this one. */
  #isPatient = false

  constructor(options: SequencerOptions) {
    this.#options = options
    this.#agreement = this.#nextAgreement()
  }

  /** Whether this node has said something in the current slot. */
  get isJoined(): boolean {
    return this.#agreement.isJoined || this.#agreement.ballots.length > 0
  }

  get phase(): Phase {
    return this.#agreement.phase
  }

  /** The own ballots of the current slot. */
  get ballots(): readonly Ballot[] {
    return this.#agreement.ballots
  }

  /** The highest slot in which this node has a durable ballot, or whose decision it has. */
  get mark(): SlotNumber {
    const { slot, history } = this.#options.ledger
    return this.#agreement.ballots.length > 0 ? slot : history.end - 1
  }

  /** Takes back a record of the log. Throws an AetherError `data-damaged` when some before it are missing. */
  replay(record: LogRecord): void {
    const { ledger } = this.#options
    if (ledger.stalled !== undefined) return
    if (record.slot > ledger.slot) throw missing(ledger.slot, record.slot)
    assert(record.slot === ledger.slot, 'the log holds one slot after the other')
    if (record.kind === 'ballot') {
      this.#agreement.replay(record.ballot, record.batch)
      return
    }
    const body = record.body ?? this.#agreement.body(record.batch)
    assert(body?.id === record.batch, 'the log holds the body of every decision')
    this.#apply(body)
  }

  /** The log has been replayed. */
  start(): void {
    for (const body of this.#agreement.bodies) this.queue.add(body)
  }

  /** The ledger has jumped: nothing that is left here is of its slot. */
  reset(): void {
    this.queue.clear()
    this.#votedPhase = 0
    this.#forfeitsInRow = 0
    this.#isPatient = false
    this.#ballotToken = undefined
    this.#agreement = this.#nextAgreement()
  }

  /** Queues a batch that no slot is known to have decided (R2). */
  learn(batch: Batch): void {
    if (this.#options.ledger.history.has(batch.id)) return
    this.queue.add(batch)
    this.#perform(this.#agreement.complete())
  }

  /** The slot has lasted too long to wait for those that have not proposed anything in it. */
  hurry(): void {
    this.#perform(this.#agreement.hurry())
  }

  /** Takes part in the slot if there is something to propose, or something was said before a restart. */
  propose(): void {
    if (this.queue.head || this.#agreement.ballots.length > 0) this.#join()
  }

  /** What a member said in the current slot. */
  hear(from: NodeId, message: Ballots): void {
    this.#join()
    this.#perform(this.#agreement.hear(from, message))
  }

  /** Applies what of these decisions comes next. Returns whether anything did. */
  adopt({ first, decisions }: Decided): boolean {
    if (this.journal.isFull || this.journal.backlog > BACKLOG_MAX) return false
    const { ledger } = this.#options
    const before = ledger.slot
    for (const [i, batch] of decisions.entries()) {
      // What comes after a command that this program does not know is for another program.
      if (ledger.stalled !== undefined) break
      // The end of the slots is the end of what was applied, and nothing is applied out of order.
      if (first + i !== ledger.history.end) continue
      assert(this.#agreement.agreesWith(batch?.id), 'a member decided otherwise')
      this.#commit(batch ?? undefined, 0)
    }
    return ledger.slot > before
  }

  /** The own ballots of the slot as one message, if there are any (R4). */
  repetition(): Ballots | undefined {
    return this.#agreement.repetition()
  }

  /** Whether somebody who says this in an earlier slot was not yet sent all it needs. */
  needsHelp(message: Ballots): boolean {
    if (message.repeats || message.slot < this.#options.ledger.slot - 1) return true
    return message.ballots.some((ballot) => ballot.phase > this.#votedPhase)
  }

  persisted(token: number): void {
    this.journal.confirm(token)
    if (this.#ballotToken === undefined || this.#ballotToken > token) return
    this.#ballotToken = undefined
    this.#perform(this.#agreement.persisted())
  }

  /** Begins the slot after the last applied one. */
  enter(): void {
    const { head } = this.queue
    if (head && this.#forfeitsInRow >= FORFEITS_BEFORE_FORWARD) {
      this.#options.out.broadcast({ kind: 'forward', batch: head })
    }
    this.propose()
  }

  #join(): void {
    const { ledger, host } = this.#options
    if (this.#agreement.isJoined || ledger.stalled !== undefined || !host.mayVote()) return
    // After a forfeited slot the queues may differ: their heads are most likely to be the same.
    const { head } = this.queue
    this.#perform(
      this.#agreement.join(this.#forfeitsInRow > 0 ? head : this.queue.next(ledger.slot)),
    )
  }

  #perform(effects: readonly AgreementEffect[]): void {
    const { out, host } = this.#options
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist': {
          this.journal.add(effect.record)
          const persist = this.journal.write()
          this.#ballotToken = persist.token
          out.push(persist)
          host.speaks()
          break
        }
        case 'send':
          if (effect.message.ballots[0]?.stage === 'proposal') host.proposing()
          out.broadcast(effect.message)
          break
        case 'decided':
          this.#commit(effect.body, Math.max(1, this.#agreement.votedPhase))
          host.entered()
          break
        case 'violation':
          out.push({ ...effect, reason: 'two ballots in one round' })
          break
      }
    }
  }

  #commit(batch: Batch | undefined, phases: Phase): void {
    const { number, ballots } = this.#agreement
    const body = batch?.id === ballots[0]?.batch ? undefined : batch
    this.journal.add({ kind: 'decision', slot: number, batch: batch?.id, body })
    this.#apply(batch, phases)
  }

  #apply(batch: Batch | undefined, phases: Phase = 0): void {
    const { ledger, out, host } = this.#options
    const { slot } = ledger
    const settled = ledger.commit(batch)
    const { stalled, digest } = ledger
    if (batch) this.queue.remove(batch.id)
    this.#forfeitsInRow = batch ? 0 : this.#forfeitsInRow + 1
    this.#votedPhase = this.#agreement.votedPhase
    this.#isPatient = this.#agreement.hasHeardAll
    this.#ballotToken = undefined
    this.#agreement = this.#nextAgreement()
    host.applied(batch, settled)
    if (stalled !== undefined) {
      out.push({ kind: 'stalled', slot, reason: stalled })
    } else {
      const requests = batch?.requests.length ?? 0
      out.push({ kind: 'applied', slot, batch: batch?.id, digest, requests, phases })
    }
  }

  #nextAgreement(): Agreement {
    const { self, coin, ledger } = this.#options
    const { slot: number, electorate } = ledger
    const find = (id: BatchId) => this.queue.find(id)
    return new Agreement({
      ...{ self, coin, number, electorate, find },
      isPatient: this.#isPatient,
      carriesBody: this.#forfeitsInRow > 0,
    })
  }
}

export type SequencerOptions = {
  readonly self: NodeId
  readonly coin: Coin
  readonly ledger: Ledger
  readonly out: Outbox
  readonly host: SequencerHost
}

/**
 * What a sequencer needs of the replica around it.
 *
 * - `mayVote`: whether this node may say anything in the current slot.
 * - `speaks`: it is about to, for a ballot is on its way to the disk.
 * - `proposing`: its proposal is durable and leaves now.
 * - `applied`: the slot is applied, with these outcomes, and the ledger stands at the next one.
 * - `entered`: a decision of this node has led to the next slot, which is to be begun with `enter`.
 */
export type SequencerHost = {
  mayVote(): boolean
  speaks(): void
  proposing(): void
  applied(batch: Batch | undefined, settled: readonly Settled[]): void
  entered(): void
}

/** A node whose disk does not keep up stops learning decisions: they would only pile up in memory. */
const BACKLOG_MAX = 1_024

/** After so many forfeited slots in a row the queues must differ: say again what is at the head of this one (R11). */
const FORFEITS_BEFORE_FORWARD = 3

function missing(slot: SlotNumber, found: SlotNumber): AetherError {
  return new AetherError(
    'data-damaged',
    `the consensus log goes on with slot ${found}, where slot ${slot} should follow`,
    'remove this node from the cluster and add it again with an empty data directory',
  )
}
