/**
 * Several nodes with the real host of replicas, engine and storage, over disks and connections in memory. The table is the test's.
 */

import { utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, PartitionId, RequestId } from '../../../src/base/ids.ts'
import { decodeEntry } from '../../../src/cluster/dht/entry.ts'
import type { ReadOutcome, WriteOutcome } from '../../../src/cluster/dht/host/clients.ts'
import { ReplicaHost } from '../../../src/cluster/dht/host/replica-host.driver.ts'
import {
  entryKey,
  entryPrefix,
  partitionPrefix,
  prefixEnd,
  recordPrefix,
} from '../../../src/cluster/dht/key.ts'
import { rowNumberOf } from '../../../src/cluster/dht/partition.ts'
import { PARTITION_COUNT, type PartitionRow } from '../../../src/cluster/partition/index.ts'
import type { Engine } from '../../../src/storage/engine.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { NetworkTwin } from '../../twin/network.ts'
import { openTwinStorage } from '../fixture.ts'

/** Many of what a person waits for, since the ticks of a test are short. */
const TICK_MS = 10

export class HostWorld {
  readonly network: NetworkTwin
  readonly ids: readonly [NodeId, NodeId, NodeId]
  /** Of the nodes that are opened from now on. */
  options: { readonly tickMs?: number; readonly waitingBytesMax?: number } = { tickMs: TICK_MS }
  /** What the disk of a node does waits for this. */
  readonly diskHolds = new Map<NodeId, Promise<void>>()
  readonly #nodes = new Map<NodeId, WorldNode>()
  readonly #disks = new Map<NodeId, DiskTwin>()
  /** The table: row by number. */
  readonly #rows: PartitionRow[] = []
  readonly #listeners = new Map<NodeId, readonly (() => void)[]>()
  #requests = 0

  constructor(seed: number) {
    this.network = new NetworkTwin({ seed })
    this.ids = ['n1' as NodeId, 'n2' as NodeId, 'n3' as NodeId]
    const [primary] = this.ids
    for (let row = 0; row < PARTITION_COUNT; row++) {
      this.#rows.push({
        replicas: this.ids,
        primary,
        epoch: 1,
        stage: 'normal',
        target: undefined,
        origin: undefined,
      })
    }
  }

  /** Only these rows are led by the first node; of all others none of these nodes has a replica. */
  static async start(rows: readonly number[], seed = 1): Promise<HostWorld> {
    const world = new HostWorld(seed)
    for (let row = 0; row < PARTITION_COUNT; row++) {
      if (rows.includes(row)) continue
      const nobody = 'nobody' as NodeId
      const there = world.#rows[row] as PartitionRow
      world.#rows[row] = { ...there, replicas: [nobody], primary: nobody }
    }
    for (const id of world.ids) await world.open(id)
    return world
  }

  node(place: number): WorldNode {
    const node = this.find(place)
    if (node === undefined) throw new Error(`node ${place} is not there`)
    return node
  }

  /** Undefined when it was killed. */
  find(place: number): WorldNode | undefined {
    return this.#nodes.get(this.idOf(place))
  }

  idOf(place: number): NodeId {
    return this.ids[place - 1] as NodeId
  }

  /** Whether all nodes run. */
  get isWhole(): boolean {
    return this.#nodes.size === this.ids.length
  }

  /** Starts the node on what its disk has. */
  async open(id: NodeId): Promise<WorldNode> {
    const disk = this.#disks.get(id) ?? new DiskTwin()
    this.#disks.set(id, disk)
    const storage = await openTwinStorage(disk)
    const { highWater } = storage
    const behind = new Set<number>()
    const listeners: (() => void)[] = []
    this.#listeners.set(id, listeners)
    const host = new ReplicaHost({
      engine: this.#heldEngine(id, storage.engine),
      highWater,
      self: id,
      ...this.options,
      cluster: {
        network: this.network.join(id),
        directory: {
          row: (partition) => this.#rows[partition],
          follow: (listener) => {
            listeners.push(listener)
            listener()
          },
        },
        isFirstDisk: true,
        setBehind: (partition, isBehind) => {
          if (isBehind) behind.add(partition)
          else behind.delete(partition)
        },
      },
    })
    await host.verify()
    const nextRequest = () => `r${++this.#requests}` as RequestId
    const node = new WorldNode({ id, host, storage, behind, nextRequest })
    this.#nodes.set(id, node)
    return node
  }

  #heldEngine(id: NodeId, engine: Engine): Engine {
    return {
      get: (key) => engine.get(key),
      scan: (range) => engine.scan(range),
      commit: async (operations) => {
        await this.diskHolds.get(id)
        return engine.commit(operations)
      },
      close: () => engine.close(),
    }
  }

  /** The process of a node ends at once; its disk forgets what was not synced. */
  kill(place: number): void {
    const { id } = this.node(place)
    this.network.kill(id)
    this.#listeners.delete(id)
    const disk = this.#disks.get(id)
    if (disk !== undefined) this.#disks.set(id, disk.crash())
    this.#nodes.delete(id)
  }

  /** The table names another primary for the row of a partition, and all nodes but those in `unaware` hear of it. */
  elect(partition: number, place: number, unaware: readonly number[] = []): void {
    const number = rowNumberOf(partition as PartitionId)
    const row = this.#rows[number] as PartitionRow
    const primary = this.ids[place - 1] as NodeId
    this.#set(number, { ...row, primary, epoch: row.epoch + 1 }, unaware)
  }

  /** The table places a partition on these nodes, the first of which has led it alone and goes on. */
  grow(partition: number, places: readonly number[]): void {
    const row = this.#rows[partition] as PartitionRow
    const replicas = places.map((place) => this.idOf(place))
    const origin = this.idOf(places[0] as number)
    this.#set(partition, { ...row, replicas, primary: origin, origin, epoch: row.epoch + 1 })
  }

  /** Only the first node has the partition. */
  shrink(partition: number): void {
    const row = this.#rows[partition] as PartitionRow
    this.#set(partition, { ...row, replicas: [this.idOf(1)], primary: this.idOf(1) })
  }

  #set(number: number, row: PartitionRow, unaware: readonly number[] = []): void {
    this.#rows[number] = row
    for (const [id, listeners] of this.#listeners) {
      if (unaware.some((place) => this.idOf(place) === id)) continue
      for (const listener of listeners) listener()
    }
  }

  async close(): Promise<void> {
    for (const node of this.#nodes.values()) await node.close()
  }
}

/** One life of a node. */
export class WorldNode {
  readonly id: NodeId
  readonly host: ReplicaHost
  /** In which rows it says to be behind. */
  readonly behind: ReadonlySet<number>
  readonly #storage: Storage
  readonly #nextRequest: () => RequestId

  constructor({ id, host, storage, behind, nextRequest }: WorldNodeOptions) {
    this.id = id
    this.host = host
    this.behind = behind
    this.#storage = storage
    this.#nextRequest = nextRequest
  }

  /** Once, with whatever comes of it. */
  async write(
    partition: number,
    sortKey: string,
    value: string,
    requestId = this.#nextRequest(),
  ): Promise<WriteOutcome> {
    const replica = await this.host.replica(partition as PartitionId)
    const operations = [{ kind: 'put' as const, sortKey, value: utf8(value) }]
    return this.host.write(partition as PartitionId, replica, {
      space: 's',
      partitionKey: 'p',
      operations,
      requestId,
    })
  }

  async read(
    partition: number,
    sortKey: string,
  ): Promise<ReadOutcome & { text?: string | undefined }> {
    const replica = await this.host.replica(partition as PartitionId)
    const read = { space: 's', partitionKey: 'p', sortKey }
    const asked = this.host.read(partition as PartitionId, replica, read)
    const text = this.shown(partition, sortKey)
    return { ...(await asked), text }
  }

  /** What the engine has under that key. */
  shown(partition: number, sortKey: string): string | undefined {
    const prefix = entryPrefix(partition as PartitionId, 's', 'p')
    const bytes = this.#storage.engine.get(entryKey(prefix, sortKey))
    const value = bytes === undefined ? undefined : decodeEntry(bytes).value
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  /** All entries and records of a partition, to be compared. */
  async dump(partition: number): Promise<readonly string[]> {
    const lines: string[] = []
    for (const prefix of [partitionPrefix, recordPrefix]) {
      const gte = prefix(partition as PartitionId)
      const found = await this.#storage.engine.scan({ gte, lt: prefixEnd(gte), limit: 100_000 })
      for (const { key, value } of found) {
        lines.push(`${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`)
      }
    }
    return lines
  }

  async close(): Promise<void> {
    await this.host.close()
    await this.#storage.close()
  }
}

type WorldNodeOptions = {
  readonly id: NodeId
  readonly host: ReplicaHost
  readonly storage: Storage
  readonly behind: ReadonlySet<number>
  readonly nextRequest: () => RequestId
}

/** Repeats it until it holds; throws what it threw last when that takes too long. */
export async function eventually<T>(check: () => T | Promise<T>, withinMs = 5_000): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    try {
      return await check()
    } catch (fault) {
      if (performance.now() > end) throw fault
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
