/** Why a node can be no member of its cluster any more as it is, each with the commands that take the machine in again. */
import { AetherError } from '../../base/fault.ts'
import type { NodeId } from '../../base/ids.ts'

/** What others remember this node to have promised is not on its disk. */
export function rolledBack(self: NodeId): AetherError {
  return new AetherError(
    'membership-lost',
    'other nodes remember what this one has promised, and its disk does not: an older copy of the data directory was put back',
    replacement(self),
  )
}

/** The cluster, as `peer` has said if it was one, keeps this node out. */
export function excluded(
  self: NodeId,
  reason: 'removed' | 'other-incarnation',
  peer?: NodeId,
): AetherError {
  const who = peer === undefined ? 'the cluster' : `the cluster, by ${peer},`
  if (reason === 'removed') {
    return new AetherError('membership-lost', `${who} has removed ${self}`, readdition(self))
  }
  const what = `${who} knows another disk under the name ${self} than the one in this data directory`
  return new AetherError('membership-lost', what, replacement(self))
}

/** This node has applied its own removal. */
export function removed(self: NodeId, cluster: string): AetherError {
  return new AetherError(
    'membership-lost',
    `${self} was removed from the cluster ${cluster}`,
    `Its data directory is of no use to the cluster any more. To take the machine in again:\n${readdition(self)}`,
  )
}

/** How a member whose disk cannot be used any more gets back into its cluster. */
function replacement(self: NodeId): string {
  return `On another node run \`aether cluster remove ${self}\`.\n${readdition(self)}`
}

/** How a node that is no member any more gets back into its cluster. */
function readdition(self: NodeId): string {
  return [
    'Here empty the data directory, set `join = true` in [cluster] and start; then on another node run',
    `\`aether cluster add ${self}\`. The others give it what it needs.`,
  ].join('\n')
}
