/**
 * When a change of the members is wise. None of this is needed for safety: each change names the epoch it was decided in,
 * and the log takes at most one of those that name the same.
 */
import type { NodeId } from '../../base/ids.ts'
import {
  type Member,
  type MembershipChange,
  type MembershipSnapshot,
  VOTERS_MAX,
} from '../control/index.ts'
import { quorum } from '../rabia/index.ts'
import type { RemoveRefusal } from './admin.ts'
import { type Observations, reachable, votersOf } from './view.ts'

/** A learner this close has all but the slots in flight: as a voter it does not hold up the others. */
const BEHIND_SLOTS_MAX = 16

/**
 * The learner that this node promotes now, if any. By convention the lowest voter does it among those it reaches; two that
 * do not see each other name the same epoch, and one of them wins.
 */
export function promotion(
  committed: MembershipSnapshot,
  observed: Observations,
): NodeId | undefined {
  const voters = votersOf(committed)
  const [first] = reachable(voters, observed)
  if (first !== observed.self || voters.length >= VOTERS_MAX) return undefined
  const near = (observed.applied.get(observed.self) ?? 0) - BEHIND_SLOTS_MAX
  const ready = committed.members.find(({ id, role }) => {
    if (role !== 'learner' || !observed.connected.has(id)) return false
    const applied = observed.applied.get(id)
    return applied !== undefined && applied >= near
  })
  return ready?.id
}

/** What the log does not know of a member yet that the member itself does: which disk it is on, or where it is. */
export function ownChange(
  member: Member | undefined,
  own: Pick<Member, 'address'> & { readonly incarnation: string },
): MembershipChange | undefined {
  if (member === undefined) return undefined
  const { id: node } = member
  const { incarnation, address } = own
  if (member.incarnation === undefined) return { kind: 'bind', node, incarnation }
  return member.address === address ? undefined : { kind: 'move', node, incarnation, address }
}

/** Why `id` may not be removed now. */
export function removalRefusal(
  committed: MembershipSnapshot,
  observed: Observations,
  id: NodeId,
): RemoveRefusal | undefined {
  const member = committed.members.find((each) => each.id === id)
  if (member === undefined) {
    return { kind: 'not-a-member', members: committed.members.map((each) => each.id) }
  }
  if (member.role === 'learner') return undefined
  const remaining = votersOf(committed).filter((voter) => voter !== id)
  if (remaining.length === 0) return { kind: 'last-voter' }
  const live = reachable(remaining, observed)
  if (live.length >= quorum(remaining.length)) return undefined
  return { kind: 'would-lose-quorum', reachable: live }
}

/** What keeps this node from having commands ordered: the voters it does not reach. Undefined when nothing does. */
export function missingQuorum(
  committed: MembershipSnapshot,
  observed: Pick<Observations, 'self' | 'connected'>,
): MissingQuorum | undefined {
  const voters = votersOf(committed)
  const live = reachable(voters, observed)
  const needed = quorum(voters.length)
  if (voters.length > 0 && live.length >= needed) return undefined
  const absent = voters.filter((voter) => !live.includes(voter))
  return { voters: voters.length, reached: live.length, needed, absent }
}

export type MissingQuorum = {
  readonly voters: number
  readonly reached: number
  readonly needed: number
  readonly absent: readonly NodeId[]
}
