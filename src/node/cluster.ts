import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { AetherError } from '../base/fault.ts'
import type { NodeId } from '../base/ids.ts'
import type { BlobStore, ControlStore, DistributedMap } from '../base/port.ts'
import { err } from '../base/result.ts'
import { openLocalControl } from '../cluster/control/local.driver.ts'
import { chunksOf, createBlobStore } from '../cluster/dht/blob-store.driver.ts'
import { openReplicatedMap, type ReplicatedMap } from '../cluster/dht/map.driver.ts'
import type { ClusterAdmin } from '../cluster/membership/index.ts'
import { localDisk } from '../storage/disk.ts'
import { BlobCache, type ChunkStore } from '../storage/index.ts'
import { openLevelStore } from '../storage/level.disk.ts'
import { openStorage } from '../storage/storage.disk.ts'
import type { Config } from './config.ts'

/** The cluster as the node uses it; on one node it has one member. */
export type Cluster = {
  readonly map: DistributedMap
  readonly blobs: BlobStore
  readonly control: ControlStore
  readonly members: ClusterAdmin
  /** Resolves with the reason when the disk has failed: nothing is written any more, and the node has to stop. */
  readonly failed: Promise<unknown>
  close(): Promise<void>
}

/** The name of the only member; a cluster of several gives each its own. */
const SELF = 'node-1' as NodeId

/** The space of the blobs' manifests. */
const BLOBS = 'blobs'

const onlyMember: ClusterAdmin = {
  status: () => ({
    cluster: 'aether',
    self: SELF,
    epoch: 1,
    slot: 0,
    hasQuorum: true,
    members: [{ id: SELF, address: '', role: 'voter', isConnected: true, behindSlots: 0 }],
    waiting: [],
  }),
  add: async () => err({ kind: 'not-waiting', waiting: [] }),
  remove: async () => err({ kind: 'last-voter' }),
}

/** Opens the data directory and what lives in it. Rejects with an AetherError when it cannot be used. */
export async function openCluster(config: Config, logger: Logger): Promise<Cluster> {
  const directory = resolve(config.data)
  const storage = await openStorage({ disk: localDisk, directory, openStore: openLevelStore })
  try {
    const { engine, highWater, chunks } = storage
    const map = await openReplicatedMap({ engine, highWater, self: SELF })
    const control = await openLocalControl(engine)
    const cache = new BlobCache(config.cacheBytesMax)
    const blobs = createBlobStore({ manifests: map.space(BLOBS), chunks, cache })
    const damage = Promise.withResolvers<unknown>()
    const swept = sweep(chunks, map, logger, damage.resolve)
    return {
      map,
      blobs,
      control,
      members: onlyMember,
      failed: Promise.race([storage.failed, map.failed, control.failed, damage.promise]),
      async close() {
        await control.close()
        await map.close()
        await Promise.all([storage.close(), swept])
      },
    }
  } catch (cause) {
    await storage.close()
    throw cause
  }
}

/** After an unclean end, removes chunks that no blob refers to, in the background. It is the first to read everything. */
async function sweep(
  chunks: ChunkStore,
  map: ReplicatedMap,
  logger: Logger,
  onDamage: (cause: AetherError) => void,
): Promise<void> {
  if (!chunks.needsSweep) return
  try {
    const removed = await chunks.sweep(chunksOf(map.valuesHere(BLOBS)))
    logger.info({ removed }, 'chunks of cut uploads removed')
  } catch (cause) {
    if (cause instanceof AetherError && cause.code === 'data-damaged') onDamage(cause)
    else logger.warn({ err: cause }, 'chunks of cut uploads stay; the next start tries again')
  }
}
