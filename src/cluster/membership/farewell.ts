import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import { quorum } from '../rabia/index.ts'
import { votersOf } from './view.ts'

/**
 * The voters to which a node that has applied its own removal still owes an answer; empty when it may go. Its vote may be the
 * last one that the slot of its removal lacks. Once n − f of the voters that remain have applied that slot, they can tell all
 * others. `committed` is what the slot has led to, `epochs` at which epoch each node has last refused this one.
 */
export function unaware(
  committed: MembershipSnapshot,
  epochs: ReadonlyMap<NodeId, number>,
): readonly NodeId[] {
  const { epoch } = committed
  // n − f of these voters were needed to come to a later one.
  if ([...epochs.values()].some((later) => later > epoch)) return []
  const voters = votersOf(committed)
  const rest = voters.filter((id) => (epochs.get(id) ?? 0) < epoch)
  return voters.length - rest.length >= quorum(voters.length) ? [] : rest
}
