import type { Condition, Conflict, Version } from '../../../base/port.ts'
import { decodeEntry } from '../entry.ts'
import { entryKey, entryName } from '../key.ts'
import type { MapWrite } from './effect.ts'

/** The engine's `get`. */
export type View = (key: Uint8Array) => Uint8Array | undefined

/** What a write in flight makes of an entry: its `live` version, or none if it deletes it. */
export type Pending = { readonly version: Version; readonly live: Version | undefined }

/**
 * The first condition of a write that does not hold, given the writes in flight by `entryName` and
 * the engine below them. `basis` is the write in flight that made it fail; without one it is what the
 * engine shows.
 */
export function failedCondition(
  { space, partitionKey, operations }: MapWrite,
  prefix: Uint8Array,
  inFlight: ReadonlyMap<string, Pending>,
  view: View,
): { readonly basis: Version | undefined; readonly conflict: Conflict } | undefined {
  for (const { condition, sortKey } of operations) {
    if (condition === undefined) continue
    const pending = inFlight.get(entryName(space, partitionKey, sortKey))
    const current = pending === undefined ? shown(entryKey(prefix, sortKey), view) : pending.live
    if (holds(condition, current)) continue
    return { basis: pending?.version, conflict: { kind: 'conflict', key: sortKey, current } }
  }
  return undefined
}

function shown(key: Uint8Array, view: View): Version | undefined {
  const bytes = view(key)
  if (bytes === undefined) return undefined
  const { version, value } = decodeEntry(bytes)
  return value === undefined ? undefined : version
}

function holds(condition: Condition, current: Version | undefined): boolean {
  if (condition === 'absent') return current === undefined
  return current?.epoch === condition.epoch && current.seq === condition.seq
}
