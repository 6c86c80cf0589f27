/**
 * The replicated log: one slot after the other, each decided by weak multi-valued consensus (`slot.ts`).
 *
 * 1. One slot at a time: slot s + 1 begins when s is applied, so its electorate is known (R7, R9).
 * 2. Every batch that a message mentions is queued (R2), and whoever hears of the current slot takes part in it (R6).
 * 3. What was said is repeated until the slot is over (R4); afterwards the decision answers for it (R5).
 *
 * The rules R1 to R18 are in docs/decisions/008-rabia-rules.md.
 */
import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'
import { type Batch, partsOf, type Request } from './batch.ts'
import { commonCoin } from './coin.ts'
import type { Effect, Input } from './effect.ts'
import { Franchise } from './franchise.ts'
import { Intake } from './intake.ts'
import { Ledger, type Settled } from './ledger.ts'
import type { Ballots, Decided, Message, Witness } from './message.ts'
import { LIMITS, type RabiaOptions, type RabiaStatus } from './options.ts'
import { Outbox } from './outbox.ts'
import { Pace } from './pace.ts'
import { Peers } from './peers.ts'
import { Reader } from './reader.ts'
import type { Position } from './recall.ts'
import { Sequencer } from './sequencer.ts'
import type { Snapshot } from './snapshot.ts'
import { Transfer } from './transfer.ts'

/** A node's replica of the log. Sans-IO: synchronous, no clock, no randomness; equal inputs give equal effects. */
export class Rabia {
  readonly #options: RabiaOptions
  readonly #out = new Outbox()
  readonly #pace = new Pace()
  readonly #peers = new Peers()
  readonly #ledger: Ledger
  readonly #intake: Intake
  readonly #reader: Reader
  readonly #franchise: Franchise
  readonly #sequencer: Sequencer
  readonly #transfer: Transfer
  /** Ballots of the next slot, from members that are already there; of this one, while there is no recall. */
  #early: { readonly from: NodeId; readonly message: Ballots }[] = []

  constructor(options: RabiaOptions) {
    const { self, cluster, boot, machine } = options
    const limits = { ...LIMITS, ...options.limits }
    this.#options = options
    this.#ledger = new Ledger(machine, limits)
    this.#intake = new Intake({ origin: self, boot, out: this.#out, limits })
    this.#reader = new Reader(boot, this.#out)
    this.#franchise = new Franchise(options, this.#ledger, this.#out)
    this.#transfer = new Transfer(this.#ledger, limits, this.#out)
    this.#sequencer = new Sequencer({
      self,
      coin: commonCoin(cluster),
      ledger: this.#ledger,
      out: this.#out,
      host: {
        mayVote: () => this.#franchise.mayVote,
        speaks: () => this.#franchise.speak(),
        proposing: () => this.#seal(),
        applied: (batch, settled) => this.#applied(batch, settled),
        entered: () => this.#enter(),
      },
    })
  }

  /** Takes one input and returns what is to be done for it, in order. */
  step(input: Input): readonly Effect[] {
    this.#take(input)
    return this.#out.drain()
  }

  /** What an operator and the checkers look at. Costs the same however much there is. */
  status(): RabiaStatus {
    const { slot, electorate, digest, sessions, history } = this.#ledger
    return {
      slot,
      phase: this.#sequencer.phase,
      epoch: electorate.epoch,
      digest,
      isVoter: this.#franchise.isVoter,
      isRecalled: this.#franchise.isRecalled,
      snapshot: this.#transfer.slot,
      applied: this.#peers.applied,
      queued: this.#sequencer.queue.size,
      waiting: this.#intake.waiting,
      reads: this.#reader.size,
      sessions: sessions.size,
      kept: history.size,
    }
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'restore':
        this.#transfer.hold(input.snapshot)
        this.#jump(input.snapshot)
        break
      case 'replay':
        // The log may not be trimmed yet.
        if (input.record.slot > (this.#transfer.slot ?? 0)) this.#sequencer.replay(input.record)
        break
      case 'start':
        this.#sequencer.start()
        this.#franchise.start(this.#position())
        this.#repeatTo(this.#out.peers)
        break
      case 'tick':
        this.#tick()
        break
      case 'connected':
        this.#peers.forgetApplied(input.peer)
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
        this.#sequencer.persisted(input.token)
        break
      case 'no-space':
        this.#sequencer.journal.refuse(input.token)
        break
      case 'saved':
        this.#saved(input.slot)
        break
      case 'not-saved':
        this.#transfer.refused(input.slot)
        break
    }
  }

  #tick(): void {
    const { peers } = this.#out
    this.#out.release()
    this.#out.push(...this.#sequencer.journal.flush())
    this.#transfer.tick(this.#agreed())
    this.#transfer.compact()
    const action = this.#pace.tick(this.#ledger.slot, this.#isBusy())
    if (action === 'repeat') {
      this.#sequencer.hurry()
      // Whatever is ahead, requests have gathered long enough.
      this.#seal()
      this.#repeatTo(peers)
    } else this.#reader.ask(peers)
    // Nobody tells a node without a vote what is decided.
    if (action === 'ask' || !this.#franchise.isVoter) this.#ask(this.#pace.turn(peers))
  }

  #isBusy(): boolean {
    if (this.#sequencer.isJoined || this.#intake.waiting > 0 || this.#reader.size > 0) return true
    return this.#franchise.isWaiting
  }

  /** Everything that `peers` may have missed (R4), and the question what this node has missed. */
  #repeatTo(peers: readonly NodeId[]): void {
    const ballots = this.#sequencer.repetition()
    if (ballots) this.#out.send(peers, ballots)
    for (const batch of this.#intake.open) {
      this.#sequencer.queue.add(batch)
      this.#out.send(peers, { kind: 'forward', batch })
    }
    this.#ask(peers)
    this.#franchise.ask(peers)
    this.#reader.ask(peers)
    this.#sequencer.propose()
  }

  /** Asks for everything from the current slot on. */
  #ask(peers: readonly NodeId[]): void {
    if (this.#transfer.isUnderWay) return
    this.#out.send(peers, { kind: 'fetch', slot: this.#ledger.slot })
  }

  #request(request: Request): void {
    const known = this.#ledger.sessions.known(request)
    const reason = known ? undefined : this.#refusal(request)
    if (known) this.#intake.reply(request, known)
    else if (reason !== undefined) this.#intake.reply(request, { kind: 'busy', reason })
    // While another batch is ahead of it an own one would gain nothing by being sealed early, and be small.
    else if (this.#ahead === 0) this.#seal()
  }

  #refusal(request: Request): string | undefined {
    if (this.#sequencer.journal.isFull) return 'the disk is full'
    if (this.#ledger.slot === 0) return 'this node has not joined its cluster yet'
    return this.#ledger.stalled ?? this.#intake.accept(request)
  }

  /** Batches that will have a slot first. A node without a vote may have some in its queue that had theirs long ago. */
  get #ahead(): number {
    return this.#franchise.isVoter ? this.#sequencer.queue.size : 0
  }

  /**
   * Requests gather while something is ahead of them, and are sealed when the own proposal is about to leave: late enough to hold many,
   * early enough to be known to everybody when the next slot begins.
   */
  #seal(): void {
    const batch = this.#intake.seal(this.#ledger.slot)
    if (!batch) return
    const hasTime = this.#ahead > 0
    this.#sequencer.queue.add(batch)
    // In time for the next slot if it comes before the own proposal in this one.
    if (hasTime) this.#out.hold({ kind: 'forward', batch })
    else this.#out.broadcast({ kind: 'forward', batch })
    this.#sequencer.propose()
  }

  /** Answers the reads whose round is over and begins the next round. */
  #read(): void {
    const { electorate } = this.#ledger
    for (;;) {
      const reads = this.#reader.finish(this.#ledger.slot - 1, electorate)
      for (const id of reads) this.#out.push({ kind: 'readable', id })
      if (this.#franchise.isWaiting) return
      const round = this.#reader.begin(electorate)
      if (round === undefined) return
      this.#reader.answer(this.#options.self, round, this.#sequencer.mark)
      this.#reader.ask(this.#out.peers)
    }
  }

  #receive(from: NodeId, message: Message): void {
    switch (message.kind) {
      case 'ballots':
        this.#receiveBallots(from, message)
        break
      case 'forward':
        this.#sequencer.learn(message.batch)
        this.#sequencer.propose()
        break
      case 'fetch':
        this.#peers.hasApplied(from, message.slot - 1)
        this.#transfer.answer(from, message.slot)
        this.#hearOf(from, message.slot)
        break
      case 'decided':
        this.#peers.hasReached(from, message.end - 1)
        this.#receiveDecided(from, message)
        break
      case 'offer':
        this.#peers.hasReached(from, message.slot)
        this.#transfer.consider(from, message)
        break
      case 'snapshot-fetch':
        this.#transfer.lend(from, message)
        break
      case 'snapshot-chunk':
        this.#transfer.add(message)
        break
      case 'mark-query':
        if (!this.#franchise.mayVote) break
        this.#out.send([from], { kind: 'mark', round: message.round, slot: this.#sequencer.mark })
        break
      case 'mark':
        this.#peers.hasReached(from, message.slot - 1)
        this.#hearOf(from, message.slot)
        this.#reader.answer(from, message.round, message.slot)
        this.#read()
        break
      case 'recall':
        this.#out.send([from], this.#peers.witness(from, message.boot))
        break
      case 'witness':
        this.#receiveWitness(from, message)
        break
    }
  }

  #receiveBallots(from: NodeId, message: Ballots): void {
    // Epochs only grow: nobody has said that in this slot or a later one.
    const { epoch } = this.#ledger.electorate
    if (message.slot >= this.#ledger.slot && message.epoch < epoch) return
    this.#peers.hear(from, message)
    this.#peers.hasReached(from, message.slot - 1)
    if (message.batch) this.#sequencer.learn(message.batch)
    const { slot, history } = this.#ledger
    if (message.slot < history.end) {
      if (this.#sequencer.needsHelp(message)) this.#transfer.answer(from, message.slot)
      this.#sequencer.propose()
    } else if (message.slot === slot && this.#franchise.mayVote) {
      this.#sequencer.hear(from, message)
    } else {
      const isSoon = this.#franchise.isVoter && message.slot <= slot + 1
      if (isSoon && this.#early.length < EARLY_MAX) this.#early.push({ from, message })
      this.#hearOf(from, message.slot)
    }
  }

  #receiveDecided(from: NodeId, message: Decided): void {
    const isNews = this.#sequencer.adopt(message)
    this.#pace.reached(message.end)
    if (!isNews) return
    if (this.#ledger.slot < message.end) this.#ask([from])
    this.#enter()
  }

  #receiveWitness(from: NodeId, witness: Witness): void {
    this.#franchise.hear(from, witness, this.#position())
    if (!this.#franchise.mayVote) return
    this.#sequencer.propose()
    this.#read()
    this.#hearEarly()
  }

  #position(): Position {
    return { slot: this.#ledger.slot, own: this.#sequencer.ballots }
  }

  #hearOf(from: NodeId, slot: SlotNumber): void {
    if (this.#pace.hearOf(slot, this.#ledger.slot)) this.#ask([from])
  }

  #applied(batch: Batch | undefined, settled: readonly Settled[]): void {
    if (batch) for (const id of partsOf(batch.id)) this.#intake.close(id)
    for (const { request, outcome } of settled) {
      this.#intake.settle(request, outcome)
    }
    this.#transfer.count(batch)
    this.#franchise.update()
  }

  /** Begins the slot after the last applied one. */
  #enter(): void {
    this.#transfer.compact()
    this.#read()
    if (this.#ahead === 0) this.#seal()
    this.#sequencer.enter()
    this.#hearEarly()
  }

  #hearEarly(): void {
    const early = this.#early
    this.#early = []
    for (const { from, message } of early) this.#receiveBallots(from, message)
  }

  /** The disk has a snapshot: of this state, or of a later one, where this node goes on. */
  #saved(slot: SlotNumber): void {
    const snapshot = this.#transfer.saved(slot)
    if (snapshot) {
      this.#jump(snapshot)
      this.#intake.settleKnown(this.#ledger.sessions)
      for (const batch of this.#intake.open) this.#sequencer.queue.add(batch)
      this.#ask(this.#pace.turn(this.#out.peers))
      this.#enter()
    }
    this.#transfer.trim(this.#agreed())
  }

  #jump(snapshot: Snapshot): void {
    this.#ledger.restore(snapshot)
    this.#sequencer.reset()
    this.#early = []
    this.#franchise.update()
    this.#out.push({ kind: 'restored', slot: snapshot.slot, digest: snapshot.digest })
  }

  /** The last slot that n − f members are known to have applied. */
  #agreed(): SlotNumber {
    const { electorate, slot } = this.#ledger
    return this.#peers.appliedByQuorum(electorate, this.#options.self, slot - 1)
  }
}

/** Ballots of a slot from up to five members; what is dropped comes again. */
const EARLY_MAX = 64
