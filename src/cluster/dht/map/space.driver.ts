import { assert } from '../../../base/assert.ts'
import {
  type MapOperation,
  type MapSpace,
  type Page,
  SCAN_LIMIT_MAX,
  type ScanOptions,
  type Unavailable,
  type Version,
  type Versioned,
  type WriteOptions,
} from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import { entryName } from '../key.ts'
import { assertKey, assertWrite } from '../limit.ts'
import type { Consistency } from '../quorum.ts'
import type { EntryCache } from './entry-cache.ts'
import type { CachedEntry, LocalAnswer, LocalMap } from './local-map.driver.ts'
import type { MapAnswers, MapCall, Target } from './map-call.ts'
import { type MapRouter, type RoutedRefusal, settled } from './map-router.driver.ts'
import { type Place, placeOf } from './place.ts'

/** One space of the map, whoever leads its partitions. */
export class Space implements MapSpace {
  readonly consistency: Consistency
  readonly #name: string
  readonly #parts: SpaceParts
  /** Finding the place of a key takes a hash, and few keys are in use at a time. */
  readonly #places = new Map<string, Place>()

  constructor(name: string, consistency: Consistency, parts: SpaceParts) {
    this.#name = name
    this.consistency = consistency
    this.#parts = parts
  }

  get(partitionKey: string, sortKey: string): GetResult {
    const { cache, router } = this.#parts
    const cached =
      router === undefined ? cache.get(entryName(this.#name, partitionKey, sortKey)) : undefined
    return cached?.answer ?? this.#get(partitionKey, sortKey)
  }

  peek(partitionKey: string, sortKey: string): Versioned | undefined {
    const cached = this.#parts.cache.get(entryName(this.#name, partitionKey, sortKey))
    if (cached !== undefined) return cached.entry
    assertKey(partitionKey)
    assertKey(sortKey)
    return this.#parts.local.peek(this.#placeOf(partitionKey), sortKey)
  }

  async scan(
    partitionKey: string,
    prefix: string,
    { after, limit: wanted = SCAN_LIMIT_MAX }: ScanOptions = {},
  ): Promise<Result<Page, Unavailable>> {
    assert(Number.isInteger(wanted) && wanted > 0, 'a page holds at least one entry')
    assertKey(partitionKey)
    assertKey(prefix)
    if (after !== undefined) assertKey(after)
    const { local } = this.#parts
    const place = this.#placeOf(partitionKey)
    const range = { prefix, after, limit: Math.min(wanted, SCAN_LIMIT_MAX) }
    const call = { kind: 'scan', ...targetOf(place), ...range } as const
    return readResult(await this.#route(place, call, () => local.scan(place, range)))
  }

  async version(partitionKey: string): Promise<Result<Version, Unavailable>> {
    assertKey(partitionKey)
    const { local } = this.#parts
    const place = this.#placeOf(partitionKey)
    const call = { kind: 'version', ...targetOf(place) } as const
    return readResult(await this.#route(place, call, () => local.version(place)))
  }

  async write(
    partitionKey: string,
    operations: readonly MapOperation[],
    { requestId }: WriteOptions,
  ): ReturnType<MapSpace['write']> {
    const write = { space: this.#name, partitionKey, operations, requestId }
    assertWrite(write)
    const { local, router } = this.#parts
    const place = this.#placeOf(partitionKey)
    if (router !== undefined) return router.write(place, write)
    return settled(await local.write(place, write))
  }

  async #get(
    partitionKey: string,
    sortKey: string,
  ): Promise<Result<Versioned | undefined, Unavailable>> {
    assertKey(partitionKey)
    assertKey(sortKey)
    const { local } = this.#parts
    const place = this.#placeOf(partitionKey)
    const call = { kind: 'get', ...targetOf(place), sortKey } as const
    const found = readResult(await this.#route(place, call, () => local.get(place, sortKey)))
    return found.ok && found.value !== undefined
      ? ok(local.learn(place, sortKey, found.value))
      : found
  }

  /** On a node that is alone all is here. */
  async #route<K extends MapCall['kind']>(
    place: Place,
    call: Extract<MapCall, { kind: K }>,
    here: () => LocalAnswer<K>,
  ): Promise<Result<MapAnswers[K], RoutedRefusal>> {
    const { router } = this.#parts
    return router === undefined ? settled(await here()) : router.route(place, call, here)
  }

  #placeOf(partitionKey: string): Place {
    const known = this.#places.get(partitionKey)
    if (known !== undefined) return known
    const place = placeOf(this.#name, partitionKey, this.consistency)
    if (this.#places.size >= PLACES_MAX) this.#places.clear()
    this.#places.set(partitionKey, place)
    return place
  }
}

/** The answer to a `get`, which the cache keeps as it is given. */
export type GetResult = Promise<Result<Versioned | undefined, Unavailable>>

/** Shared by all spaces of a map. */
export type SpaceParts = {
  readonly local: LocalMap
  readonly cache: EntryCache<CachedEntry>
  /** Absent on a node that is alone. */
  readonly router: MapRouter | undefined
}

/** A few hundred bytes each. */
const PLACES_MAX = 4_096

function targetOf({ space, partitionKey, partition }: Place): Target {
  return { space, partitionKey, partition }
}

/** Reads meet no conflicts and leave nothing unknown. */
function readResult<T>(result: Result<T, RoutedRefusal>): Result<T, Unavailable> {
  if (result.ok) return result
  const { error } = result
  return err(error.kind === 'unavailable' ? error : { kind: 'unavailable', reason: error.kind })
}
