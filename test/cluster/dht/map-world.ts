/**
 * The maps of three nodes over disks and connections in memory. The table is the test's: a partition gets its row when somebody
 * first asks for it, since a thousand would be taken over in each test otherwise.
 */
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import { openReplicatedMap, type ReplicatedMap } from '../../../src/cluster/dht/map/map.driver.ts'
import type { PartitionRow } from '../../../src/cluster/partition/index.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { NetworkTwin } from '../../twin/network.ts'
import { openTwinStorage } from '../fixture.ts'

/** Short, so that what is repeated in a second is repeated at once. */
const TICK_MS = 10

export type MapWorldOptions = {
  readonly seed?: number
  /** The place of who leads a partition first, 1 if absent. */
  readonly leader?: (partition: PartitionId) => number
  readonly replicas?: readonly number[]
  readonly waitMs?: number
}

export class MapWorld {
  readonly network: NetworkTwin
  readonly ids = ['n1', 'n2', 'n3'] as readonly string[] as readonly NodeId[]
  readonly #options: MapWorldOptions
  readonly #disks = new Map<NodeId, DiskTwin>()
  readonly #nodes = new Map<NodeId, { readonly map: ReplicatedMap; readonly storage: Storage }>()
  readonly #rows = new Map<PartitionId, PartitionRow>()
  readonly #listeners = new Map<NodeId, (() => void)[]>()
  /** While nodes look through the whole table. */
  #isTelling = false

  private constructor(options: MapWorldOptions) {
    this.#options = options
    this.network = new NetworkTwin({ seed: options.seed ?? 1 })
  }

  static async open(options: MapWorldOptions = {}): Promise<MapWorld> {
    const world = new MapWorld(options)
    await world.start()
    return world
  }

  /** The map of the node at that place, from 1. */
  map(place: number): ReplicatedMap {
    const node = this.#nodes.get(this.id(place))
    if (node === undefined) throw new Error(`node ${place} is not there`)
    return node.map
  }

  id(place: number): NodeId {
    return this.ids[place - 1] as NodeId
  }

  /** Starts those nodes that are not there, on what their disks have. */
  async start(): Promise<void> {
    this.#isTelling = true
    for (const id of this.ids) if (!this.#nodes.has(id)) await this.#start(id)
    this.#isTelling = false
  }

  /** The process of a node ends at once. The table goes on to name it. */
  kill(place: number): void {
    const id = this.id(place)
    this.network.kill(id)
    this.#listeners.delete(id)
    this.#disks.set(id, (this.#disks.get(id) as DiskTwin).crash())
    this.#nodes.delete(id)
  }

  /** From now on this node leads all partitions that anybody has asked for; all nodes hear of it. */
  elect(place: number): void {
    const primary = this.id(place)
    for (const [partition, row] of this.#rows) {
      if (row.primary !== primary)
        this.#rows.set(partition, { ...row, primary, epoch: row.epoch + 1 })
    }
    this.#tell()
  }

  /** Ends all nodes in order. */
  async stop(): Promise<void> {
    for (const [id, { map, storage }] of this.#nodes) {
      await map.close()
      await storage.close()
      this.network.kill(id)
      this.#disks.set(id, (this.#disks.get(id) as DiskTwin).kill())
    }
    this.#nodes.clear()
    this.#listeners.clear()
  }

  async #start(id: NodeId): Promise<void> {
    const disk = this.#disks.get(id) ?? new DiskTwin()
    this.#disks.set(id, disk)
    const storage = await openTwinStorage(disk)
    const listeners: (() => void)[] = []
    this.#listeners.set(id, listeners)
    const { engine, highWater } = storage
    const { waitMs } = this.#options
    const map = await openReplicatedMap({
      engine,
      highWater,
      self: id,
      tickMs: TICK_MS,
      ...(waitMs !== undefined && { waitMs }),
      cluster: {
        network: this.network.join(id),
        directory: {
          row: (partition) => this.#row(partition),
          follow: (listener) => {
            listeners.push(listener)
            listener()
          },
        },
        isFirstDisk: true,
        setBehind: () => {},
      },
    })
    this.#nodes.set(id, { map, storage })
  }

  #row(partition: PartitionId): PartitionRow | undefined {
    const known = this.#rows.get(partition)
    if (known !== undefined || this.#isTelling) return known
    const { leader = () => 1, replicas: places = [1, 2, 3] } = this.#options
    const primary = this.id(leader(partition))
    const replicas = places.map((place) => this.id(place))
    const row = {
      replicas,
      primary,
      epoch: 1,
      stage: 'normal',
      target: undefined,
      origin: undefined,
    } as const
    this.#rows.set(partition, row)
    queueMicrotask(() => this.#tell())
    return row
  }

  #tell(): void {
    this.#isTelling = true
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener()
    this.#isTelling = false
  }
}
