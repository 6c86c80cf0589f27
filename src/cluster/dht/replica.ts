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
import { assert } from '../../base/assert.ts'
import type { NodeId, PartitionId } from '../../base/ids.ts'
import type { Version } from '../../base/port.ts'
import { err } from '../../base/result.ts'
import type { EngineOperation } from '../../storage/index.ts'
import { BOUNDS, type ReplicaBounds } from './bound.ts'
import type { View } from './condition.ts'
import type { Placement, ReplicaEffect, ReplicaInput } from './effect.ts'
import { Fetch, type LogChange } from './fetch.ts'
import type { Retained } from './history.ts'
import { recordKey } from './key.ts'
import { endOf, Log, type Run } from './log.ts'
import type { Append, AppendedWrite, ReplicaMessage, Sealed } from './message.ts'
import { Outbox } from './outbox.ts'
import { Primary } from './primary.ts'
import { readPromise, sealOperation } from './promise.ts'
import { type Consistency, type Quorums, quorumsOf } from './quorum.ts'
import { decodeRecord } from './record.ts'
import { Source } from './source.ts'
import { Takeover } from './takeover.ts'
import { compareVersions, isSameVersion, VERSION_NONE } from './version.ts'

/** The rules are at the head of this file. */
export class Replica {
  readonly #options: ReplicaOptions
  readonly #bounds: ReplicaBounds
  readonly #out = new Outbox<Pending>()
  readonly #log: Log
  readonly #source: Source
  #placement: Placement | undefined
  /** Nothing of an earlier epoch is accepted; that much of it is durable. */
  #promised: number
  #promisedDurably: number
  /** Of a replica that is incomplete: up to where it had everything. */
  #had: Version | undefined
  #primary: Primary | undefined
  #takeover: Takeover | undefined
  #fetch: Fetch | undefined
  /** What a primary has said to be committed, as far as it is in this log. */
  #committed: Version = VERSION_NONE
  #turnLast: number

  /** Takes ownership of `history`: what `recoverHistory` gives. */
  constructor(options: ReplicaOptions, history: Retained[]) {
    const { partition, view, bounds = BOUNDS, turnFirst = 0 } = options
    const promise = readPromise(partition, view)
    this.#options = options
    this.#bounds = bounds
    this.#turnLast = turnFirst
    this.#log = new Log(history, bounds.retained)
    this.#had = promise.had
    this.#promisedDurably = Math.max(promise.epoch, this.#log.durable.epoch)
    this.#promised = this.#promisedDurably
    this.#source = new Source({
      partition,
      bounds,
      log: this.#log,
      view,
      scan: (range) => this.#out.scan(range),
      send: (to, page) => this.#out.send(to, page),
    })
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
        if (!this.#fetch?.scanned(input.token, input.entries)) {
          this.#source.scanned(input.token, input.entries)
        }
        break
      case 'configure':
        this.#configure(input.placement)
        break
      case 'message':
        this.#receive(input.from, input.message)
        break
      case 'tick':
        this.#tick()
        break
    }
    return this.#out.drain()
  }

  /** The version of the state that the view shows at this moment. */
  version(): Version {
    return this.#primary?.version() ?? this.#log.durable
  }

  /** What `MapSpace.version` says of a partition key, by the state that the view shows. */
  versionOf(space: string, partitionKey: string): Version {
    return this.#log.lastWrite(space, partitionKey, this.version().seq)
  }

  /** The same when all writes that have been ordered are committed. */
  orderedVersionOf(space: string, partitionKey: string): Version {
    return this.#log.lastWrite(space, partitionKey, Number.POSITIVE_INFINITY)
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
    const committed = this.#primary?.committed ?? this.#committed
    return compareVersions(version, committed) <= 0
  }

  /** What an operator and the checkers look at. */
  status(): ReplicaStatus {
    const { durable } = this.#log
    const isFetching = this.#fetch !== undefined
    return { last: durable, promised: this.#promised, isComplete: this.#counts(), isFetching }
  }

  #configure(placement: Placement): void {
    if (placement.epoch <= (this.#placement?.epoch ?? 0)) return
    this.#placement = placement
    this.#observe(placement.epoch)
    const { epoch, primary, replicas } = placement
    if (epoch < this.#promised || primary !== this.#options.self) return
    if (replicas.length === 1 && this.#counts() && this.#out.isDurable) {
      this.#lead(placement)
      this.#out.role('primary', epoch)
      return
    }
    this.#takeover = new Takeover(epoch, replicas, this.#quorums(placement))
    this.#out.role('taking-over', epoch)
    this.#askForPromises(this.#takeover)
  }

  /** A later epoch ends whatever this replica does in an earlier one. */
  #observe(epoch: number): void {
    if (epoch <= this.#promised) return
    this.#promised = epoch
    this.#stepDown()
    this.#fetch = undefined
    this.#source.forget()
  }

  #stepDown(): void {
    if (this.#primary === undefined && this.#takeover === undefined) return
    this.#committed = this.#primary?.committed ?? this.#committed
    this.#primary?.close()
    this.#primary = undefined
    this.#takeover = undefined
    this.#fetch = undefined
    this.#out.role('replica', this.#promised)
  }

  #lead(placement: Placement): void {
    const { partition, self, view } = this.#options
    const quorums = this.#quorums(placement)
    assert(this.#out.isDurable, 'a primary begins with everything durable')
    this.#takeover = undefined
    this.#primary = new Primary({
      partition,
      epoch: placement.epoch,
      others: placement.replicas.filter((replica) => replica !== self),
      writeQuorum: quorums.write,
      readQuorum: quorums.read,
      bounds: this.#bounds,
      log: this.#log,
      view,
      nextTurn: () => ++this.#turnLast,
      host: {
        order: (write, record, entries, append) =>
          this.#order(write, record, entries, { append, ackTo: undefined }),
        send: (to, message) => this.#out.send(to, message),
        reply: (answer) => this.#out.reply(answer),
        serving: (epoch) => this.#out.role('primary', epoch),
      },
    })
  }

  /** The next write of the log, entries and record in one commit. */
  #order(write: Retained, record: Uint8Array, operations: EngineOperation[], then: Then): void {
    const { partition } = this.#options
    const { version } = write
    operations.push({ kind: 'put', key: recordKey(partition, version), value: record })
    const expiring = this.#log.expiring()
    if (expiring !== undefined) {
      operations.push({ kind: 'delete', key: recordKey(partition, expiring) })
    }
    this.#log.push(write)
    this.#out.persist(operations, version, { kind: 'write', version, ...then })
  }

  #persisted(token: number): void {
    const item = this.#out.persisted(token)
    assert(item !== undefined, 'what is persisted becomes durable in its order')
    switch (item.kind) {
      case 'write':
        this.#log.settle(item.version)
        this.#promisedDurably = Math.max(this.#promisedDurably, item.version.epoch)
        if (item.ackTo === undefined) {
          if (this.#primary !== undefined && item.version.epoch === this.#placement?.epoch) {
            this.#primary.persisted(item.append)
          }
        } else {
          const { epoch, node } = item.ackTo
          this.#out.send(node, { kind: 'appended', epoch, version: item.version })
        }
        break
      case 'seal':
        this.#promisedDurably = Math.max(this.#promisedDurably, item.epoch)
        this.#answerSeal(item.to, item.epoch)
        break
      case 'fetch':
        if (item.change !== undefined) this.#change(item.change)
        if (this.#fetch === item.fetch) this.#fetched(item.fetch, item.change)
        break
    }
  }

  #change({ common, older, newer, had }: LogChange): void {
    this.#log.replace(common, older, newer)
    this.#had = had
    this.#promisedDurably = Math.max(this.#promisedDurably, this.#log.durable.epoch)
  }

  #refused(token: number): void {
    const items = this.#out.refused(token)
    const first = items.find((item) => item.kind === 'write')
    if (first !== undefined) {
      this.#log.cancel(first.version)
      if (first.version.epoch === this.#placement?.epoch) this.#primary?.refused(first.version)
    }
    // Asked for again at a later tick.
    if (items.some((item) => item.kind === 'fetch' && item.fetch === this.#fetch)) {
      this.#fetch = undefined
      this.#takeover?.restart()
    }
  }

  #receive(from: NodeId, message: ReplicaMessage): void {
    switch (message.kind) {
      case 'append':
      case 'seal':
      case 'confirm':
      case 'pull':
        if (message.epoch < this.#promised) {
          const { epoch } = message
          this.#out.send(from, { kind: 'fenced', epoch, by: this.#promised })
        } else {
          this.#serve(from, message)
        }
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
        this.#fetch?.page(from, message)
        break
      case 'fenced':
        if (message.epoch === this.#epoch()) this.#stepDown()
        break
    }
  }

  /** Of an epoch that is not earlier than the one promised. */
  #serve(from: NodeId, message: Extract<ReplicaMessage, { kind: Asking }>): void {
    switch (message.kind) {
      case 'append':
        this.#observe(message.epoch)
        this.#follow(from, message)
        break
      case 'seal':
        this.#observe(message.epoch)
        this.#seal(message.epoch, from)
        break
      case 'confirm':
        this.#out.send(from, { ...message, kind: 'confirmed' })
        break
      case 'pull':
        if (message.epoch === this.#promised && this.#counts() && this.#takeover === undefined) {
          this.#source.pull(from, message)
        }
        break
    }
  }

  #follow(from: NodeId, { epoch, history, committed, write }: Append): void {
    if (this.#fetch !== undefined || this.#primary !== undefined) return
    const end = endOf(history)
    const mayAppend = this.#counts() && write !== undefined
    if (mayAppend && isSameVersion(write.previous, this.#log.last)) {
      this.#accept(write, { epoch, node: from })
    } else if (this.#counts() && this.#isUpTo(end)) {
      this.#out.send(from, { kind: 'appended', epoch, version: end })
    } else {
      // What waits for the disk may yet turn out to be what is missing.
      if (this.#out.isDurable) this.#fetchFrom(from, epoch, history)
      return
    }
    if (compareVersions(committed, this.#committed) > 0) this.#committed = committed
  }

  /** Whether all that the primary had when it said so is durable here. */
  #isUpTo(end: Version): boolean {
    return end.seq === 0 ? this.#log.last.seq === 0 : this.#log.has(end)
  }

  #accept(write: AppendedWrite, ackTo: AckTo): void {
    const { version, record } = write
    const { requestId, space, partitionKey } = decodeRecord(record)
    const operations = write.entries.map(({ key, value }) => ({ kind: 'put' as const, key, value }))
    const retained = { version, requestId, space, partitionKey }
    this.#order(retained, record, operations, { append: undefined, ackTo })
  }

  #seal(epoch: number, to: NodeId): void {
    if (this.#promisedDurably >= epoch) {
      this.#answerSeal(to, epoch)
      return
    }
    const operations = [sealOperation(this.#options.partition, epoch)]
    this.#out.persist(operations, undefined, { kind: 'seal', epoch, to })
  }

  #answerSeal(to: NodeId, epoch: number): void {
    const history = this.#counts() ? this.#log.runs() : undefined
    const had = this.#had ?? this.#log.durable
    const answer: Sealed = { kind: 'sealed', epoch, history, had }
    if (to !== this.#options.self) {
      this.#out.send(to, answer)
      return
    }
    this.#takeover?.sealed(to, answer)
    this.#adopt()
  }

  #askForPromises(takeover: Takeover): void {
    const { epoch } = takeover
    for (const replica of takeover.missing()) {
      if (replica === this.#options.self) this.#seal(epoch, replica)
      else this.#out.send(replica, { kind: 'seal', epoch })
    }
  }

  /** Takes over as soon as enough is known, and what is known is here. */
  #adopt(): void {
    const takeover = this.#takeover
    if (takeover === undefined || this.#fetch !== undefined || !this.#out.isDurable) return
    const { self } = this.#options
    const best = takeover.choose(self, this.#bounds.repeatTicks)
    if (best === undefined) return
    const { durable } = this.#log
    const isHere = this.#counts() && compareVersions(durable, endOf(best.history)) >= 0
    if (!isHere) this.#fetchFrom(best.from, takeover.epoch, best.history)
    else if (this.#placement !== undefined) this.#lead(this.#placement)
  }

  #fetchFrom(from: NodeId, epoch: number, history: readonly Run[]): void {
    this.#fetch = undefined
    const fetch: Fetch = new Fetch({
      partition: this.#options.partition,
      from,
      epoch,
      history,
      bounds: this.#bounds,
      log: this.#log,
      view: this.#options.view,
      isComplete: () => this.#counts(),
      had: this.#had,
      promised: () => this.#promised,
      nextTurn: () => ++this.#turnLast,
      send: (to, pull) => this.#out.send(to, pull),
      scan: (range) => this.#out.scan(range),
      persist: (operations, version, change) =>
        this.#out.persist(operations, version, { kind: 'fetch', fetch, change }),
    })
    this.#fetch = fetch
    fetch.begin()
  }

  #fetched(fetch: Fetch, change: LogChange | undefined): void {
    if (change === undefined || change.had !== undefined) {
      fetch.persisted()
      return
    }
    this.#fetch = undefined
    const { from, epoch } = fetch
    if (this.#takeover !== undefined) this.#adopt()
    else this.#out.send(from, { kind: 'appended', epoch, version: this.#log.durable })
  }

  #tick(): void {
    const { repeatTicks } = this.#bounds
    this.#primary?.tick()
    const fetchAge = this.#fetch?.tick() ?? 0
    const takeover = this.#takeover
    if (takeover === undefined) return
    if (fetchAge >= REPEATS_MAX * repeatTicks) {
      this.#fetch = undefined
      takeover.restart()
    }
    if (takeover.age++ % repeatTicks === 0) this.#askForPromises(takeover)
    this.#adopt()
  }

  #turnAway(client: number): void {
    const isNear = this.#takeover !== undefined || this.#primary !== undefined
    const reason = isNear ? 'this node is taking over the partition' : 'another node is the primary'
    this.#out.reply({ client, result: err({ kind: 'unavailable', reason }) })
  }

  #quorums({ replicas }: Placement): Quorums {
    return quorumsOf(replicas.length, this.#options.consistency ?? 'strong')
  }

  #epoch(): number | undefined {
    return this.#placement?.epoch
  }

  /** Whether what is here is all there is up to the last write. */
  #counts(): boolean {
    const { origin } = this.#placement ?? {}
    const isUnfilled =
      origin !== undefined && origin !== this.#options.self && this.#log.durable.seq === 0
    return this.#had === undefined && !isUnfilled
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

type Asking = 'append' | 'seal' | 'confirm' | 'pull'

type AckTo = { readonly node: NodeId; readonly epoch: number }

/** What happens when a write is durable: the primary sends it on, another replica says so to the primary. */
type Then = {
  readonly append: AppendedWrite | undefined
  readonly ackTo: AckTo | undefined
}

/** What a commit is for. */
type Pending =
  | ({ readonly kind: 'write'; readonly version: Version } & Then)
  | { readonly kind: 'seal'; readonly epoch: number; readonly to: NodeId }
  | { readonly kind: 'fetch'; readonly fetch: Fetch; readonly change: LogChange | undefined }
