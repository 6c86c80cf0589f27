import type { NodeId, PartitionId } from '../../base/ids.ts'
import type { Engine, HighWater } from '../../storage/index.ts'
import type { PartitionRow } from '../partition/index.ts'
import type { PeerNetwork } from '../wire/index.ts'

/** What the replicas of a node live on. */
export type ReplicaHostOptions = {
  /** Stays the caller's: closed after the host. */
  readonly engine: Engine
  /** Kept up to date by the host, which is its only user. */
  readonly highWater: HighWater
  readonly self: NodeId
  /** Absent on a node that is alone for good: it leads everything. */
  readonly cluster?: HostCluster
  /** 100 ms if absent, for which the bounds of a replica are made. */
  readonly tickMs?: number
  /** What may wait for the disk before nothing more is taken; 64 MiB if absent. */
  readonly waitingBytesMax?: number
}

/** What the host sees of the other nodes, and tells them. */
export type HostCluster = {
  readonly directory: {
    /** Undefined while there is no table. */
    row(partition: PartitionId): PartitionRow | undefined
    /** Calls back now if there is a table, and whenever it changes. */
    follow(listener: () => void): void
  }
  readonly network: PeerNetwork
  /** As in `ReplicaOptions`. */
  readonly isFirstDisk: boolean
  /**
   * The replica on this node, of a row of the table, has yet to get what the others have, as far as is known, or has it now.
   * Said of every row that this node is in, before `follow` returns.
   */
  setBehind(partition: PartitionId, isBehind: boolean): void
}
