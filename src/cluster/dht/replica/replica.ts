/**
 * One partition on one node: its primary, one of the other replicas, or on the way from one to the
 * other. Sans-IO: synchronous, no clock, no randomness; equal inputs give equal effects.
 *
 * 1. A replica promises the highest epoch that it has heard of and refuses whatever is of an earlier
 *    one, reads as well as writes. The promise is durable, in a record or by itself, before anybody is
 *    told of it.
 * 2. A replica accepts a write right after the write that went before it at the primary, and at no
 *    other place. Whoever is elsewhere fetches what it lacks and drops what the primary lacks.
 * 3. A node that becomes primary asks all replicas for their promise, adopts the history that ends
 *    last of enough complete ones, and begins its epoch with an empty write (`takeover.ts`,
 *    `primary.ts`). A start in an epoch that is its own already is no different.
 * 4. A partition with one replica needs none of this: what its disk has is committed.
 */
import { assert } from '../../../base/assert.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import { err } from '../../../base/result.ts'
import { type Consistency, type Quorums, quorumsOf } from '../quorum.ts'
import { compareVersions } from '../version.ts'
import { BOUNDS, type ReplicaBounds } from './bound.ts'
import type { View } from './condition.ts'
import { Copy, type Pending } from './copy.ts'
import type { Placement, ReplicaEffect, ReplicaInput } from './effect.ts'
import type { Retained } from './history.ts'
import { endOf } from './log.ts'
import type { ReplicaMessage } from './message.ts'
import { Outbox } from './outbox.ts'
import { Primary } from './primary.ts'
import { Takeover } from './takeover.ts'

/** The rules are at the head of this file. */
export class Replica {
  readonly #options: ReplicaOptions
  readonly #bounds: ReplicaBounds
  readonly #out = new Outbox<Pending>()
  readonly #copy: Copy
  #placement: Placement | undefined
  #primary: Primary | undefined
  #takeover: Takeover | undefined
  #turnLast: number

  /** `history` is what `recoverHistory` gives. */
  constructor(options: ReplicaOptions, history: readonly Retained[]) {
    const { partition, self, view, bounds = BOUNDS, isFirstDisk = false, turnFirst = 0 } = options
    this.#options = options
    this.#bounds = bounds
    this.#turnLast = turnFirst
    const placement = () => this.#placement
    const nextTurn = () => ++this.#turnLast
    this.#copy = new Copy(
      { partition, self, view, bounds, isFirstDisk, out: this.#out, placement, nextTurn },
      history,
    )
  }

  /** The effects are in order and complete: nothing else is ever to be done for this input. */
  step(input: ReplicaInput): readonly ReplicaEffect[] {
    switch (input.kind) {
      case 'write':
        if (this.#primary?.isServing) this.#primary.write(input.write, input.client)
        else this.#turnAway(input.client)
        break
      case 'read':
        if (this.#primary?.isServing) this.#primary.read(input.read, input.client)
        else this.#turnAway(input.client)
        break
      case 'persisted':
        this.#persisted(input.token)
        break
      case 'refused':
        this.#refused(input.token)
        break
      case 'scanned':
        this.#copy.scanned(input.token, input.entries)
        break
      case 'configure':
        this.#configure(input.placement)
        break
      case 'message':
        this.#receive(input.from, input.message)
        break
      case 'reached':
        if (this.#takeover?.missing().includes(input.peer))
          this.#askForPromise(this.#takeover, input.peer)
        this.#primary?.reached(input.peer)
        break
      case 'tick':
        this.#tick()
        break
    }
    return this.#out.drain()
  }

  /** The version of the state that the view shows at this moment. */
  version(): Version {
    return this.#primary?.version() ?? this.#copy.log.durable
  }

  /** What `MapSpace.version` says of a partition key, by the state that the view shows. */
  versionOf(space: string, partitionKey: string): Version {
    return this.#copy.log.lastWrite(space, partitionKey, this.version().seq)
  }

  /** The same when all writes that have been ordered are committed. */
  orderedVersionOf(space: string, partitionKey: string): Version {
    return this.#copy.log.lastWrite(space, partitionKey, Number.POSITIVE_INFINITY)
  }

  /** Whether a write in flight puts or deletes the entry of this `entryName`. */
  isPending(name: string): boolean {
    return this.#primary?.isPending(name) ?? false
  }

  /**
   * Whether this write is known here to be committed: then what it has written may be shown to
   * anybody who does not mind that it may have been replaced since.
   */
  isCommitted(version: Version): boolean {
    return compareVersions(version, this.committed) <= 0
  }

  /** The last write that is known here to be committed. */
  get committed(): Version {
    return this.#primary?.committed ?? this.#copy.committed
  }

  /** Whether ticks have something to do. */
  get isBusy(): boolean {
    const isFollowing = this.#primary === undefined && this.#takeover === undefined
    return isFollowing ? this.#copy.isFetching : (this.#primary?.isBusy ?? true)
  }

  /** Of a primary: which other replicas lack a write that was here a tick ago. */
  lagging(): readonly NodeId[] {
    return this.#primary?.lagging() ?? []
  }

  /** What an operator and the checkers look at. */
  status(): ReplicaStatus {
    const { log, promised, isComplete, isFetching } = this.#copy
    return { last: log.durable, promised, isComplete, isFetching }
  }

  #configure(placement: Placement): void {
    if (placement.epoch <= (this.#placement?.epoch ?? 0)) return
    this.#placement = placement
    this.#observe(placement.epoch)
    const { epoch, primary, replicas } = placement
    if (epoch < this.#copy.promised || primary !== this.#options.self) return
    if (replicas.length === 1 && this.#copy.isComplete && this.#out.isDurable) {
      this.#lead(placement)
      return
    }
    this.#takeover = new Takeover(epoch, replicas, this.#quorums(placement))
    this.#out.role('taking-over', epoch)
    this.#askForPromises(this.#takeover)
  }

  /** A later epoch ends whatever this replica does in an earlier one. */
  #observe(epoch: number): void {
    if (epoch <= this.#copy.promised) return
    this.#stepDown()
    this.#copy.promise(epoch)
  }

  #stepDown(): void {
    if (this.#primary === undefined && this.#takeover === undefined) return
    this.#copy.learn(this.#primary?.committed)
    this.#copy.abandon()
    this.#primary?.close()
    this.#primary = undefined
    this.#takeover = undefined
    this.#out.role('replica', this.#copy.promised)
  }

  #lead(placement: Placement): void {
    const { partition, self, view } = this.#options
    const { write, read } = this.#quorums(placement)
    assert(this.#out.isDurable, 'a primary begins with everything durable')
    this.#takeover = undefined
    this.#primary = new Primary({
      partition,
      epoch: placement.epoch,
      others: placement.replicas.filter((replica) => replica !== self),
      writeQuorum: write,
      readQuorum: read,
      bounds: this.#bounds,
      log: this.#copy.log,
      view,
      nextTurn: () => ++this.#turnLast,
      host: {
        order: (write, record, entries, append) =>
          this.#copy.order(write, record, entries, { append, ackTo: undefined }),
        send: (to, message) => this.#out.send(to, message),
        reply: (answer) => this.#out.reply(answer),
        serving: (epoch) => this.#out.role('primary', epoch),
      },
    })
    if (this.#primary.isServing) this.#out.role('primary', placement.epoch)
  }

  #persisted(token: number): void {
    const item = this.#copy.persisted(token)
    if (item.kind === 'seal') this.#answerSeal(item.to, item.epoch)
    else if (item.kind === 'fetch') this.#adopt()
    else if (item.version.epoch === this.#epoch() && item.ackTo === undefined) {
      this.#primary?.persisted(item.append)
    }
  }

  #refused(token: number): void {
    const first = this.#copy.refused(token)
    if (first?.epoch === this.#epoch() && first !== undefined) this.#primary?.refused(first)
    this.#takeover?.restart()
  }

  #receive(from: NodeId, message: ReplicaMessage): void {
    switch (message.kind) {
      case 'append':
      case 'committed':
      case 'seal':
      case 'confirm':
      case 'pull':
        this.#serve(from, message)
        break
      case 'appended':
        if (message.epoch === this.#epoch()) this.#primary?.appended(from, message.version)
        break
      case 'confirmed':
        if (message.epoch === this.#epoch()) this.#primary?.confirmed(from, message.turn)
        break
      case 'sealed':
        this.#takeover?.sealed(from, message)
        this.#adopt()
        break
      case 'records':
      case 'entries':
        this.#copy.page(from, message)
        break
      case 'fenced':
        if (message.epoch === this.#epoch()) this.#stepDown()
        break
    }
  }

  /** What only a primary asks, or a replica of its primary. */
  #serve(from: NodeId, message: Extract<ReplicaMessage, { kind: Asking }>): void {
    const { promised } = this.#copy
    if (message.epoch < promised) {
      this.#out.send(from, { kind: 'fenced', epoch: message.epoch, by: promised })
      return
    }
    switch (message.kind) {
      case 'append':
        this.#observe(message.epoch)
        if (this.#primary === undefined) this.#copy.follow(from, message)
        break
      case 'committed':
        this.#observe(message.epoch)
        if (this.#primary === undefined) this.#copy.learnFrom(message)
        break
      case 'seal':
        this.#observe(message.epoch)
        if (this.#copy.seal(message.epoch, from)) this.#answerSeal(from, message.epoch)
        break
      case 'confirm':
        this.#out.send(from, { ...message, kind: 'confirmed' })
        break
      case 'pull':
        if (this.#takeover === undefined) this.#copy.pull(from, message)
        break
    }
  }

  #answerSeal(to: NodeId, epoch: number): void {
    const answer = this.#copy.sealed(epoch)
    if (to !== this.#options.self) this.#out.send(to, answer)
    else {
      this.#takeover?.sealed(to, answer)
      this.#adopt()
    }
  }

  #askForPromises(takeover: Takeover): void {
    for (const replica of takeover.missing()) this.#askForPromise(takeover, replica)
  }

  #askForPromise({ epoch }: Takeover, replica: NodeId): void {
    const { self } = this.#options
    if (replica !== self) this.#out.send(replica, { kind: 'seal', epoch })
    else if (this.#copy.seal(epoch, self)) this.#answerSeal(self, epoch)
  }

  /** Takes over as soon as enough is known, and what is known is here. */
  #adopt(): void {
    const takeover = this.#takeover
    if (takeover === undefined || this.#copy.isFetching || !this.#out.isDurable) return
    const best = takeover.choose(this.#options.self, this.#bounds.repeatTicks)
    if (best === undefined) return
    const { log, isComplete } = this.#copy
    const isHere = isComplete && compareVersions(log.durable, endOf(best.history)) >= 0
    if (!isHere) this.#copy.fetch(best.from, takeover.epoch, best.history)
    else if (this.#placement !== undefined) this.#lead(this.#placement)
  }

  #tick(): void {
    const { repeatTicks } = this.#bounds
    this.#primary?.tick()
    const fetchAge = this.#copy.tick()
    const takeover = this.#takeover
    if (takeover === undefined) return
    if (fetchAge >= REPEATS_MAX * repeatTicks) {
      this.#copy.abandon()
      takeover.restart()
    }
    if (takeover.age++ % repeatTicks === 0) this.#askForPromises(takeover)
    this.#adopt()
  }

  #turnAway(client: number): void {
    const isNear = this.#takeover !== undefined || this.#primary !== undefined
    this.#out.reply({ client, result: err({ kind: isNear ? 'taking-over' : 'not-primary' }) })
  }

  #quorums({ replicas }: Placement): Quorums {
    return quorumsOf(replicas.length, this.#options.consistency ?? 'strong')
  }

  #epoch(): number | undefined {
    return this.#placement?.epoch
  }
}

/** Then somebody else is asked. */
const REPEATS_MAX = 4

/** Fixed for the life of the process. */
export type ReplicaOptions = {
  readonly partition: PartitionId
  readonly self: NodeId
  /** The engine's `get`. */
  readonly view: View
  /** 'strong' if absent. */
  readonly consistency?: Consistency
  /** Whether this node's disk is the one that its partitions began with: then nothing on it means that there never was anything. */
  readonly isFirstDisk?: boolean
  /** Greater than any number that an earlier life of this node put into a question, so that no old answer fits a new one. */
  readonly turnFirst?: number
  readonly bounds?: ReplicaBounds
}

/** `isComplete`: whether it has every write up to `last`. */
export type ReplicaStatus = {
  readonly last: Version
  readonly promised: number
  readonly isComplete: boolean
  readonly isFetching: boolean
}

type Asking = 'append' | 'committed' | 'seal' | 'confirm' | 'pull'
