import type { NodeId } from '../../../src/base/ids.ts'
import type { Member } from '../../../src/cluster/control/members.ts'

/** Founders of a cluster that are not bound to a disk yet. */
export function rosterOf(nodes: readonly NodeId[]): readonly Member[] {
  return nodes.map((id) => ({ id, incarnation: undefined, address: `${id}:8090`, role: 'voter' }))
}
