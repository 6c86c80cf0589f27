import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { closeInOrder } from '../base/closing.ts'
import { AetherError } from '../base/fault.ts'
import type { NodeId, PartitionId } from '../base/ids.ts'
import type { BlobStore, ControlStore, DistributedMap } from '../base/port.ts'
import type { ConsensusMeter } from '../cluster/control/consensus.driver.ts'
import { BlobReplication } from '../cluster/dht/blob/blob-replication.driver.ts'
import { chunksOf, createBlobStore } from '../cluster/dht/blob/blob-store.driver.ts'
import { openReplicatedMap, type ReplicatedMap } from '../cluster/dht/map/map.driver.ts'
import type { Founding } from '../cluster/membership/home.driver.ts'
import type { ClusterAdmin, Report, TransportCallbacks } from '../cluster/membership/index.ts'
import { ClusterMember } from '../cluster/membership/member.driver.ts'
import type { PartitionDirectory } from '../cluster/partition/directory.driver.ts'
import {
  type FrameCounts,
  parseAddress,
  type Transport,
  type Vitals,
} from '../cluster/wire/index.ts'
import { TcpTransport } from '../cluster/wire/transport.tcp.ts'
import { localDisk } from '../storage/disk.ts'
import { BlobCache, type ChunkStore } from '../storage/index.ts'
import { openLevelStore } from '../storage/level.disk.ts'
import { openStorage, type Storage } from '../storage/storage.disk.ts'
import type { Config } from './config.ts'
import type { ReplicationHealth } from './replication-metrics.ts'
import { TakeoverLog } from './takeover-log.ts'

/** The cluster as the node uses it; on one node it has one member. */
export type Cluster = {
  readonly map: DistributedMap
  readonly blobs: BlobStore
  /** Answers once this node has started and reaches enough others. */
  readonly control: ControlStore
  readonly members: ClusterAdmin
  /** Which nodes hold and lead the partitions. */
  readonly partitions: PartitionDirectory
  /** Frames between nodes that were dropped so far. */
  readonly dropped: FrameCounts
  /** Resolves with the reason when this node must not go on: its disk has failed, or it is no member any more. */
  readonly failed: Promise<unknown>
  /** How the copies fare that this node holds and leads. */
  health(): ReplicationHealth
  /** What all nodes are to show of this one. */
  setVitals(vitals: Vitals): void
  /** What the control store waits for, in words; undefined when it answers. */
  obstacle(): string | undefined
  /** What the partitions of this node have waited for since it started, in words; undefined once they have it. */
  shortfall(): string | undefined
  /** Begins to talk to the other nodes. Rejects with `listen-refused` when their address cannot be listened on. */
  start(): Promise<void>
  /** Gives the partitions that this node leads to others, before it stops; resolves when that is done or has taken too long. */
  handOver(): Promise<void>
  close(): Promise<void>
}

/** The name of a node that is alone, and that of its cluster. */
const ALONE = 'node-1' as NodeId
const DEFAULT_NAME = 'aether'

/** The space of the blobs' manifests. */
const BLOBS = 'blobs'

/** A node that is alone has what it has. */
const ALL_CHUNKS = { missing: 0, repaired: 0, isSettled: true }

const KEPT =
  'no other node could take over these partitions: they are not served until one does or this node is back'

/** Opens the data directory and what lives in it. Rejects with an AetherError when it cannot be used. */
export async function openCluster(
  config: Config,
  logger: Logger,
  meter: ConsensusMeter,
): Promise<Cluster> {
  const directory = resolve(config.data)
  const storage = await openStorage({ disk: localDisk, directory, openStore: openLevelStore })
  try {
    return await openOn(storage, config, logger, meter)
  } catch (cause) {
    await storage.close()
    throw cause
  }
}

async function openOn(
  storage: Storage,
  config: Config,
  logger: Logger,
  meter: ConsensusMeter,
): Promise<Cluster> {
  const { chunks } = storage
  const self = config.cluster?.id ?? ALONE
  const report: Report = (level, message, detail) => logger[level](detail, message)
  const member = await ClusterMember.open({
    disk: localDisk,
    directory: resolve(config.data),
    storage,
    cluster: config.cluster?.name ?? DEFAULT_NAME,
    self,
    founding: foundingOf(config),
    address: config.cluster?.address ?? '',
    zone: config.cluster?.zone,
    ...connectionsOf(config),
    meter,
    report,
  })
  try {
    const isAlone = config.cluster === undefined
    const map = await openMap({ member, storage, self, isAlone, caughtUp: () => caughtUp() })
    const takeovers = new TakeoverLog({ self, health: () => map.replicas.health(), report })
    member.roles.partitions.follow((table) => takeovers.follow(table))
    const replication = config.cluster && replicationOf(member, map, chunks, self, report)
    const vitals = new LastVitals(member)
    const caughtUp = () => {
      // They have come with what others hold: some of that are manifests, and chunks belong to them.
      replication?.caughtUp()
      vitals.change({ hasAllChunks: false })
    }
    const [manifests, cache] = [map.space(BLOBS), new BlobCache(config.cacheBytesMax)]
    const blobs = createBlobStore({ manifests, chunks, cache, replication })
    const damage = Promise.withResolvers<unknown>()
    // Among several nodes a chunk may belong to a manifest that another one is about to write.
    const swept = replication ? undefined : sweep(chunks, map, logger, damage.resolve)
    return {
      map,
      blobs,
      control: member.control,
      members: member,
      partitions: member.roles.partitions,
      dropped: member.dropped,
      failed: Promise.race([storage.failed, map.failed, member.failed, damage.promise]),
      health: () => ({
        replicas: map.replicas.health(),
        chunks: replication?.health ?? ALL_CHUNKS,
      }),
      setVitals: (current) => vitals.set(current),
      obstacle: () => member.obstacle(),
      shortfall: () => member.roles.obstacle(),
      start: async () => {
        await start(member, config)
        replication?.start()
      },
      handOver: () => (isAlone ? Promise.resolve() : handOver(member, logger)),
      close: () =>
        closeInOrder([
          async () => takeovers.close(),
          async () => replication?.close(),
          () => member.close(),
          () => map.close(),
          () => storage.close(),
          async () => swept,
        ]),
    }
  } catch (cause) {
    await member.close()
    throw cause
  }
}

/** Some of it changes between two measurements. */
class LastVitals {
  readonly #member: ClusterMember
  #last: Vitals | undefined

  constructor(member: ClusterMember) {
    this.#member = member
  }

  set(vitals: Vitals): void {
    this.#last = vitals
    this.#member.roles.setVitals(vitals)
  }

  change(part: Partial<Vitals>): void {
    if (this.#last !== undefined) this.set({ ...this.#last, ...part })
  }
}

async function handOver({ roles }: ClusterMember, logger: Logger): Promise<void> {
  const led = await roles.handOver()
  if (led > 0) logger.warn({ led }, KEPT)
}

function openMap(parts: {
  readonly member: ClusterMember
  readonly storage: Storage
  readonly self: NodeId
  readonly isAlone: boolean
  /** No replica of this node is behind any more. */
  readonly caughtUp: () => void
}): Promise<ReplicatedMap> {
  const { member, storage, self, isAlone, caughtUp } = parts
  const { network, roles } = member
  const { engine, highWater } = storage
  const setBehind = (partition: PartitionId, isBehind: boolean) => {
    const before = roles.behind
    roles.setBehind(partition, isBehind)
    if (before > 0 && roles.behind === 0) caughtUp()
  }
  const { isFounder: isFirstDisk } = member
  const cluster = { directory: roles.partitions, network, isFirstDisk, setBehind }
  return openReplicatedMap({ engine, highWater, self, ...(isAlone ? {} : { cluster }) })
}

function replicationOf(
  { network, roles }: ClusterMember,
  map: ReplicatedMap,
  chunks: ChunkStore,
  self: NodeId,
  report: Report,
): BlobReplication {
  const replication = new BlobReplication({
    ...{ network, chunks, self, report },
    replicasOf: (partition) => roles.partitions.row(partition)?.replicas,
    manifests: () => map.valuesHere(BLOBS),
  })
  map.replicas.onApplied((_, entries) => {
    for (const { space, value } of entries) {
      if (space === BLOBS && value !== undefined) replication.notice(value)
    }
  })
  roles.partitions.follow(() => replication.tableChanged())
  return replication
}

function foundingOf({ cluster }: Config): Founding {
  if (cluster === undefined) return { kind: 'form', roster: new Map([[ALONE, '']]) }
  if (!cluster.join) return { kind: 'form', roster: cluster.peers }
  const contacts = [...cluster.peers].filter(([id]) => id !== cluster.id)
  return { kind: 'join', contacts: new Map(contacts) }
}

function connectionsOf({ cluster }: Config): {
  readonly connect?: (callbacks: TransportCallbacks) => Transport
} {
  if (cluster === undefined) return {}
  const { secret, tls } = cluster
  const listen = parseAddress(cluster.listen) ?? { host: '127.0.0.1', port: 0 }
  return {
    connect: (callbacks) =>
      new TcpTransport({ ...callbacks, secret, listen, ...(tls === undefined ? {} : { tls }) }),
  }
}

async function start(member: ClusterMember, { cluster }: Config): Promise<void> {
  try {
    await member.start()
  } catch (cause) {
    throw new AetherError(
      'listen-refused',
      `this node cannot listen for the others on ${cluster?.listen}: ${(cause as Error).message}`,
      'Stop the other program that does, or set `listen` in [cluster] to an address of this machine.',
      cause,
    )
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
