import { assert } from '../../base/assert.ts'
import { compareBytes } from '../../base/bytes.ts'
import type { PartitionId } from '../../base/ids.ts'
import type {
  MapOperation,
  MapSpace,
  Page,
  ScanOptions,
  Unavailable,
  Version,
  Versioned,
  WriteOptions,
} from '../../base/port.ts'
import { err, ok, type Result } from '../../base/result.ts'
import type { Engine, EngineEntry } from '../../storage/index.ts'
import type { MapWrite } from './effect.ts'
import { decodeEntry } from './entry.ts'
import type { EntryCache } from './entry-cache.ts'
import { entryKey, entryName, entryPrefix, keyAfter, prefixEnd, sortKeyOf } from './key.ts'
import { assertKey, assertWrite } from './limit.ts'
import { partitionOf } from './partition.ts'
import type { Consistency } from './quorum.ts'
import type { Replica } from './replica.ts'
import type { ReplicaHost } from './replica-host.driver.ts'

/**
 * One space of the map. An entry is in the cache only while no write to it is in flight, so the
 * cache never tells another state than the engine.
 */
export class Space implements MapSpace {
  readonly #name: string
  readonly #parts: SpaceParts
  readonly #consistency: Consistency
  /** Finding the place of a key takes a hash, and few keys are in use at a time. */
  readonly #places = new Map<string, Place>()

  constructor(name: string, parts: SpaceParts, consistency: Consistency = 'strong') {
    this.#name = name
    this.#consistency = consistency
    this.#parts = parts
  }

  get(partitionKey: string, sortKey: string): GetResult {
    const name = entryName(this.#name, partitionKey, sortKey)
    return this.#parts.cache.get(name) ?? this.#read(name, partitionKey, sortKey)
  }

  async scan(
    partitionKey: string,
    prefix: string,
    { after, limit: wanted = SCAN_LIMIT }: ScanOptions = {},
  ): Promise<Result<Page, Unavailable>> {
    assert(Number.isInteger(wanted) && wanted > 0, 'a page holds at least one entry')
    assertKey(prefix)
    if (after !== undefined) assertKey(after)
    const located = await this.#locate(partitionKey)
    if (!located.ok) return located

    const { keys, replica } = located.value
    const range = scanRange(keys, prefix, after)
    // One more than wanted tells whether a page follows. Tombstones take room too; then the range
    // is read again with more room, and not continued, because a page shows one state.
    for (let limit = wanted + 1; ; limit *= 4) {
      const version = replica.versionOf(this.#name, partitionKey)
      const found = range === undefined ? [] : await this.#parts.engine.scan({ ...range, limit })
      const entries = found.flatMap((entry) => living(keys, entry))
      if (entries.length <= wanted && found.length === limit) continue
      const page = entries.slice(0, wanted)
      const next = entries.length > wanted ? page.at(-1)?.sortKey : undefined
      return ok({ entries: page, next, version })
    }
  }

  async version(partitionKey: string): Promise<Result<Version, Unavailable>> {
    const located = await this.#locate(partitionKey)
    if (!located.ok) return located
    return ok(located.value.replica.versionOf(this.#name, partitionKey))
  }

  async write(
    partitionKey: string,
    operations: readonly MapOperation[],
    { requestId }: WriteOptions,
  ): ReturnType<MapSpace['write']> {
    const write = { space: this.#name, partitionKey, operations, requestId }
    assertWrite(write)
    const { host, cache } = this.#parts
    const { partition } = this.#placeOf(partitionKey)
    const replica = await host.replica(partition)
    for (const { kind, sortKey } of operations) {
      if (kind !== 'check') cache.delete(entryName(this.#name, partitionKey, sortKey))
    }
    const previous = replica.orderedVersionOf(this.#name, partitionKey)
    const outcome = await host.write(partition, replica, write)
    if (!outcome.ok)
      return 'reason' in outcome.error ||
        outcome.error.kind === 'conflict' ||
        outcome.error.kind === 'no-space'
        ? err(outcome.error)
        : err({ kind: 'unavailable', reason: outcome.error.kind })
    this.#remember(write, outcome.value, replica)
    return ok({ version: outcome.value, previous })
  }

  /** What was just written is often asked for next. Only the partition's last write is surely what the engine shows. */
  #remember({ partitionKey, operations }: MapWrite, version: Version, replica: Replica): void {
    const shown = replica.version()
    if (shown.epoch !== version.epoch || shown.seq !== version.seq) return
    for (const operation of operations) {
      if (operation.kind !== 'put') continue
      const name = entryName(this.#name, partitionKey, operation.sortKey)
      if (replica.isPending(name)) continue
      const result = ok({ value: operation.value, version })
      this.#parts.cache.set(name, Promise.resolve(result), operation.value.length)
    }
  }

  async #read(
    name: string,
    partitionKey: string,
    sortKey: string,
  ): Promise<Result<Versioned | undefined, Unavailable>> {
    assertKey(sortKey)
    const located = await this.#locate(partitionKey)
    if (!located.ok) return located

    const { keys, replica } = located.value
    const { engine, cache } = this.#parts
    // Another read may have been faster; both give the same object then.
    const cached = cache.get(name)
    if (cached !== undefined) return cached
    const bytes = engine.get(entryKey(keys, sortKey))
    if (bytes === undefined) return ok(undefined)
    const { version, value } = decodeEntry(bytes)
    if (value === undefined) return ok(undefined)
    const result = ok({ value, version })
    if (!replica.isPending(name)) cache.set(name, Promise.resolve(result), bytes.length)
    return result
  }

  async #locate(partitionKey: string): Promise<Result<Located, Unavailable>> {
    assertKey(partitionKey)
    const { partition, keys } = this.#placeOf(partitionKey)
    const replica = await this.#parts.host.replica(partition)
    const refusal = this.#parts.host.refusal()
    if (refusal !== undefined) return err(refusal)
    return ok({ keys, replica })
  }

  #placeOf(partitionKey: string): Place {
    const known = this.#places.get(partitionKey)
    if (known !== undefined) return known
    const partition = partitionOf(this.#name, partitionKey, this.#consistency)
    const place = { partition, keys: entryPrefix(partition, this.#name, partitionKey) }
    if (this.#places.size >= PLACES_MAX) this.#places.clear()
    this.#places.set(partitionKey, place)
    return place
  }
}

/** The answer to a `get`, which the cache keeps as it is given. */
export type GetResult = Promise<Result<Versioned | undefined, Unavailable>>

/** Shared by all spaces of a map. */
export type SpaceParts = {
  readonly host: ReplicaHost
  readonly engine: Engine
  readonly cache: EntryCache<GetResult>
}

/** `keys` is what the engine keys of the partition key's entries begin with. */
type Place = { readonly partition: PartitionId; readonly keys: Uint8Array }

type Located = { readonly keys: Uint8Array; readonly replica: Replica }

/** A few hundred bytes each. */
const PLACES_MAX = 4_096

/** Of the port. */
const SCAN_LIMIT = 1_000

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

function living(
  keys: Uint8Array,
  { key, value: bytes }: EngineEntry,
): [] | [Versioned & { readonly sortKey: string }] {
  const { version, value } = decodeEntry(bytes)
  return value === undefined ? [] : [{ sortKey: sortKeyOf(keys, key), value, version }]
}
