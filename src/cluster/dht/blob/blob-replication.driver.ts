import { crc32 } from '../../../base/hash.ts'
import type { Digest, NodeId, PartitionId } from '../../../base/ids.ts'
import type { Corrupt, Unavailable } from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import { type ChunkStore, SEGMENT_BYTES } from '../../../storage/index.ts'
import { PARTITION_COUNT } from '../../partition/index.ts'
import type { Report } from '../../report.ts'
import type { PeerNetwork } from '../../wire/index.ts'
import { partitionOf } from '../partition.ts'
import { ChunkCopies, type Lingering } from './chunk-copies.driver.ts'
import { ChunkDebts } from './chunk-debts.driver.ts'
import { ChunkKeeper } from './chunk-keeper.driver.ts'
import { ChunkPeers } from './chunk-peers.driver.ts'
import type { ChunkEntry } from './manifest.ts'

/**
 * The chunks of blobs on several nodes: each on the replicas of the partition that its digest falls into. Listens to
 * `CHUNK_CHANNEL` from the beginning.
 */
export class BlobReplication {
  readonly #options: BlobReplicationOptions
  readonly #peers: ChunkPeers
  readonly #keeper: ChunkKeeper
  readonly #debts: ChunkDebts
  readonly #lingering = new Set<Lingering>()
  /** The partitions whose rows have this node. */
  #held: ReadonlySet<PartitionId> = new Set()
  /** Did not answer lately: asked last. */
  #avoided: NodeId | undefined

  constructor(options: BlobReplicationOptions) {
    const { network, chunks, self, report, manifests } = options
    this.#options = options
    this.#peers = new ChunkPeers(network, chunks)
    const replicasOf = (digest: Digest) => this.#replicasOf(digest)
    const parts = { self, chunks, peers: this.#peers, replicasOf }
    this.#keeper = new ChunkKeeper({ ...parts, report, manifests })
    this.#debts = new ChunkDebts(parts)
  }

  /** Of this node's own copies, and of those that it owes others. */
  get health(): ChunkHealth {
    const { missing, repaired, isSettled } = this.#keeper
    return { missing, repaired, isSettled: isSettled && this.#debts.size === 0 }
  }

  /** Begins to fetch what this node lacks, and to send what it owes. */
  start(): void {
    this.#keeper.start()
    this.#debts.start()
  }

  /** A page of a manifest was written to this node's replica of it, by whatever way. Cheap. */
  notice(page: Uint8Array): void {
    this.#keeper.notice(page)
  }

  /**
   * The replicas of this node have got what they had missed, all of it by way of `notice`: until the chunks of that have been
   * looked for, it is not settled.
   */
  caughtUp(): void {
    this.#keeper.caughtUp()
  }

  /** The table may have changed. A chunk lies in another partition than its manifest, and may come to be this node's later. */
  tableChanged(): void {
    const { self, replicasOf } = this.#options
    const before = this.#held
    const partitions = Array.from({ length: PARTITION_COUNT }, (_, index) => index as PartitionId)
    const held = partitions.filter((partition) => replicasOf(partition)?.includes(self))
    this.#held = new Set(held)
    if (held.some((partition) => !before.has(partition))) this.#keeper.placed()
  }

  /** For one upload. */
  copies(): ChunkCopies {
    return new ChunkCopies({
      self: this.#options.self,
      peers: this.#peers,
      replicasOf: (digest) => this.#replicasOf(digest),
      waitMs: this.#options.waitMs ?? WAIT_MS,
      owe: (copy) => this.#debts.add(copy),
      lingering: this.#lingering,
    })
  }

  /**
   * Fills `into` with the segment from another replica that has it as the manifest describes it, and puts this node's copy
   * right if it should have one. `reason` tells what is wrong here.
   */
  async read(
    entry: ChunkEntry,
    into: Uint8Array,
    segmentIndex: number,
    reason: string,
  ): Promise<Result<void, Corrupt | Unavailable>> {
    let unreached = 0
    for (const from of this.#sourcesOf(entry.digest)) {
      const position = segmentIndex * SEGMENT_BYTES
      const outcome = await this.#peers.read(from, entry.digest, into, position)
      if (outcome === 'unreached') {
        unreached++
        this.#avoided = from
      } else if (outcome === 'filled' && crc32(into) === entry.checksums[segmentIndex]) {
        this.#keeper.mend(entry)
        return ok(undefined)
      }
    }
    if (unreached === 0) return err({ kind: 'corrupt', reason })
    return err({ kind: 'unavailable', reason: `${reason}, and ${unreached} nodes do not answer` })
  }

  /** Ends what is under way, copies of uploads after `LINGER_MS`. Uploads and reads have ended, and no call may follow. */
  async close(): Promise<void> {
    const limit = setTimeout(() => {
      for (const { stop } of this.#lingering) stop()
    }, LINGER_MS)
    await Promise.all([...this.#lingering].map(({ ended }) => ended))
    clearTimeout(limit)
    // Fetches that wait for an answer get none any more.
    const closing = Promise.all([this.#keeper.close(), this.#debts.close()])
    await this.#peers.close()
    await closing
  }

  #replicasOf(digest: Digest): readonly NodeId[] | undefined {
    return this.#options.replicasOf(partitionOf(SPACE, digest))
  }

  /** The other replicas, the most promising first. */
  #sourcesOf(digest: Digest): NodeId[] {
    const { self } = this.#options
    const others = (this.#replicasOf(digest) ?? []).filter((id) => id !== self)
    const rank = (id: NodeId) => {
      if (!this.#peers.isConnected(id)) return 2
      return id === this.#avoided ? 1 : 0
    }
    return others.sort((a, b) => rank(a) - rank(b))
  }
}

export type BlobReplicationOptions = {
  readonly self: NodeId
  readonly network: PeerNetwork
  readonly chunks: ChunkStore
  /** The nodes of a partition's row; undefined while there is no table. */
  readonly replicasOf: (partition: PartitionId) => readonly NodeId[] | undefined
  /** All pages of manifests that this node holds, in no particular order. */
  readonly manifests: () => AsyncIterable<Uint8Array>
  readonly report: Report
  /** How long an upload tries to reach enough replicas; 5 s if absent. */
  readonly waitMs?: number
}

export type ChunkHealth = {
  /** Chunks that this node should have and is known to lack. */
  readonly missing: number
  /** Chunks that it has fetched since it started, since they were missing or damaged. */
  readonly repaired: number
  /** It has looked through all its manifests, lacks nothing that they refer to, and owes no other node a copy. */
  readonly isSettled: boolean
}

/** Where chunks fall into partitions: as if they were entries of a space of this name. */
const SPACE = 'chunks'

/** A copy that is nearly made when the node stops would else be found missing hours later. */
const LINGER_MS = 2_000

/** Long enough for a node that restarts, and shorter than clients wait. */
const WAIT_MS = 5_000
