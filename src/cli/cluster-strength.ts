import type { ClusterStatus } from '../node/index.ts'

/** What keeps a cluster from being at its full strength, in words; undefined when a node may be taken away for a moment. */
export function weakness(status: ClusterStatus): string | undefined {
  const { members, hasQuorum, partitions, self } = status
  if (members.length === 0) return `${self} does not know the members yet`
  if (!hasQuorum) return `${self} does not reach enough voters`
  const away = members.find(({ state }) => state !== 'up')
  if (away !== undefined) return memberWeakness(status, away.id)
  for (const { id } of members) {
    const reason = memberWeakness(status, id)
    if (reason !== undefined) return reason
  }
  if (partitions === undefined) return 'the partitions have not been given to the members yet'
  const { underReplicated, total } = partitions
  return underReplicated === 0
    ? undefined
    : `${underReplicated} of ${total} partitions are under-replicated`
}

/** What keeps one member from being of full use to the others; undefined when nothing does. */
export function memberWeakness({ members, self }: ClusterStatus, id: string): string | undefined {
  const member = members.find((each) => each.id === id)
  if (member === undefined) return `${id} is no member any more`
  const { state, isConnected, vitals, behindSlots, replicasBehind } = member
  if (state !== 'up') return `${id} is ${state}`
  if (!isConnected) return `${self} does not reach ${id}`
  if (vitals?.isReady !== true) return `${id} is not ready`
  if (behindSlots === undefined || behindSlots > BEHIND_SLOTS_MAX) {
    return `${id} has yet to learn what the others have decided`
  }
  if (replicasBehind > 0) return `${id} lacks something in ${replicasBehind} partitions`
  if (vitals.missingChunks > 0) return `${id} lacks ${vitals.missingChunks} chunks`
  return vitals.hasAllChunks
    ? undefined
    : `${id} looks for chunks that it lacks, or has yet to send some to others`
}

/** While the control state is written to all the time, those who are well are seen a few slots behind. */
const BEHIND_SLOTS_MAX = 100
