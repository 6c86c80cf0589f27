import type { NodeId } from '../../base/ids.ts'
import type { Progress, Standing, Standings } from '../partition/index.ts'
import type { MemberHealth } from './detector.ts'

/** What may be entrusted to each of the members. */
export function standingsOf(health: readonly MemberHealth[]): Standings {
  return new Map(health.map((each) => [each.id, standingOf(each)]))
}

/** What the members have said of their replicas. */
export function progressOf(health: readonly MemberHealth[]): ReadonlyMap<NodeId, Progress> {
  return new Map(health.flatMap(({ id, progress }) => (progress ? [[id, progress]] : [])))
}

function standingOf({ state, isSteady }: MemberHealth): Standing {
  if (state === 'down' || state === 'leaving') return state
  return isSteady ? 'steady' : 'present'
}
