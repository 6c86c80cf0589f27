import { hex, utf8 } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { NodeId } from '../../base/ids.ts'

/** Nodes, each with the `host:port` of its cluster listener: who forms a cluster, or whom to ask for one. */
export type Roster = ReadonlyMap<NodeId, string>

/**
 * Names a roster: equal for equal ids with equal addresses, since both are in the state that the founders begin with.
 * Formations of different rosters never mix, even when they have the same name and secret.
 */
export function rosterHash(roster: Roster): string {
  const entries = [...roster].sort(([a], [b]) => (a < b ? -1 : 1))
  return hex(sha256(utf8(JSON.stringify(entries))))
}
