/** What a map would do that is one copy, used by one client at a time. */
import type { SequentialModel } from '../../sim/linearizability.ts'

/** What a read finds: the sort keys with their values, which no two writes have in common. */
export type MapState = ReadonlyMap<string, string>

export type MapInput = {
  readonly partitionKey: string
  /** Undefined for a read. */
  readonly changes: readonly MapChange[] | undefined
}
export type MapChange = {
  readonly sortKey: string
  /** Undefined to leave it, null to delete it. */
  readonly put: string | null | undefined
  /** The value it must have now, null for none; undefined if that does not matter. */
  readonly expected: string | null | undefined
}
export type MapOutput = 'ok' | 'conflict' | MapState

export const mapModel: SequentialModel<MapState, MapInput, MapOutput> = {
  initial: new Map(),
  partition: ({ partitionKey }) => partitionKey,
  step(state, { changes }, output) {
    if (changes === undefined) {
      return typeof output === 'object' && digestOf(output) !== digestOf(state) ? undefined : state
    }
    const holds = changes.every(
      ({ sortKey, expected }) =>
        expected === undefined || (state.get(sortKey) ?? null) === expected,
    )
    if (output === 'conflict') return holds ? undefined : state
    if (!holds) return output === 'ok' ? undefined : state
    const next = new Map(state)
    for (const { sortKey, put } of changes) {
      if (put === null) next.delete(sortKey)
      else if (put !== undefined) next.set(sortKey, put)
    }
    return next
  },
  digest: digestOf,
}

function digestOf(state: MapState): string {
  return JSON.stringify([...state].sort())
}
