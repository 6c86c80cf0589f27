import { assert } from '../../base/assert.ts'
import type { PartitionId } from '../../base/ids.ts'
import type { DistributedMap, MapSpace, SpaceOptions } from '../../base/port.ts'
import { PARTITION_COUNT } from '../partition/index.ts'
import { decodeEntry } from './entry.ts'
import { EntryCache } from './entry-cache.ts'
import { keyAfter, prefixEnd, spacePrefix } from './key.ts'
import type { ReplicaHealth } from './replica-health.ts'
import { ReplicaHost, type ReplicaHostOptions } from './replica-host.driver.ts'
import { Space, type SpaceParts } from './space.driver.ts'

/**
 * The map over this node's engine. Rejects with an AetherError when the engine has lost writes it
 * had made durable (`data-damaged`) or was written by a newer Aether (`data-format-newer`).
 */
export async function openReplicatedMap(options: ReplicatedMapOptions): Promise<ReplicatedMap> {
  const host = new ReplicaHost(options)
  await host.verify()
  const cache: SpaceParts['cache'] = new EntryCache(options.cacheBytes ?? CACHE_BYTES)
  return new ReplicatedMap({ host, engine: options.engine, cache })
}

/** The map as this node serves it; strong, since its own disk is the quorum. */
export class ReplicatedMap implements DistributedMap {
  /**
   * Resolves with the error when the engine has failed; the node has to stop. Pending otherwise.
   */
  readonly failed: Promise<unknown>
  readonly #parts: SpaceParts
  readonly #spaces = new Map<string, Space>()

  /** Use `openReplicatedMap`. */
  constructor(parts: SpaceParts) {
    this.failed = parts.host.failed
    this.#parts = parts
  }

  space(name: string, { consistency = 'strong' }: SpaceOptions = {}): MapSpace {
    assert(/^[a-z0-9-]{1,64}$/.test(name), `not a name of a space: ${name}`)
    const key = `${consistency} ${name}`
    const made = this.#spaces.get(key) ?? new Space(name, this.#parts, consistency)
    this.#spaces.set(key, made)
    return made
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

  /** How the replicas of this node fare. */
  health(): ReplicaHealth {
    return this.#parts.host.health()
  }

  /** Waits for the writes under way; the engine stays open. No call may follow. */
  close(): Promise<void> {
    return this.#parts.host.close()
  }
}

/** Values held in memory at a time; of the largest ones that is 16 MiB. */
const VALUES_STEP = 64

/** What the map lives on. */
export type ReplicatedMapOptions = ReplicaHostOptions & {
  /** Memory for decoded entries; 16 MiB if absent. With 0 every read goes to the engine. */
  readonly cacheBytes?: number
}

/** Some 15,000 artifact records: the working set of a busy repository. */
const CACHE_BYTES = 16 * 1_024 * 1_024
