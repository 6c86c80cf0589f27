import type { NodeId } from '../../base/ids.ts'
import type { Phase, SlotNumber } from './ballot.ts'
import type { StateMachine } from './machine.ts'

/** What a replica is made with. */
export type RabiaOptions = {
  readonly self: NodeId
  /** Part of the coin: clusters flip different ones. */
  readonly cluster: string
  /** Never the same for two starts of this node. */
  readonly boot: string
  /**
   * As it was before slot 1, or without an electorate: then the replica is at slot 0 and takes part in nothing until it
   * is given a snapshot. It belongs to this replica from now on.
   */
  readonly machine: StateMachine
  /** Whom a replica that has no vote asks, besides those who have one, what is decided, and for a snapshot. */
  readonly contacts?: readonly NodeId[]
  /**
   * Whether the voter that has the name of this node is this very incarnation of it. Asked anew for every electorate;
   * a replica that is not votes in nothing. It is, when absent.
   */
  readonly isSelf?: () => boolean
  readonly limits?: Partial<RabiaLimits>
}

/** Sizes are in UTF-16 units of the commands. `sessions` must be the same on all nodes. */
export type RabiaLimits = {
  /** Requests accepted from local clients and not yet answered; more are answered `busy`. */
  readonly requests: number
  readonly requestUnits: number
  /** Requests in one batch. One that is larger than `batchUnits` has a batch of its own. */
  readonly batchRequests: number
  readonly batchUnits: number
  /** Client sessions remembered. */
  readonly sessions: number
  /** Applied decisions kept for laggards. */
  readonly decisions: number
  readonly decisionUnits: number
}

/** A look into a replica, for operators and checkers. */
export type RabiaStatus = {
  /** The slot being decided; everything before it is applied. */
  readonly slot: SlotNumber
  readonly phase: Phase
  readonly epoch: number
  readonly digest: string
  /** Whether it votes in the slot; once enough members have told it what they have heard of it before (`isRecalled`). */
  readonly isVoter: boolean
  readonly isRecalled: boolean
  /** The slot of the durable snapshot; undefined without one. */
  readonly snapshot: SlotNumber | undefined
  /** The last slot that other nodes are known to have applied. */
  readonly applied: ReadonlyMap<NodeId, SlotNumber>
  /** Batches waiting for a slot, requests waiting for an answer, reads waiting, sessions and decisions kept. */
  readonly queued: number
  readonly waiting: number
  readonly reads: number
  readonly sessions: number
  readonly kept: number
}

/** The limits of a node that says nothing else. A batch of 64 KiB is written and sent in about the time of an fsync; 16 MiB of waiting requests are 256 of them. */
export const LIMITS: RabiaLimits = {
  requests: 4_096,
  requestUnits: 16 * 1_024 * 1_024,
  batchRequests: 512,
  batchUnits: 64 * 1_024,
  sessions: 65_536,
  decisions: 4_096,
  decisionUnits: 64 * 1_024 * 1_024,
}
