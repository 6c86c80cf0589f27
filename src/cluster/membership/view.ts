import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from '../rabia/index.ts'

/** The members as the log has committed them, up to the last slot that this node has applied. */
export type CommittedMembers = {
  /** Grows by one with every change. */
  readonly epoch: number
  readonly members: readonly Member[]
}

export type Member = {
  readonly id: NodeId
  /** Names the disk that the member has its log on; undefined until a founder is bound to one. */
  readonly incarnation: string | undefined
  /** `host:port`. */
  readonly address: string
  readonly role: 'voter' | 'learner'
}

/** What a node observes beside it. Never decides who is a member, only when a change is wise. */
export type Observations = {
  readonly self: NodeId
  /** Peers that this node reaches. */
  readonly connected: ReadonlySet<NodeId>
  /** The last slot that a peer is known to have applied; this node's own too. */
  readonly applied: ReadonlyMap<NodeId, SlotNumber>
}

/** The voters, ascending. */
export function votersOf({ members }: CommittedMembers): readonly NodeId[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

/** Those of `nodes` that this node reaches, itself included. */
export function reachable(
  nodes: readonly NodeId[],
  { self, connected }: Pick<Observations, 'self' | 'connected'>,
): readonly NodeId[] {
  return nodes.filter((id) => id === self || connected.has(id))
}
