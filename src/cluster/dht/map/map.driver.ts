import { assert } from '../../../base/assert.ts'
import type { PartitionId } from '../../../base/ids.ts'
import type { DistributedMap, MapSpace, SpaceOptions } from '../../../base/port.ts'
import type { Engine } from '../../../storage/index.ts'
import { PARTITION_COUNT } from '../../partition/index.ts'
import { decodeEntry } from '../entry.ts'
import { ReplicaHost } from '../host/replica-host.driver.ts'
import type { ReplicaHostOptions } from '../host-options.ts'
import { entryName, keyAfter, prefixEnd, spacePrefix } from '../key.ts'
import { isSpaceName } from '../limit.ts'
import { EntryCache } from './entry-cache.ts'
import { LocalMap } from './local-map.driver.ts'
import { MapRouter, WAIT_MS } from './map-router.driver.ts'
import { Space, type SpaceParts } from './space.driver.ts'

/**
 * The map over this node's engine. Rejects with an AetherError when the engine has lost writes it
 * had made durable (`data-damaged`) or was written by a newer Aether (`data-format-newer`).
 */
export async function openReplicatedMap(options: ReplicatedMapOptions): Promise<ReplicatedMap> {
  const { engine, self, cluster, cacheBytes = CACHE_BYTES, waitMs = WAIT_MS } = options
  const host = new ReplicaHost(options)
  const cache: SpaceParts['cache'] = new EntryCache(cacheBytes)
  host.onApplied((_, entries) => {
    for (const { space, partitionKey, sortKey } of entries) {
      cache.delete(entryName(space, partitionKey, sortKey))
    }
  })
  const local = new LocalMap({ host, engine, cache, isAlone: cluster === undefined })
  const router = cluster && new MapRouter({ self, cluster, local, waitMs })
  await host.verify()
  return new ReplicatedMap({ host, engine, local, cache, router })
}

/** The map as this node serves it, whoever leads what is asked for. */
export class ReplicatedMap implements DistributedMap {
  /**
   * Resolves with the error when the engine has failed; the node has to stop. Pending otherwise.
   */
  readonly failed: Promise<unknown>
  readonly #parts: MapParts
  readonly #spaces = new Map<string, Space>()

  /** Use `openReplicatedMap`. */
  constructor(parts: MapParts) {
    this.failed = parts.host.failed
    this.#parts = parts
  }

  space(name: string, { consistency = 'strong' }: SpaceOptions = {}): MapSpace {
    assert(isSpaceName(name), `not a name of a space: ${name}`)
    const made = this.#spaces.get(name) ?? new Space(name, consistency, this.#parts)
    assert(made.consistency === consistency, `the space ${name} is not ${consistency}`)
    this.#spaces.set(name, made)
    return made
  }

  /** The replicas that the map lives on. */
  get replicas(): ReplicaHost {
    return this.#parts.host
  }

  /**
   * Every value of a space that this node holds, in no particular order. Not one state: values written meanwhile may or may
   * not be among them. Rejects with `data-damaged` when the engine has lost some of them.
   */
  async *valuesHere(space: string): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < PARTITION_COUNT; index++) {
      const partition = index as PartitionId
      await this.#parts.host.replica(partition)
      const prefix = spacePrefix(partition, space)
      const lt = prefixEnd(prefix)
      let gte = prefix
      for (;;) {
        const found = await this.#parts.engine.scan({ gte, lt, limit: VALUES_STEP })
        for (const { value: bytes } of found) {
          const { value } = decodeEntry(bytes)
          if (value !== undefined) yield value
        }
        const last = found.at(-1)
        if (last === undefined || found.length < VALUES_STEP) break
        gte = keyAfter(last.key)
      }
    }
  }

  /** Waits for the writes under way; the engine stays open. No call may follow. */
  close(): Promise<void> {
    this.#parts.router?.close()
    return this.#parts.host.close()
  }
}

export type MapParts = SpaceParts & { readonly host: ReplicaHost; readonly engine: Engine }

/** Values held in memory at a time; of the largest ones that is 16 MiB. */
const VALUES_STEP = 64

/** What the map lives on. */
export type ReplicatedMapOptions = ReplicaHostOptions & {
  /** Memory for decoded entries; 16 MiB if absent. With 0 every read goes to the engine. */
  readonly cacheBytes?: number
  /** How long a call waits for somebody to lead its partition; `WAIT_MS` if absent. */
  readonly waitMs?: number
}

/** Some 15,000 artifact records: the working set of a busy repository. */
const CACHE_BYTES = 16 * 1_024 * 1_024
