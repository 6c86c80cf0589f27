/**
 * The map as far as this node holds it: reads and writes at the primaries here, and what the replicas here know.
 *
 * What is in the cache is committed, and what the engine shows: whoever changes the engine takes it out.
 */
import { compareBytes } from '../../../base/bytes.ts'
import {
  type Page,
  SCAN_BYTES_MAX,
  type Unavailable,
  type Version,
  type Versioned,
} from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import { type Engine, type EngineEntry, entriesBytes, isCut } from '../../../storage/index.ts'
import { decodeEntry } from '../entry.ts'
import type { ReplicaHost } from '../host/replica-host.driver.ts'
import { entryKey, entryName, keyAfter, prefixEnd, sortKeyOf } from '../key.ts'
import type { MapWrite, NotServing, Replica } from '../replica/index.ts'
import { isSameVersion, VERSION_NONE } from '../version.ts'
import type { EntryCache } from './entry-cache.ts'
import type { MapAnswers, MapCall, MapRefusal, ScanRange } from './map-call.ts'
import type { Place } from './place.ts'

export class LocalMap {
  readonly #parts: LocalMapParts

  constructor(parts: LocalMapParts) {
    this.#parts = parts
  }

  async get(place: Place, sortKey: string): LocalAnswer<'get'> {
    const replica = await this.#parts.host.replica(place.partition)
    const confirmed = this.#confirm(place, replica, sortKey)
    const entry = this.#look(place, sortKey, replica)
    const outcome = await confirmed
    return outcome.ok ? ok(entry) : outcome
  }

  async scan(place: Place, { prefix, after, limit: wanted }: ScanRange): LocalAnswer<'scan'> {
    const replica = await this.#parts.host.replica(place.partition)
    const range = scanRange(place.keys, prefix, after)
    // One more than wanted tells whether a page follows. Tombstones take room too, as do keys; then the range is read again
    // with room for more of these, and not continued, because a page shows one state.
    let limit = wanted + 1
    let bytesMax = 2 * SCAN_BYTES_MAX
    for (;;) {
      const confirmed = this.#confirm(place, replica)
      const version = replica.versionOf(place.space, place.partitionKey)
      const bounded = range && { ...range, limit, bytesMax }
      const found = bounded === undefined ? [] : await this.#parts.engine.scan(bounded)
      const outcome = await confirmed
      if (!outcome.ok) return outcome
      const entries = found.flatMap((entry) => living(place.keys, entry))
      const valueBytes = entries.reduce((sum, { value }) => sum + value.length, 0)
      const isFull = entries.length > wanted || valueBytes > SCAN_BYTES_MAX
      if (isFull || bounded === undefined || !isCut(bounded, found)) {
        return ok(pageOf(entries, wanted, version))
      }
      limit = wanted + 1 + 4 * (found.length - entries.length)
      bytesMax = Math.max(bytesMax, SCAN_BYTES_MAX + 4 * (entriesBytes(found) - valueBytes))
    }
  }

  async version(place: Place): LocalAnswer<'version'> {
    const replica = await this.#parts.host.replica(place.partition)
    const confirmed = this.#confirm(place, replica)
    const version = replica.versionOf(place.space, place.partitionKey)
    const outcome = await confirmed
    return outcome.ok ? ok(version) : outcome
  }

  async write(place: Place, write: MapWrite): LocalAnswer<'write'> {
    const { host, cache } = this.#parts
    const opened = host.replica(place.partition)
    const replica = opened instanceof Promise ? await opened : opened
    for (const { kind, sortKey } of write.operations) {
      if (kind !== 'check') cache.delete(nameOf(place, sortKey))
    }
    const previous = replica.orderedVersionOf(place.space, place.partitionKey)
    const outcome = await host.write(place.partition, replica, write)
    return outcome.ok ? ok({ version: outcome.value, previous }) : outcome
  }

  /** What another node asks of a primary here. */
  perform(place: Place, call: MapCall): LocalAnswer<MapCall['kind']> {
    switch (call.kind) {
      case 'get':
        return this.get(place, call.sortKey)
      case 'scan':
        return this.scan(place, call)
      case 'version':
        return this.version(place)
      case 'write':
        return this.write(place, call)
    }
  }

  /** The last write of the partition that is known here to be committed. */
  committed({ partition }: Place): Version {
    return this.#parts.host.opened(partition)?.committed ?? VERSION_NONE
  }

  /** As `MapSpace.peek`. A replica that is not open yet knows nothing, and is opened. */
  peek(place: Place, sortKey: string): Versioned | undefined {
    const replica = this.#open(place)
    const entry = replica && this.#look(place, sortKey, replica)
    return entry !== undefined && replica?.isCommitted(entry.version) ? entry : undefined
  }

  /**
   * The primary has told that this entry is current. If the replica here has it too, that is what is given back, and from now
   * on it is known to be committed.
   */
  learn(place: Place, sortKey: string, entry: Versioned): Versioned {
    const replica = this.#open(place)
    const own = replica && this.#look(place, sortKey, replica)
    if (own === undefined || !isSameVersion(own.version, entry.version)) return entry
    const name = nameOf(place, sortKey)
    if (!replica?.isPending(name)) this.#keep(name, own)
    return own
  }

  /** The replica of the partition if it is open; otherwise it is about to be. */
  #open({ partition }: Place): Replica | undefined {
    const replica = this.#parts.host.replica(partition)
    if (!(replica instanceof Promise)) return replica
    // Whoever asks for more than a guess is told what is wrong with it.
    replica.catch(() => {})
    return undefined
  }

  /** A node alone needs nobody: what its disk shows is committed. */
  #confirm(place: Place, replica: Replica, sortKey?: string): Confirmed | Promise<Confirmed> {
    const { host, isAlone } = this.#parts
    const { space, partitionKey, partition } = place
    const refusal = host.refusal()
    if (refusal !== undefined) return err(refusal)
    if (isAlone) return CONFIRMED
    const read = { space, partitionKey }
    return host.read(partition, replica, sortKey === undefined ? read : { ...read, sortKey })
  }

  /** What the engine shows at this moment, committed or not. */
  #look(place: Place, sortKey: string, replica: Replica): Versioned | undefined {
    const { engine, cache } = this.#parts
    const name = nameOf(place, sortKey)
    const cached = cache.get(name)
    if (cached !== undefined) return cached.entry
    const bytes = engine.get(entryKey(place.keys, sortKey))
    if (bytes === undefined) return undefined
    const { version, value } = decodeEntry(bytes)
    if (value === undefined) return undefined
    const entry = { value, version }
    const isSettled = !replica.isPending(name) && replica.isCommitted(version)
    if (isSettled) this.#keep(name, entry)
    return entry
  }

  #keep(name: string, entry: Versioned): void {
    const answer = Promise.resolve(ok(entry))
    this.#parts.cache.set(name, { entry, answer }, entry.value.length)
  }
}

export type LocalMapParts = {
  readonly host: ReplicaHost
  readonly engine: Engine
  readonly cache: EntryCache<CachedEntry>
  /** There are no other nodes. */
  readonly isAlone: boolean
}

/** `answer` is what `MapSpace.get` gives, made once. */
export type CachedEntry = {
  readonly entry: Versioned
  readonly answer: Promise<Result<Versioned, never>>
}

export type LocalAnswer<K extends MapCall['kind']> = Promise<Result<MapAnswers[K], MapRefusal>>

type Confirmed = Result<unknown, Unavailable | NotServing>

const CONFIRMED: Confirmed = ok(undefined)

function nameOf({ space, partitionKey }: Place, sortKey: string): string {
  return entryName(space, partitionKey, sortKey)
}

/** Undefined when nothing can lie in it. */
function scanRange(
  keys: Uint8Array,
  prefix: string,
  after: string | undefined,
): { readonly gte: Uint8Array; readonly lt: Uint8Array } | undefined {
  const first = entryKey(keys, prefix)
  const lt = prefixEnd(first)
  const next = after === undefined ? first : keyAfter(entryKey(keys, after))
  const gte = compareBytes(next, first) < 0 ? first : next
  return compareBytes(gte, lt) < 0 ? { gte, lt } : undefined
}

type PageEntry = Page['entries'][number]

function living(keys: Uint8Array, { key, value: bytes }: EngineEntry): [] | [PageEntry] {
  const { version, value } = decodeEntry(bytes)
  return value === undefined ? [] : [{ sortKey: sortKeyOf(keys, key), value, version }]
}

/** As many of the entries as a page may hold, at least one if there is any. */
function pageOf(entries: readonly PageEntry[], wanted: number, version: Version): Page {
  let sizeBytes = 0
  const isBeyond = ({ value }: PageEntry, place: number) => {
    sizeBytes += value.length
    return place >= wanted || (place > 0 && sizeBytes > SCAN_BYTES_MAX)
  }
  const end = entries.findIndex(isBeyond)
  if (end < 0) return { entries, next: undefined, version }
  return { entries: entries.slice(0, end), next: entries[end - 1]?.sortKey, version }
}
