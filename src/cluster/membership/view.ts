import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import type { SlotNumber } from '../rabia/index.ts'
import type { Peer } from '../wire/index.ts'
import type { Roster } from './roster.ts'

/** What a node observes beside it. Never decides who is a member, only when a change is wise. */
export type Observations = {
  readonly self: NodeId
  /** Peers that this node reaches. */
  readonly connected: ReadonlySet<NodeId>
  /** The last slot that a peer is known to have applied; this node's own too. */
  readonly applied: ReadonlyMap<NodeId, SlotNumber>
}

/** Which member a node takes for itself. */
export type Self = {
  readonly self: NodeId
  readonly incarnation: string
  /** It began with the roster of the cluster: a member of its name that is not bound yet is itself. */
  readonly isFounder: boolean
}

/** A node that is at this epoch of the members. */
export type Latest = { readonly node: NodeId; readonly epoch: number }

/**
 * The epoch that a node may speak of: 0 when it does not know itself to be a member, because it has yet to join, or has not
 * applied yet that it was added.
 */
export function ownEpoch(committed: MembershipSnapshot, own: Self): number {
  const member = committed.members.find(({ id }) => id === own.self)
  if (member === undefined) return 0
  const { incarnation } = member
  const isOwn = incarnation === undefined ? own.isFounder : incarnation === own.incarnation
  return isOwn ? committed.epoch : 0
}

/** The voters, ascending. */
export function votersOf({ members }: MembershipSnapshot): readonly NodeId[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

/** Those of `nodes` that this node reaches, itself included. */
export function reachable(
  nodes: readonly NodeId[],
  { self, connected }: Pick<Observations, 'self' | 'connected'>,
): readonly NodeId[] {
  return nodes.filter((id) => id === self || connected.has(id))
}

/**
 * With whom a node is to be connected. What a newcomer has applied may be long out of date, down to the beginning of the
 * cluster: whom it was told to ask (`contacts`) is reached where it was told.
 */
export function peersOf(
  { members }: MembershipSnapshot,
  contacts: Roster,
  isMember: boolean,
): readonly Peer[] {
  const reachable = members.filter(({ address }) => address !== '')
  if (isMember) return reachable
  return [
    ...[...contacts].map(([id, address]) => ({ id, address, incarnation: undefined })),
    ...reachable.filter(({ id }) => !contacts.has(id)),
  ]
}
