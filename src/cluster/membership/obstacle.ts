import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import type { RefusalReason } from '../wire/index.ts'
import { missingQuorum } from './change.ts'
import type { Observations } from './view.ts'

/** What keeps a node from serving control state, in words for its operator; undefined when nothing does. */
export function explainObstacle(view: ObstacleView): string | undefined {
  const { self, committed, contacts, refusals, stalled } = view
  if (stalled !== undefined) return `a newer version of Aether is needed: ${stalled}`
  if (committed.epoch === 0) return explainJoining(self, contacts, refusals)
  const missing = missingQuorum(committed, view)
  if (missing === undefined) return undefined
  const { absent, reached, voters, needed } = missing
  const said = absent.flatMap((node) => {
    const reason = refusals.get(node)
    return reason === undefined ? [] : [`${node} ${REFUSALS[reason]}`]
  })
  const waits = `waits for ${listed(absent)}: ${reached} of ${voters} voters can be reached, and ${needed} are needed`
  return [waits, ...said].join('; ')
}

export type ObstacleView = Pick<Observations, 'self' | 'connected'> & {
  readonly committed: MembershipSnapshot
  readonly contacts: readonly NodeId[]
  readonly refusals: ReadonlyMap<NodeId, RefusalReason>
  readonly stalled: string | undefined
}

function explainJoining(
  self: NodeId,
  contacts: readonly NodeId[],
  refusals: ObstacleView['refusals'],
): string {
  const reasons = [...refusals.values()]
  if (reasons.includes('other-incarnation')) {
    return `the cluster knows another disk under the name ${self}: run \`aether cluster remove ${self}\`, then \`aether cluster add ${self}\`, on a member`
  }
  if (reasons.includes('not-a-member')) {
    return `waits to be added: run \`aether cluster add ${self}\` on ${listed([...refusals.keys()], 'or')}`
  }
  const [refused] = refusals
  if (refused !== undefined) return `${refused[0]} ${REFUSALS[refused[1]]}`
  return `waits for an answer of ${listed(contacts, 'or')}`
}

const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  'not-a-member': 'does not know this node as a member',
  'other-incarnation': 'knows another disk under the name of this node',
  removed: 'says that this node was removed',
  'foreign-cluster': 'is of a cluster with another name',
  'foreign-roster': 'forms a cluster with other [cluster.peers]',
}

function listed(nodes: readonly NodeId[], word: 'and' | 'or' = 'and'): string {
  return nodes.length < 2
    ? nodes.join('')
    : `${nodes.slice(0, -1).join(', ')} ${word} ${nodes.at(-1)}`
}
