import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import type { RefusalReason } from '../wire/index.ts'
import { missingQuorum } from './change.ts'
import type { Latest, Observations } from './view.ts'

/** What keeps a node from serving control state, in words for its operator; undefined when nothing does. */
export function explainObstacle(view: ObstacleView): string | undefined {
  const { self, committed, contacts, refusals, stalled, unaware, latest } = view
  if (stalled !== undefined) return `a newer version of Aether is needed: ${stalled}`
  if (unaware !== undefined) {
    const when = unaware.length > 0 ? `when enough of ${listed(unaware)} know it` : 'soon'
    return `was removed from the cluster, and stops ${when}`
  }
  if (committed.epoch === 0) return explainJoining(self, contacts, refusals)
  const missing = missingQuorum(committed, view)
  if (missing === undefined) return undefined
  const { absent, reached, voters, needed } = missing
  const said = absent.flatMap((node) => {
    const reason = refusals.get(node)
    return reason === undefined ? [] : [`${node} ${REFUSALS[reason]}`]
  })
  const waits = `waits for ${listed(absent)}: ${reached} of ${voters} voters can be reached, and ${needed} are needed`
  const stranded = latest === undefined ? [] : [explainStranding(view, latest, absent)]
  return [waits, ...said, ...stranded].join('; ')
}

export type ObstacleView = Pick<Observations, 'self' | 'connected'> & {
  readonly committed: MembershipSnapshot
  readonly contacts: readonly NodeId[]
  readonly refusals: ReadonlyMap<NodeId, RefusalReason>
  readonly stalled: string | undefined
  /** Of a node that was removed: who has yet to learn it. */
  readonly unaware: readonly NodeId[] | undefined
  readonly latest: Latest | undefined
}

/** Of a member that was away while the others were replaced: it takes nobody's word but that of those it knows. */
function explainStranding(
  { self, committed }: ObstacleView,
  { node, epoch }: Latest,
  absent: readonly NodeId[],
): string {
  const known = `${node}, which this node does not know, is at epoch ${epoch} of the members, this node at ${committed.epoch}`
  const way = `run \`aether cluster remove ${self}\` on ${node}; here empty the data directory, set \`join = true\` in [cluster] and start; then run \`aether cluster add ${self}\` on ${node}`
  return `${known}: if ${listed(absent, 'or')} does not come back with the disk that it had, ${way}`
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
