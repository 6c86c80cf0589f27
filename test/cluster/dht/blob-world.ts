import type { NodeId } from '../../../src/base/ids.ts'
import { BlobReplication } from '../../../src/cluster/dht/blob/blob-replication.driver.ts'
import { createBlobStore } from '../../../src/cluster/dht/blob/blob-store.driver.ts'
import { BlobCache } from '../../../src/storage/blob-cache.ts'
import { openStorage, type Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openLevelTwin } from '../../twin/level.ts'
import { EngineMapSpace } from '../../twin/map-space.ts'
import { NetworkTwin, type NetworkTwinOptions } from '../../twin/network.ts'

/** Nodes with a disk each whose manifests are in one map that never fails. */
export class BlobWorld {
  readonly network: NetworkTwin
  readonly manifests: EngineMapSpace
  readonly nodes = new Map<string, BlobNode>()
  /** How often a node has looked through all manifests. */
  walks = 0
  /** Of every chunk. */
  replicas: readonly NodeId[]
  readonly #waitMs: number

  private constructor(map: Storage, options: BlobWorldOptions) {
    this.network = new NetworkTwin(options)
    this.manifests = new EngineMapSpace(map.engine)
    this.replicas = (options.replicas ?? ['n1', 'n2', 'n3']) as readonly string[] as NodeId[]
    this.#waitMs = options.waitMs ?? 0
  }

  static async open(options: BlobWorldOptions = {}): Promise<BlobWorld> {
    const world = new BlobWorld(await openOn(new DiskTwin()), options)
    for (const id of options.nodes ?? ['n1', 'n2', 'n3']) await world.start(id)
    return world
  }

  /** Starts a node, on what its disk holds if it had one. */
  async start(name: string, disk = new DiskTwin()): Promise<BlobNode> {
    const id = name as NodeId
    const storage = await openOn(disk)
    const { chunks } = storage
    const cache = new BlobCache()
    const replication = new BlobReplication({
      self: id,
      network: this.network.join(id),
      chunks,
      replicasOf: () => this.replicas,
      manifests: () => {
        this.walks++
        return this.manifests.values()
      },
      report: () => {},
      waitMs: this.#waitMs,
    })
    const store = createBlobStore({ manifests: this.manifests, chunks, cache, replication })
    const node = { id, disk, storage, replication, store }
    this.nodes.set(name, node)
    return node
  }

  node(name: string): BlobNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`no node ${name}`)
    return node
  }

  /** Power loss; gives the disk as it is found then. */
  crash(name: string): DiskTwin {
    const { id, disk } = this.node(name)
    this.network.kill(id)
    this.nodes.delete(name)
    return disk.crash()
  }

  async close(): Promise<void> {
    for (const { replication, storage } of this.nodes.values()) {
      await replication.close()
      await storage.close()
    }
  }
}

export type BlobWorldOptions = NetworkTwinOptions & {
  readonly nodes?: readonly string[]
  /** Of every chunk; `n1` to `n3` if absent. */
  readonly replicas?: readonly string[]
  /** How long an upload tries; once if absent. */
  readonly waitMs?: number
}

export type BlobNode = {
  readonly id: NodeId
  readonly disk: DiskTwin
  readonly storage: Storage
  readonly replication: BlobReplication
  readonly store: ReturnType<typeof createBlobStore>
}

export function openOn(disk: DiskTwin): Promise<Storage> {
  const openStore = (directory: string) => openLevelTwin(disk, directory)
  return openStorage({ disk, directory: '/data', openStore })
}

/** The files of chunks, staged (in `tmp`) and published. */
export async function chunkFiles(disk: DiskTwin): Promise<string[]> {
  const names: string[] = []
  for (const directory of await disk.list('/data/chunks')) {
    if (directory === 'unclean') continue
    for (const name of await disk.list(`/data/chunks/${directory}`)) {
      names.push(`/data/chunks/${directory}/${name}`)
    }
  }
  return names.sort()
}

/** Lets the bytes at `position` rot. */
export async function rot(disk: DiskTwin, path: string, position: number): Promise<void> {
  const file = await disk.open(path, 'read')
  await file.write(Uint8Array.of(1, 2, 3), position)
  await file.close()
}
