import { assert } from '../../../base/assert.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { EngineEntry, EngineOperation, EngineRange } from '../../../storage/index.ts'
import { decodeEntry } from '../entry.ts'
import { partitionPrefix, prefixEnd, recordKey } from '../key.ts'
import { compareVersions, VERSION_NONE } from '../version.ts'
import { PULLED_BYTES_MAX, type ReplicaBounds } from './bound.ts'
import type { View } from './condition.ts'
import { type Retained, retainedOf } from './history.ts'
import type { Log, Run } from './log.ts'
import type { EntryPage, Page, Pull, RecordPage } from './message.ts'
import { incompleteOperation, sealOperation } from './promise.ts'
import { keysOf } from './source.ts'

/**
 * Makes this replica what another one is: the writes that the other lacks go, those it has come.
 *
 * 1. Both agree up to the last version that both logs have. The entries that this replica wrote after
 *    it are fetched as the other has them, or do not exist; so nothing has to be remembered in order
 *    to undo a write.
 * 2. Records come in pages, each with the entries as they are now, each page one commit. While
 *    entries are newer than the last record this replica is *incomplete*: durably, from the commit
 *    that makes it so to the one that ends it. Nobody can have anything from it then. It still knows
 *    up to where it had everything: of what it has said to have, nothing later can be committed that
 *    the other lacks.
 * 3. Without a common version it gives up all it has and fetches every entry, then what has been
 *    written meanwhile. So does a replica that starts incomplete.
 *
 * Used by a replica that has fallen behind and by a primary that takes over. Begins when everything
 * here is durable, and nothing else changes the log until it ends.
 */
export class Fetch {
  readonly #options: FetchOptions
  #since: Version | undefined
  #keys: readonly Uint8Array[] = []
  #after: Uint8Array | undefined
  /** Where the other was when the scan under way began. */
  #scannedSince: Version | undefined
  /** The newest version seen: when the records reach it the entries fit them. */
  #until: Version = VERSION_NONE
  #isCleared = false
  #had: Version = VERSION_NONE
  /** What is waited for: a page, a scan of what has to go, or (neither) the disk. */
  #turn: number | undefined
  #scan: number | undefined
  #age = 0

  constructor(options: FetchOptions) {
    this.#options = options
  }

  /** Called once, before all else. */
  begin(): void {
    const { log, history, partition, view, isComplete } = this.#options
    this.#since = isComplete() ? log.commonWith(history) : undefined
    this.#had = this.#options.had ?? this.#since ?? log.durable
    if (this.#since === undefined) {
      this.#clear()
      return
    }
    this.#keys = log.after(this.#since).flatMap((version) => {
      const record = view(recordKey(partition, version))
      assert(record !== undefined, 'a durable record is in the engine')
      return keysOf(partition, record)
    })
    const keysBytes = this.#keys.reduce((sum, key) => sum + key.length, 0)
    if (keysBytes > PULLED_BYTES_MAX) this.#clear()
    else this.#ask()
  }

  get from(): NodeId {
    return this.#options.from
  }

  get epoch(): number {
    return this.#options.epoch
  }

  /** A page for an earlier question is ignored. */
  page(from: NodeId, page: Page): void {
    if (from !== this.#options.from || page.turn !== this.#turn) return
    this.#turn = undefined
    if (page.kind === 'records') this.#takeRecords(page)
    // Entries newer than the records here would leave a gap between these and those to come.
    else if (this.#isCleared && this.#options.log.last.seq === 0) this.#takeEntries(page)
    else this.#clear()
  }

  /** Whether the scan was one of these. */
  scanned(token: number, entries: readonly EngineEntry[]): boolean {
    if (token !== this.#scan) return false
    this.#scan = undefined
    if (entries.length === 0) this.#ask()
    else {
      const operations = entries.map(({ key }) => ({ kind: 'delete' as const, key }))
      this.#options.persist(operations, undefined, undefined)
    }
    return true
  }

  /** What was persisted is durable and in the log. */
  persisted(): void {
    if (this.#isCleared && this.#since === undefined && this.#after === undefined) {
      this.#scanOwn()
    } else {
      this.#ask()
    }
  }

  /** Asks again after a while. Gives for how many ticks the other has not answered. */
  tick(): number {
    const { bounds } = this.#options
    // Nobody else would be quicker than the disk here.
    if (this.#turn === undefined) return 0
    this.#age++
    if (this.#age % bounds.repeatTicks === 0) this.#send(this.#turn)
    return this.#age
  }

  #clear(): void {
    const { partition, log, promised } = this.#options
    this.#isCleared = true
    this.#since = undefined
    // They come with all the others, and may be more than a page of records can hold.
    this.#keys = []
    const records = log.after(VERSION_NONE)
    const operations: EngineOperation[] = [
      sealOperation(partition, promised()),
      incompleteOperation(partition, this.#had),
    ]
    for (const version of records) {
      operations.push({ kind: 'delete', key: recordKey(partition, version) })
    }
    const change = { common: VERSION_NONE, older: [], newer: [], had: this.#had }
    this.#options.persist(operations, undefined, change)
  }

  /** What is here and not at the other must go. */
  #scanOwn(): void {
    const { partition, scan, bounds } = this.#options
    const gte = partitionPrefix(partition)
    const { scanEntries: limit, pageBytes: bytesMax } = bounds
    this.#scan = scan({ gte, lt: prefixEnd(gte), limit, bytesMax })
  }

  #takeEntries({ at, entries, next }: EntryPage): void {
    this.#scannedSince ??= at
    this.#after = next
    if (next === undefined) {
      this.#since = this.#scannedSince
      this.#scannedSince = undefined
    }
    for (const { value } of entries) this.#see(value)
    if (entries.length === 0) {
      this.#ask()
      return
    }
    const operations = entries.map(({ key, value }) => ({ kind: 'put' as const, key, value }))
    this.#options.persist(operations, undefined, undefined)
  }

  #takeRecords({ older, newer, entries }: RecordPage): void {
    const { partition, log, isComplete, promised, bounds } = this.#options
    const common = this.#since
    assert(common !== undefined, 'records are fetched from a common version on')
    const operations: EngineOperation[] = []
    for (const version of log.after(common)) {
      operations.push({ kind: 'delete', key: recordKey(partition, version) })
    }
    for (const { key, value } of entries) {
      operations.push(value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value })
      if (value !== undefined) this.#see(value)
    }
    for (const { key, value } of [...older, ...newer]) operations.push({ kind: 'put', key, value })
    const change = { common, older: older.map(retainedOf), newer: newer.map(retainedOf) }
    const last = change.newer.at(-1)?.version ?? common
    const versions = ({ version }: Retained) => version
    const kept = log.before(common.seq + 1)
    const records = [...change.older.map(versions), ...kept, ...change.newer.map(versions)]
    for (const version of records) {
      if (version.seq > last.seq - bounds.retained) break
      operations.push({ kind: 'delete', key: recordKey(partition, version) })
    }
    // Fewer records than a replica keeps only stay behind while more are to come.
    const isFull = records.length >= Math.min(last.seq, bounds.retained)
    const had = isFull && compareVersions(last, this.#until) >= 0 ? undefined : this.#had
    // The records that go may have been the only ones to stand for the promise of their epoch.
    if (last.epoch < promised()) operations.push(sealOperation(partition, promised()))
    if (isComplete() !== (had === undefined)) operations.push(incompleteOperation(partition, had))
    this.#since = last
    this.#keys = []
    this.#options.persist(operations, last, { ...change, had })
  }

  #see(entry: Uint8Array): void {
    const { version } = decodeEntry(entry)
    if (compareVersions(version, this.#until) > 0) this.#until = version
  }

  #ask(): void {
    this.#age = 0
    this.#turn = this.#options.nextTurn()
    this.#send(this.#turn)
  }

  #send(turn: number): void {
    const { epoch, log, send, from } = this.#options
    const since = this.#since
    const oldest = Math.min(log.oldest, (since?.seq ?? 0) + 1)
    const after = this.#after
    send(from, { kind: 'pull', epoch, turn, since, keys: this.#keys, oldest, after })
  }
}

/** How a commit of a fetch changes the log: see `Log.replace`. */
export type LogChange = {
  readonly common: Version
  readonly older: readonly Retained[]
  readonly newer: readonly Retained[]
  /** Undefined when the replica is complete with that. */
  readonly had: Version | undefined
}

export type FetchOptions = {
  readonly partition: PartitionId
  readonly from: NodeId
  readonly epoch: number
  /** Of the log of `from`. */
  readonly history: readonly Run[]
  readonly bounds: ReplicaBounds
  readonly log: Log
  readonly view: View
  /** Whether this replica has every write up to its last. */
  readonly isComplete: () => boolean
  /** Of a replica that was incomplete before: up to where it had everything. */
  readonly had: Version | undefined
  /** The epoch that this replica has promised. */
  readonly promised: () => number
  readonly nextTurn: () => number
  readonly send: (to: NodeId, pull: Pull) => void
  /** Gives the token of the answer. */
  readonly scan: (range: EngineRange) => number
  /** `change` happens to the log when the operations are durable; then comes `persisted`. */
  readonly persist: (
    operations: readonly EngineOperation[],
    version: Version | undefined,
    change: LogChange | undefined,
  ) => void
}
