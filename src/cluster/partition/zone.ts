import type { NodeId } from '../../base/ids.ts'

/** Where the control state keeps the zone of a node, as the node has said it: empty when it has none. */
export function zoneKey(node: NodeId): string {
  return `cluster/zones/${node}`
}
