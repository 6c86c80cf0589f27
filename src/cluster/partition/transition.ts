/**
 * What becomes of the roles when members go down, are about to stop, or come back. Pure, and nothing here moves data: members of
 * a partition only change their role, each with a new epoch for exactly the partitions concerned.
 */
import type { NodeId } from '../../base/ids.ts'
import type { IsBehind } from './progress.ts'
import { type PartitionRow, type PartitionTable, partitionsLed } from './table.ts'

/** What may be entrusted to a node. Steady ones have been in contact for a while; others can lead if there is no better. */
export type Standing = 'steady' | 'present' | 'leaving' | 'down'

/** Whoever is not in it is down. */
export type Standings = ReadonlyMap<NodeId, Standing>

/**
 * - `failover`: `from` is down.
 * - `hand-over`: `from` is about to stop.
 * - `return`: `to` is the preferred primary, steady and not behind.
 * - `growth`: `to` gets replicas of what `from` leads.
 */
export type RoleChange = {
  readonly kind: 'failover' | 'hand-over' | 'return' | 'growth'
  readonly from: NodeId
  readonly to: NodeId
  readonly partitions: number
}

export type Transition = {
  readonly table: PartitionTable
  /** One for each kind and pair of nodes. */
  readonly changes: readonly RoleChange[]
}

/**
 * The table that follows from the standings, and what is different in it; undefined when nothing is. A replica that is behind
 * leads only what nobody else can, after a failover: to take over it has to fetch what it lacks first.
 */
export function transition(
  table: PartitionTable,
  standings: Standings,
  isBehind: IsBehind = () => false,
): Transition | undefined {
  const causes = table.rows.map((row, partition) =>
    causeOf(row, standings, (id) => isBehind(partition, id)),
  )
  if (causes.every((cause) => cause === undefined)) return undefined
  const led = new Map(partitionsLed(table))
  const changes = new Map<string, RoleChange>()
  const rows = table.rows.map((row, partition) => {
    const kind = causes[partition]
    const isReady = (id: NodeId) => !isBehind(partition, id)
    const to =
      successor({ row, standings, isReady, led }) ??
      (kind === 'failover' ? successor({ row, standings, isReady: () => true, led }) : undefined)
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

/** How many partitions have fewer than `size` replicas, or one that is behind or on a node that is down. */
export function underReplicated(
  { rows }: PartitionTable,
  size: number,
  standings: Standings,
  isBehind: IsBehind,
): number {
  const isMissing = (partition: number, id: NodeId) =>
    standingOf(id, standings) === 'down' || isBehind(partition, id)
  return rows.filter(
    ({ replicas }, partition) =>
      replicas.length < size || replicas.some((id) => isMissing(partition, id)),
  ).length
}

function causeOf(
  row: PartitionRow,
  standings: Standings,
  isBehind: (id: NodeId) => boolean,
): RoleChange['kind'] | undefined {
  const { replicas, primary } = row
  const standing = standingOf(primary, standings)
  if (standing === 'down') return 'failover'
  if (standing === 'leaving') return 'hand-over'
  const [preferred] = replicas
  if (preferred === undefined || preferred === primary) return undefined
  const isBack = standingOf(preferred, standings) === 'steady' && !isBehind(preferred)
  return isBack ? 'return' : undefined
}

/**
 * Of those that are ready the preferred primary if it is steady; else, of those with the best standing, the one that leads the
 * fewest partitions.
 */
function successor({ row, standings, isReady, led }: Succession): NodeId | undefined {
  const { replicas } = row
  const those = (standing: Standing) =>
    replicas.filter((id) => standingOf(id, standings) === standing && isReady(id))
  const steady = those('steady')
  const [preferred] = replicas
  if (preferred !== undefined && steady.includes(preferred)) return preferred
  const candidates = steady.length > 0 ? steady : those('present')
  const least = Math.min(...candidates.map((id) => led.get(id) ?? 0))
  return candidates.find((id) => (led.get(id) ?? 0) === least)
}

type Succession = {
  readonly row: PartitionRow
  readonly standings: Standings
  readonly isReady: (id: NodeId) => boolean
  readonly led: ReadonlyMap<NodeId, number>
}

function standingOf(id: NodeId, standings: Standings): Standing {
  return standings.get(id) ?? 'down'
}
