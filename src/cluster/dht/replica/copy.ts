import { assert } from '../../../base/assert.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { EngineEntry, EngineOperation } from '../../../storage/index.ts'
import { recordKey } from '../key.ts'
import { compareVersions, isSameVersion, VERSION_NONE } from '../version.ts'
import type { ReplicaBounds } from './bound.ts'
import type { View } from './condition.ts'
import type { Placement } from './effect.ts'
import { Fetch, type LogChange } from './fetch.ts'
import type { Retained } from './history.ts'
import { endOf, Log, type Run } from './log.ts'
import type { Append, AppendedWrite, Committed, Page, Pull, Sealed } from './message.ts'
import type { Outbox } from './outbox.ts'
import { readPromise, sealOperation } from './promise.ts'
import { decodeRecord } from './record.ts'
import { Source } from './source.ts'

/**
 * What this node has of a partition, whoever is its primary: the log, the promise not to accept
 * anything of earlier epochs, and whether it is complete. Follows a primary, and fetches what it
 * lacks.
 *
 * All that it says to others is durable before it is said.
 */
export class Copy {
  readonly log: Log
  readonly #options: CopyOptions
  readonly #out: Outbox<Pending>
  readonly #source: Source
  /** Nothing of an earlier epoch is accepted; that much of it is durable. */
  #promised: number
  #promisedDurably: number
  /** Of a replica that is incomplete: up to where it had everything. */
  #had: Version | undefined
  #fetch: Fetch | undefined
  #committed: Version = VERSION_NONE
  /** The same at the replica that is fetched from, as it was when that began. */
  #committedThere: Version = VERSION_NONE

  constructor(options: CopyOptions, history: readonly Retained[]) {
    const { partition, view, bounds, out } = options
    const promise = readPromise(partition, view)
    this.#options = options
    this.#out = out
    this.log = new Log(history, bounds.retained, (version) => {
      const record = view(recordKey(partition, version))
      return record && decodeRecord(record).requestId
    })
    this.#had = promise.had
    this.#promisedDurably = Math.max(promise.epoch, this.log.durable.epoch)
    this.#promised = this.#promisedDurably
    this.#source = new Source({
      partition,
      bounds,
      log: this.log,
      view,
      scan: (range) => out.scan(range),
      send: (to, page) => out.send(to, page),
    })
  }

  get promised(): number {
    return this.#promised
  }

  /** What a primary has said to be committed, as far as it has been written here. */
  get committed(): Version {
    return this.#committed
  }

  get isFetching(): boolean {
    return this.#fetch !== undefined
  }

  /** Whether what is here is all there is up to the last write. */
  get isComplete(): boolean {
    const { self, placement } = this.#options
    const known = placement()
    // Before the table has been heard of, an empty replica may be one that has yet to be given its data.
    const mayLack = known === undefined || (known.origin !== undefined && known.origin !== self)
    return this.#had === undefined && !(mayLack && this.log.durable.seq === 0)
  }

  /** Promises a later epoch, not durably yet: whatever is under way in an earlier one ends. */
  promise(epoch: number): void {
    this.#promised = epoch
    this.#fetch = undefined
    this.#source.forget()
  }

  /** The next write of the log, entries and record in one commit. `operations` becomes its own. */
  order(write: Retained, record: Uint8Array, operations: EngineOperation[], then: Then): void {
    const { partition } = this.#options
    const { version } = write
    operations.push({ kind: 'put', key: recordKey(partition, version), value: record })
    const expiring = this.log.expiring()
    if (expiring !== undefined) {
      operations.push({ kind: 'delete', key: recordKey(partition, expiring) })
    }
    this.log.push(write)
    this.#out.persist(operations, version, { kind: 'write', version, ...then })
  }

  /** What the commit of `token` was for; it has been done. */
  persisted(token: number): Pending {
    const item = this.#out.persisted(token)
    assert(item !== undefined, 'what is persisted becomes durable in its order')
    if (item.kind === 'write') this.log.settle(item.version)
    if (item.kind === 'fetch' && item.change !== undefined) this.#change(item.change)
    const epoch = item.kind === 'seal' ? item.epoch : this.log.durable.epoch
    this.#promisedDurably = Math.max(this.#promisedDurably, epoch)
    if (item.kind === 'write' && item.ackTo !== undefined) {
      const { epoch, node } = item.ackTo
      this.#out.send(node, { kind: 'appended', epoch, version: item.version })
    }
    if (item.kind === 'fetch' && item.fetch === this.#fetch) this.#proceed(item.fetch, item.change)
    return item
  }

  /** The commit of `token` and all later ones never happen; gives the first write among them. */
  refused(token: number): Version | undefined {
    const items = this.#out.refused(token)
    // Begun anew when the primary asks again.
    const isFetch = items.some((item) => item.kind === 'fetch' && item.fetch === this.#fetch)
    if (isFetch) this.#fetch = undefined
    const first = items.find((item) => item.kind === 'write')?.version
    if (first !== undefined) this.log.cancel(first)
    return first
  }

  /** A primary of the promised epoch has written, or asks how far this replica has come. */
  follow(from: NodeId, { epoch, history, committed, write }: Append): void {
    // A page of an earlier epoch's fetch may still be on its way to the disk, and changes what is here.
    if (this.#fetch !== undefined || this.#out.awaits(({ kind }) => kind === 'fetch')) return
    const end = endOf(history)
    const isFull = this.log.last.seq - this.log.durable.seq >= this.#options.bounds.inFlight
    // What a slow disk cannot take now is fetched later, so that it does not pile up here.
    const mayAppend = this.isComplete && write !== undefined && !isFull
    if (mayAppend && isSameVersion(write.previous, this.log.last)) {
      this.#accept(write, { epoch, node: from })
    } else if (this.isComplete && compareVersions(end, this.log.durable) <= 0) {
      // What ends in the epoch of its primary is the beginning of what that has. A question that comes
      // late finds more than it asks for, and the end that it names perhaps not kept any more.
      this.#out.send(from, { kind: 'appended', epoch, version: end })
    } else {
      // What waits for the disk may yet turn out to be what is missing.
      if (this.#out.isDurable) this.fetch(from, epoch, history, committed)
      return
    }
    if (compareVersions(committed, this.#committed) > 0) this.#committed = committed
  }

  /** A primary of the promised epoch has committed that. Who does not have it yet hears of it with what is missing. */
  learnFrom({ epoch, version }: Committed): void {
    if (this.#fetch !== undefined || !this.isComplete || version.epoch !== epoch) return
    // What ends in the epoch of a primary is the beginning of what that has.
    if (this.log.durable.epoch !== epoch || this.log.durable.seq < version.seq) return
    if (compareVersions(version, this.#committed) > 0) this.#committed = version
  }

  /** The primary has known this to be committed. */
  learn(committed: Version | undefined): void {
    this.#committed = committed ?? this.#committed
  }

  /** Makes the promise durable. When it is, `persisted` gives that; true if it is already. */
  seal(epoch: number, to: NodeId): boolean {
    if (this.#promisedDurably >= epoch) return true
    const operations = [sealOperation(this.#options.partition, epoch)]
    this.#out.persist(operations, undefined, { kind: 'seal', epoch, to })
    return false
  }

  /** The answer to `seal`, when the promise is durable. */
  sealed(epoch: number): Sealed {
    const history = this.isComplete ? this.log.runs() : undefined
    const had = this.#isBlank(epoch) ? undefined : (this.#had ?? this.log.durable)
    return { kind: 'sealed', epoch, history, had }
  }

  /**
   * Becomes equal to another replica with this history, of which that knows so much to be committed. Everything here is
   * durable.
   */
  fetch(
    from: NodeId,
    epoch: number,
    history: readonly Run[],
    committed: Version = VERSION_NONE,
  ): void {
    const { partition, bounds, view, nextTurn } = this.#options
    const fetch: Fetch = new Fetch({
      partition,
      from,
      epoch,
      history,
      bounds,
      log: this.log,
      view,
      isComplete: () => this.isComplete,
      had: this.#had,
      promised: () => this.#promised,
      nextTurn,
      send: (to, pull) => this.#out.send(to, pull),
      scan: (range) => this.#out.scan(range),
      persist: (operations, version, change) =>
        this.#out.persist(operations, version, { kind: 'fetch', fetch, change }),
    })
    this.#fetch = fetch
    this.#committedThere = committed
    fetch.begin()
  }

  page(from: NodeId, page: Page): void {
    this.#fetch?.page(from, page)
  }

  /** Another replica asks for what it lacks. */
  pull(from: NodeId, pull: Pull): void {
    if (pull.epoch === this.#promised && this.isComplete) this.#source.pull(from, pull)
  }

  scanned(token: number, entries: readonly EngineEntry[]): void {
    if (!this.#fetch?.scanned(token, entries)) this.#source.scanned(token, entries)
  }

  /** Gives for how long a fetch has made no progress, in ticks. */
  tick(): number {
    return this.#fetch?.tick() ?? 0
  }

  /** Gives up a fetch; what it has changed stays. */
  abandon(): void {
    this.#fetch = undefined
  }

  /**
   * Every primary begins with a write. Who has none when the first epoch is over has never been given anything, or its disk
   * has replaced one that was lost, and with it what was once acknowledged.
   */
  #isBlank(epoch: number): boolean {
    const { placement, isFirstDisk } = this.#options
    const isEmpty = this.#had === undefined && this.log.durable.seq === 0
    return isEmpty && epoch > 1 && !isFirstDisk && placement()?.origin === undefined
  }

  #accept(write: AppendedWrite, ackTo: AckTo): void {
    const { version, record, written } = write
    const { requestId, space, partitionKey } = written
    const operations = write.entries.map(({ key, value }) => ({ kind: 'put' as const, key, value }))
    const retained = { version, requestId, space, partitionKey }
    this.order(retained, record, operations, { append: undefined, ackTo })
  }

  #change({ common, older, newer, had }: LogChange): void {
    this.log.replace(common, older, newer)
    this.#had = had
  }

  #proceed(fetch: Fetch, change: LogChange | undefined): void {
    if (change === undefined || change.had !== undefined) {
      fetch.persisted()
      return
    }
    this.#fetch = undefined
    if (compareVersions(this.#committedThere, this.#committed) > 0) {
      this.#committed = this.#committedThere
    }
    const { from, epoch } = fetch
    this.#out.send(from, { kind: 'appended', epoch, version: this.log.durable })
  }
}

export type CopyOptions = {
  readonly partition: PartitionId
  readonly self: NodeId
  readonly view: View
  readonly bounds: ReplicaBounds
  /** As in `ReplicaOptions`. */
  readonly isFirstDisk: boolean
  readonly out: Outbox<Pending>
  readonly placement: () => Placement | undefined
  readonly nextTurn: () => number
}

/** Who is to be told that a write is durable here. */
type AckTo = { readonly node: NodeId; readonly epoch: number }

/** What happens when a write is durable: the primary sends it on, another replica says so to the primary. */
type Then = {
  readonly append: AppendedWrite | undefined
  readonly ackTo: AckTo | undefined
}

/** What a commit is for. */
export type Pending =
  | ({ readonly kind: 'write'; readonly version: Version } & Then)
  | { readonly kind: 'seal'; readonly epoch: number; readonly to: NodeId }
  | { readonly kind: 'fetch'; readonly fetch: Fetch; readonly change: LogChange | undefined }
