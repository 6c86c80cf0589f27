import type { Standing, Standings } from '../partition/index.ts'
import type { MemberHealth } from './detector.ts'

/** What may be entrusted to each of the members. */
export function standingsOf(health: readonly MemberHealth[]): Standings {
  return new Map(health.map((each) => [each.id, standingOf(each)]))
}

function standingOf({ state, isSteady }: MemberHealth): Standing {
  if (state === 'down' || state === 'leaving') return state
  return isSteady ? 'steady' : 'present'
}
