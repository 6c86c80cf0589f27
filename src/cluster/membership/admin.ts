import type { NodeId } from '../../base/ids.ts'
import type { OutcomeUnknown, Unavailable } from '../../base/port.ts'
import type { Result } from '../../base/result.ts'
import type { Vitals } from '../wire/index.ts'
import type { MemberState } from './detector.ts'

/** What an administrator sees of the cluster and does to it, as one of its nodes serves it. */
export interface ClusterAdmin {
  /** What this node knows now; asks nobody. */
  status(): ClusterStatus
  /**
   * Makes a waiting node a member: a learner first, which the cluster promotes to a voter once it
   * has caught up, as long as there are fewer than five voters. Ok when that is committed; the
   * status is the one after it.
   */
  add(id: NodeId): Promise<Result<ClusterStatus, AddRefusal>>
  /**
   * Takes a member out for good: its data directory is of no use any more, and it may come back
   * only as a new node. Ok when that is committed.
   */
  remove(id: NodeId): Promise<Result<ClusterStatus, RemoveRefusal>>
}

/** The cluster as one node sees it; members and waiting nodes ascend by their ids. */
export type ClusterStatus = {
  readonly cluster: string
  readonly self: NodeId
  /** Grows by one with every change of the members. 0: this node does not know the members yet. */
  readonly epoch: number
  /** The last slot of the log that this node has applied. */
  readonly slot: number
  /** Whether this node reaches enough voters to have a command ordered. */
  readonly hasQuorum: boolean
  readonly members: readonly MemberStatus[]
  /** Nodes that asked to join and are not members: `add` takes one of these. */
  readonly waiting: readonly WaitingNode[]
  /** Undefined until the cluster has given its partitions to its members. */
  readonly partitions: PartitionStatus | undefined
}

export type MemberStatus = {
  readonly id: NodeId
  /** `host:port` of its cluster listener; empty for the only member of a cluster that has none. */
  readonly address: string
  readonly role: 'voter' | 'learner'
  /** As the node that answers sees it. */
  readonly state: MemberState
  /** True for the node that answers. */
  readonly isConnected: boolean
  /** How far what it has applied is behind the most that this node has heard of; undefined when unknown. */
  readonly behindSlots: number | undefined
  /** Partitions of which it holds a replica; 0 while they have not been given to the members. */
  readonly replicas: number
  /**
   * How many of them lack something that others have, by its own word or by that of those who lead them; all, as long as it has
   * not looked at the newest table.
   */
  readonly replicasBehind: number
  /** As it last said, which of a member that is down may be long ago; undefined when it has said nothing yet. */
  readonly vitals: MemberVitals | undefined
}

/** What a member says of itself. */
export type MemberVitals = Omit<Vitals, 'lagging'>

export type PartitionStatus = {
  /** Grows with every change of who holds or leads a partition. */
  readonly tableVersion: number
  readonly total: number
  /** Partitions that have fewer replicas than there are voters for, or one that lacks something or is on a member that is down. */
  readonly underReplicated: number
  /** How many each node leads that leads any, ascending by id. */
  readonly led: readonly { readonly node: NodeId; readonly partitions: number }[]
}

/** A node that proved to know the secret and is not a member. */
export type WaitingNode = { readonly id: NodeId; readonly address: string }

export type AddRefusal =
  /** No node of that id asks to join; these do. */
  | { readonly kind: 'not-waiting'; readonly waiting: readonly NodeId[] }
  | { readonly kind: 'already-member' }
  | ChangeRefusal

export type RemoveRefusal =
  | { readonly kind: 'not-a-member'; readonly members: readonly NodeId[] }
  | { readonly kind: 'last-voter' }
  /** Without it the reachable voters, which are these, would be too few to decide anything. */
  | { readonly kind: 'would-lose-quorum'; readonly reachable: readonly NodeId[] }
  | ChangeRefusal

type ChangeRefusal =
  | Unavailable
  | OutcomeUnknown
  /** Somebody else changed the members at the same time: look at the status and decide again. */
  | { readonly kind: 'other-change' }
