/**
 * The replicated log: one slot after the other, each decided by weak multi-valued consensus (`slot.ts`).
 *
 * 1. One slot at a time: slot s + 1 begins when s is applied, so its electorate is known (R7, R9).
 * 2. Every batch that a message mentions is queued (R2), and whoever hears of the current slot takes part in it (R6).
 * 3. What was said is repeated until the slot is over (R4); afterwards the decision answers for it (R5).
 *
 * The rules R1 to R14 are in docs/decisions/008-rabia-rules.md.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import { Agreement, type AgreementEffect } from './agreement.ts'
import type { Phase, SlotNumber } from './ballot.ts'
import type { Batch, Request } from './batch.ts'
import { type Coin, commonCoin } from './coin.ts'
import type { Effect, Input, Outcome } from './effect.ts'
import { Intake } from './intake.ts'
import { Journal } from './journal.ts'
import { Ledger } from './ledger.ts'
import type { Ballots, Decided, Message } from './message.ts'
import { LIMITS, type RabiaOptions, type RabiaStatus } from './options.ts'
import { Pace } from './pace.ts'
import { BatchQueue } from './queue.ts'
import { Reader } from './reader.ts'
import type { LogRecord } from './record.ts'

/** A node's replica of the log. Sans-IO: synchronous, no clock, no randomness; equal inputs give equal effects. */
export class Rabia {
  readonly #self: NodeId
  readonly #coin: Coin
  readonly #ledger: Ledger
  readonly #intake: Intake
  readonly #reader: Reader
  readonly #journal = new Journal()
  readonly #pace = new Pace()
  readonly #queue = new BatchQueue()
  #agreement: Agreement
  #peers: readonly NodeId[]
  #effects: Effect[] = []

  /** The token of the current slot's ballot that is on its way to the disk. */
  #ballotToken: number | undefined
  /** Ballots of the next slot, from members that are already there. */
  #early: { readonly from: NodeId; readonly message: Ballots }[] = []
  /** The last phase of the slot before in which this node has voted. */
  #votedPhase: Phase = 0
  #forfeitsInRow = 0

  constructor(options: RabiaOptions) {
    const limits = { ...LIMITS, ...options.limits }
    this.#self = options.self
    this.#coin = commonCoin(options.cluster)
    this.#ledger = new Ledger(options.machine, limits)
    this.#intake = new Intake({ origin: options.self, boot: options.boot, limits })
    this.#reader = new Reader(options.boot)
    this.#agreement = this.#nextAgreement()
    this.#peers = this.#otherMembers()
  }

  /** Takes one input and returns what is to be done for it, in order. */
  step(input: Input): readonly Effect[] {
    this.#take(input)
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** What an operator and the checkers look at. */
  status(): RabiaStatus {
    const { slot, electorate, digest, sessions, history } = this.#ledger
    return {
      slot,
      phase: this.#agreement.phase,
      epoch: electorate.epoch,
      digest,
      queued: this.#queue.size,
      waiting: this.#intake.waiting,
      reads: this.#reader.size,
      sessions: sessions.size,
      kept: history.size,
      isVoter: electorate.members.includes(this.#self),
      isRecalled: true,
      snapshot: undefined,
      applied: new Map(),
    }
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'replay':
        this.#replay(input.record)
        break
      case 'start':
        this.#start()
        break
      case 'tick':
        this.#tick()
        break
      case 'connected':
        this.#repeatTo([input.peer])
        break
      case 'message':
        this.#receive(input.from, input.message)
        break
      case 'request':
        this.#request(input.request)
        break
      case 'read':
        this.#reader.add(input.id)
        this.#read()
        break
      case 'persisted':
        this.#persisted(input.token)
        break
      case 'no-space':
        this.#journal.refuse(input.token)
        break
      case 'restore':
      case 'saved':
      case 'not-saved':
        break
    }
  }

  #replay(record: LogRecord): void {
    if (this.#ledger.stalled !== undefined) return
    assert(record.slot === this.#ledger.slot, 'the log holds one slot after the other')
    if (record.kind === 'ballot') {
      this.#agreement.replay(record.ballot, record.batch)
      return
    }
    const body = record.body ?? this.#agreement.body(record.batch)
    assert(body?.id === record.batch, 'the log holds the body of every decision')
    this.#apply(body)
  }

  #start(): void {
    for (const body of this.#agreement.bodies) this.#queue.add(body)
    this.#perform(this.#agreement.resume())
    this.#repeatTo(this.#peers)
  }

  #tick(): void {
    this.#effects.push(...this.#journal.flush())
    const isBusy = this.#agreement.isJoined || this.#intake.waiting > 0 || this.#reader.size > 0
    const action = this.#pace.tick(this.#ledger.slot, isBusy)
    if (action === 'repeat') this.#repeatTo(this.#peers)
    else this.#queryMarks(this.#peers)
    if (action === 'ask') this.#ask(this.#pace.turn(this.#peers))
  }

  /** Everything that `peers` may have missed (R4), and the question what this node has missed. */
  #repeatTo(peers: readonly NodeId[]): void {
    const ballots = this.#agreement.repetition()
    if (ballots) this.#send(peers, ballots)
    for (const batch of this.#intake.open) {
      this.#queue.add(batch)
      this.#send(peers, { kind: 'forward', batch })
    }
    this.#ask(peers)
    this.#queryMarks(peers)
    this.#propose()
  }

  /** Asks for everything from the current slot on. */
  #ask(peers: readonly NodeId[]): void {
    this.#send(peers, { kind: 'fetch', slot: this.#ledger.slot })
  }

  #request(request: Request): void {
    const known = this.#ledger.sessions.known(request)
    const reason = known ? undefined : this.#refusal(request)
    if (known) this.#reply(request, known)
    else if (reason !== undefined) this.#reply(request, { kind: 'busy', reason })
    else if (this.#intake.open.length === 0) this.#seal()
  }

  #refusal(request: Request): string | undefined {
    if (this.#journal.isFull) return 'the disk is full'
    return this.#ledger.stalled ?? this.#intake.accept(request)
  }

  /** Requests gather while an own batch waits; a second one is known to everybody when its turn comes. */
  #seal(): void {
    const batch = this.#intake.seal(this.#ledger.slot)
    if (!batch) return
    this.#queue.add(batch)
    this.#send(this.#peers, { kind: 'forward', batch })
    this.#propose()
  }

  /** Answers the reads whose round is over and begins the next round. */
  #read(): void {
    const { electorate } = this.#ledger
    for (;;) {
      const reads = this.#reader.finish(this.#ledger.slot - 1, electorate)
      for (const id of reads) this.#effects.push({ kind: 'readable', id })
      const round = this.#reader.begin(electorate)
      if (round === undefined) return
      this.#reader.answer(this.#self, round, this.#mark())
      this.#queryMarks(this.#peers)
    }
  }

  #queryMarks(peers: readonly NodeId[]): void {
    const round = this.#reader.asking
    if (round !== undefined) this.#send(peers, { kind: 'mark-query', round })
  }

  /** The highest slot in which this node has a durable ballot, or whose decision it has. */
  #mark(): SlotNumber {
    const { slot, history } = this.#ledger
    return this.#agreement.ballots.length > 0 ? slot : history.end - 1
  }

  #receive(from: NodeId, message: Message): void {
    switch (message.kind) {
      case 'ballots':
        this.#receiveBallots(from, message)
        break
      case 'forward':
        this.#learn(message.batch)
        this.#propose()
        break
      case 'fetch':
        this.#receiveFetch(from, message.slot)
        break
      case 'decided':
        this.#receiveDecided(from, message)
        break
      case 'offer':
      case 'snapshot-fetch':
      case 'snapshot-chunk':
      case 'recall':
      case 'witness':
        break
      case 'mark-query':
        this.#send([from], { kind: 'mark', round: message.round, slot: this.#mark() })
        break
      case 'mark':
        this.#hearOf(from, message.slot)
        this.#reader.answer(from, message.round, message.slot)
        this.#read()
        break
    }
  }

  #receiveBallots(from: NodeId, message: Ballots): void {
    if (message.batch) this.#learn(message.batch)
    const { slot, history } = this.#ledger
    if (message.slot < history.end) {
      if (this.#needsHelp(message)) this.#send([from], history.answer(message.slot))
    } else if (message.slot === slot) {
      this.#join()
      this.#perform(this.#agreement.hear(from, message))
    } else {
      const isNext = message.slot === slot + 1
      if (isNext && this.#early.length < EARLY_MAX) this.#early.push({ from, message })
      this.#hearOf(from, message.slot)
    }
  }

  /** A member of the slot before that has not passed this node's last vote there was sent all it needs, once. */
  #needsHelp(message: Ballots): boolean {
    if (message.repeats || message.slot < this.#ledger.slot - 1) return true
    return message.ballots.some((ballot) => ballot.phase > this.#votedPhase)
  }

  #receiveFetch(from: NodeId, first: SlotNumber): void {
    const { history } = this.#ledger
    if (first < history.end) this.#send([from], history.answer(first))
    this.#hearOf(from, first)
  }

  #receiveDecided(from: NodeId, message: Decided): void {
    if (this.#journal.isFull || this.#journal.backlog > BACKLOG_MAX) return
    const before = this.#ledger.slot
    for (const [i, batch] of message.decisions.entries()) {
      // The end of the slots is the end of what was applied, and nothing is applied out of order.
      if (message.first + i !== this.#ledger.history.end) continue
      assert(this.#agreement.agreesWith(batch?.id), 'a member decided otherwise')
      this.#commit(batch ?? undefined)
    }
    this.#pace.reached(message.end)
    if (this.#ledger.slot === before) return
    if (this.#ledger.slot < message.end) this.#ask([from])
    this.#enter()
  }

  #hearOf(from: NodeId, slot: SlotNumber): void {
    if (this.#pace.hearOf(slot, this.#ledger.slot)) this.#ask([from])
  }

  #learn(batch: Batch): void {
    if (!this.#ledger.history.has(batch.id)) this.#queue.add(batch)
  }

  #propose(): void {
    if (this.#queue.head) this.#join()
  }

  #join(): void {
    if (this.#agreement.isJoined || this.#ledger.stalled !== undefined) return
    this.#perform(this.#agreement.join(this.#queue.head))
  }

  #perform(effects: readonly AgreementEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist': {
          this.#journal.add(effect.record)
          const persist = this.#journal.write()
          this.#ballotToken = persist.token
          this.#effects.push(persist)
          break
        }
        case 'send':
          this.#send(this.#peers, effect.message)
          break
        case 'decided':
          this.#commit(effect.body)
          this.#enter()
          break
        case 'violation':
          this.#effects.push({ ...effect, reason: 'two ballots in one round' })
          break
      }
    }
  }

  #persisted(token: number): void {
    this.#journal.confirm(token)
    if (this.#ballotToken === undefined || this.#ballotToken > token) return
    this.#ballotToken = undefined
    this.#perform(this.#agreement.persisted())
  }

  #commit(batch: Batch | undefined): void {
    const { number, ballots } = this.#agreement
    const body = batch?.id === ballots[0]?.batch ? undefined : batch
    this.#journal.add({ kind: 'decision', slot: number, batch: batch?.id, body })
    this.#apply(batch)
  }

  #apply(batch: Batch | undefined): void {
    const { slot } = this.#ledger
    for (const { request, outcome } of this.#ledger.commit(batch)) {
      if (this.#intake.settle(request)) this.#reply(request, outcome)
    }
    const { stalled, digest } = this.#ledger
    if (stalled !== undefined) this.#effects.push({ kind: 'stalled', slot, reason: stalled })
    else {
      const requests = batch?.requests.length ?? 0
      const phases = this.#agreement.votedPhase
      this.#effects.push({ kind: 'applied', slot, batch: batch?.id, digest, requests, phases })
    }
    if (batch) {
      this.#queue.remove(batch.id)
      this.#intake.close(batch.id)
    }
    this.#forfeitsInRow = batch ? 0 : this.#forfeitsInRow + 1
    this.#votedPhase = this.#agreement.votedPhase
    this.#ballotToken = undefined
    if (this.#agreement.electorate !== this.#ledger.electorate) this.#peers = this.#otherMembers()
    this.#agreement = this.#nextAgreement()
  }

  /** Begins the slot after the last applied one. */
  #enter(): void {
    this.#read()
    this.#seal()
    const { head } = this.#queue
    if (head && this.#forfeitsInRow >= FORFEITS_BEFORE_FORWARD) {
      this.#send(this.#peers, { kind: 'forward', batch: head })
    }
    this.#propose()
    const early = this.#early
    this.#early = []
    for (const { from, message } of early) this.#receiveBallots(from, message)
  }

  #nextAgreement(): Agreement {
    const { slot, electorate } = this.#ledger
    return new Agreement({ self: this.#self, coin: this.#coin, number: slot, electorate })
  }

  #otherMembers(): readonly NodeId[] {
    return this.#ledger.electorate.members.filter((member) => member !== this.#self)
  }

  #reply(request: Request, outcome: Outcome): void {
    this.#effects.push({ kind: 'reply', client: request.client, seq: request.seq, outcome })
  }

  #send(to: readonly NodeId[], message: Message): void {
    if (to.length > 0) this.#effects.push({ kind: 'send', to, message })
  }
}

/** Ballots of the next slot from up to five members; what is dropped comes again. */
const EARLY_MAX = 64

/** A node whose disk does not keep up stops learning decisions: they would only pile up in memory. */
const BACKLOG_MAX = 1_024

/** After so many forfeited slots in a row the queues must differ: say again what is at the head of this one (R11). */
const FORFEITS_BEFORE_FORWARD = 3
