import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import type { SlotNumber } from '../rabia/index.ts'

/** What a node observes beside it. Never decides who is a member, only when a change is wise. */
export type Observations = {
  readonly self: NodeId
  /** Peers that this node reaches. */
  readonly connected: ReadonlySet<NodeId>
  /** The last slot that a peer is known to have applied; this node's own too. */
  readonly applied: ReadonlyMap<NodeId, SlotNumber>
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
