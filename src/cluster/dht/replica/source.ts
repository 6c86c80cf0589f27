import { hex } from '../../../base/bytes.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import { type EngineEntry, type EngineRange, isCut } from '../../../storage/index.ts'
import { decodeEntry } from '../entry.ts'
import { entryKey, entryPrefix, keyAfter, partitionPrefix, prefixEnd, recordKey } from '../key.ts'
import { compareVersions } from '../version.ts'
import { PAGE_BYTES_MAX, PULLED_BYTES_MAX, type ReplicaBounds } from './bound.ts'
import type { View } from './condition.ts'
import type { Log } from './log.ts'
import type { Page, Pull, RecordPage } from './message.ts'
import { decodeRecord } from './record.ts'

/**
 * Gives other replicas what they lack, from what is durable here. Keeps nothing between two pulls.
 *
 * What followed `since` comes as records, with the entries that these name. When that is further back
 * than the records kept, all entries newer than `since` come in the order of their keys; meanwhile
 * they change, so it ends with the records since it began.
 */
export class Source {
  readonly #options: SourceOptions
  /** The latest of each replica. */
  readonly #scans = new Map<NodeId, Scan>()

  constructor(options: SourceOptions) {
    this.#options = options
  }

  /** A replica asks. */
  pull(from: NodeId, pull: Pull): void {
    const { since, after, turn } = pull
    // Asked again while the answer is being made.
    if (this.#scans.get(from)?.pull.turn === turn) return
    const { log, partition, bounds, scan, send } = this.#options
    if (since !== undefined && after === undefined && log.reachesBackTo(since)) {
      const page = this.#records(pull, since)
      if (page === 'trimmed') return
      if (page !== 'too-large') {
        send(from, page)
        return
      }
    }
    const prefix = partitionPrefix(partition)
    const gte = after === undefined ? prefix : keyAfter(after)
    const { scanEntries: limit, pageBytes: bytesMax } = bounds
    const range = { gte, lt: prefixEnd(prefix), limit, bytesMax }
    this.#scans.set(from, { token: scan(range), pull, range, at: log.durable })
  }

  /** Whether the scan was one of these; then it has been answered. */
  scanned(token: number, found: readonly EngineEntry[]): boolean {
    const [from, scan] = [...this.#scans].find(([, scan]) => scan.token === token) ?? []
    if (from === undefined || scan === undefined) return false
    this.#scans.delete(from)
    this.#options.send(from, this.#entries(scan, found))
    return true
  }

  /** What was asked for in an earlier epoch is not answered in this one. */
  forget(): void {
    this.#scans.clear()
  }

  /**
   * 'trimmed' when the engine is a commit ahead of the log and has trimmed a record: to be asked again. 'too-large' when the
   * entries asked for by key, or those of one record, have become too large for one page: then the replica is to read all
   * entries, page by page.
   */
  #records(
    { epoch, turn, keys, oldest }: Pull,
    since: Version,
  ): RecordPage | 'trimmed' | 'too-large' {
    const { log, partition, bounds } = this.#options
    const entries = new Map<string, PulledEntry>()
    let bytes = 0
    for (const key of keys) {
      const found = this.#lacking([key], entries)
      bytes += bytesOf(found.values())
      if (bytes > PULLED_BYTES_MAX) return 'too-large'
      for (const [name, entry] of found) entries.set(name, entry)
    }
    const newer: EngineEntry[] = []
    for (const version of log.after(since)) {
      const record = this.#record(version)
      if (record === undefined) return 'trimmed'
      const found = this.#lacking(keysOf(partition, record.value), entries)
      bytes += bytesOf([record, ...found.values()])
      if (newer.length > 0 && bytes > bounds.pageBytes) break
      if (bytes > PAGE_BYTES_MAX) return 'too-large'
      newer.push(record)
      for (const [name, entry] of found) entries.set(name, entry)
    }
    // From the newest on, so that there is never a gap behind those that come later.
    const older: EngineEntry[] = []
    for (const version of log.before(Math.min(oldest, since.seq + 1)).toReversed()) {
      const record = this.#record(version)
      if (record === undefined) return 'trimmed'
      bytes += bytesOf([record])
      if (newer.length + older.length > 0 && bytes > bounds.pageBytes) break
      older.unshift(record)
    }
    return { kind: 'records', epoch, turn, older, newer, entries: [...entries.values()] }
  }

  /** The entries of these keys, as they are now and by name, that the page does not have yet. */
  #lacking(
    keys: readonly Uint8Array[],
    page: ReadonlyMap<string, PulledEntry>,
  ): ReadonlyMap<string, PulledEntry> {
    const found = new Map<string, PulledEntry>()
    for (const key of keys) {
      const name = hex(key)
      if (!page.has(name)) found.set(name, { key, value: this.#options.view(key) })
    }
    return found
  }

  #record(version: Version): EngineEntry | undefined {
    const key = recordKey(this.#options.partition, version)
    const value = this.#options.view(key)
    return value === undefined ? undefined : { key, value }
  }

  #entries({ pull, range, at }: Scan, found: readonly EngineEntry[]): Page {
    const { epoch, turn, since } = pull
    const isNewer = ({ value }: EngineEntry) =>
      since === undefined || compareVersions(decodeEntry(value).version, since) > 0
    const next = isCut(range, found) ? found.at(-1)?.key : undefined
    return { kind: 'entries', epoch, turn, at, entries: found.filter(isNewer), next }
  }
}

export type SourceOptions = {
  readonly partition: PartitionId
  readonly bounds: ReplicaBounds
  readonly log: Log
  readonly view: View
  /** Gives the token of the answer. */
  readonly scan: (range: EngineRange) => number
  readonly send: (to: NodeId, page: Page) => void
}

type PulledEntry = RecordPage['entries'][number]

type Scan = {
  readonly token: number
  readonly pull: Pull
  readonly range: EngineRange
  readonly at: Version
}

/** The engine keys of the entries that a record names. */
export function keysOf(partition: PartitionId, record: Uint8Array): readonly Uint8Array[] {
  const { space, partitionKey, sortKeys } = decodeRecord(record)
  const prefix = entryPrefix(partition, space, partitionKey)
  return sortKeys.map((sortKey) => entryKey(prefix, sortKey))
}

function bytesOf(entries: Iterable<PulledEntry>): number {
  let bytes = 0
  for (const { key, value } of entries) bytes += key.length + (value?.length ?? 0)
  return bytes
}
