/**
 * What becomes of the roles when members go down, are about to stop, or come back. Pure, and nothing here moves data: members of
 * a partition only change their role, each with a new epoch for exactly the partitions concerned.
 */
import type { NodeId } from '../../base/ids.ts'
import { type PartitionRow, type PartitionTable, partitionsLed } from './table.ts'

/** What may be entrusted to a node. Steady ones have been in contact for a while; others can lead if there is no better. */
export type Standing = 'steady' | 'present' | 'leaving' | 'down'

/** Whoever is not in it is down. */
export type Standings = ReadonlyMap<NodeId, Standing>

/**
 * - `failover`: `from` is down.
 * - `hand-over`: `from` is about to stop.
 * - `return`: `to` is the preferred primary, and steady again.
 */
export type RoleChange = {
  readonly kind: 'failover' | 'hand-over' | 'return'
  readonly from: NodeId
  readonly to: NodeId
  readonly partitions: number
}

export type Transition = {
  readonly table: PartitionTable
  /** One for each kind and pair of nodes. */
  readonly changes: readonly RoleChange[]
}

/** The table that follows from the standings, and what is different in it; undefined when nothing is. */
export function transition(table: PartitionTable, standings: Standings): Transition | undefined {
  const causes = table.rows.map((row) => causeOf(row, standings))
  if (causes.every((cause) => cause === undefined)) return undefined
  const led = new Map(partitionsLed(table))
  const changes = new Map<string, RoleChange>()
  const rows = table.rows.map((row, partition) => {
    const kind = causes[partition]
    const to = kind === undefined ? undefined : successor(row, standings, led)
    if (kind === undefined || to === undefined) return row
    const from = row.primary
    led.set(from, (led.get(from) ?? 0) - 1)
    led.set(to, (led.get(to) ?? 0) + 1)
    const key = `${kind} ${from} ${to}`
    changes.set(key, { kind, from, to, partitions: (changes.get(key)?.partitions ?? 0) + 1 })
    return { ...row, primary: to, epoch: row.epoch + 1 }
  })
  if (changes.size === 0) return undefined
  const next = { ...table, version: table.version + 1, rows }
  return { table: next, changes: [...changes.values()] }
}

/** How many partitions have a replica on a node that is down. */
export function underReplicated({ rows }: PartitionTable, standings: Standings): number {
  const isDown = (id: NodeId) => standingOf(id, standings) === 'down'
  return rows.filter(({ replicas }) => replicas.some(isDown)).length
}

function causeOf(row: PartitionRow, standings: Standings): RoleChange['kind'] | undefined {
  const { replicas, primary } = row
  const standing = standingOf(primary, standings)
  if (standing === 'down') return 'failover'
  if (standing === 'leaving') return 'hand-over'
  const [preferred] = replicas
  const isBack = preferred !== undefined && standingOf(preferred, standings) === 'steady'
  return preferred !== primary && isBack ? 'return' : undefined
}

/** The preferred primary if it is steady; else, of those with the best standing, the one that leads the fewest partitions. */
function successor(
  { replicas }: PartitionRow,
  standings: Standings,
  led: ReadonlyMap<NodeId, number>,
): NodeId | undefined {
  const those = (standing: Standing) =>
    replicas.filter((id) => standingOf(id, standings) === standing)
  const steady = those('steady')
  const [preferred] = replicas
  if (preferred !== undefined && steady.includes(preferred)) return preferred
  const candidates = steady.length > 0 ? steady : those('present')
  const least = Math.min(...candidates.map((id) => led.get(id) ?? 0))
  return candidates.find((id) => (led.get(id) ?? 0) === least)
}

function standingOf(id: NodeId, standings: Standings): Standing {
  return standings.get(id) ?? 'down'
}
