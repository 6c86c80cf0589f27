/**
 * How the partitions of a cluster that began with fewer members than they are to have replicas get those that are missing. Pure.
 *
 * 1. Members are added to a row, and none is taken out of it: whoever has the data leads on, in a new epoch, and the new ones
 *    fetch it from there. Roles come to them later, as they return to any preferred primary.
 * 2. Only so many partitions at a time, since each waits for a majority of its new set to have everything.
 */
import type { NodeId } from '../../base/ids.ts'
import { type Candidate, plan } from './planner.ts'
import type { IsBehind } from './progress.ts'
import type { PartitionRow, PartitionTable } from './table.ts'
import type { RoleChange, Standing, Standings, Transition } from './transition.ts'

export type GrowthOptions = {
  readonly table: PartitionTable
  /** Who may hold partitions. */
  readonly members: readonly Candidate[]
  readonly standings: Standings
  readonly isBehind: IsBehind
}

/** Which partitions are to get more replicas now; empty when none are. */
export function growing({ table, members, standings, isBehind }: GrowthOptions): readonly number[] {
  const size = Math.min(table.factor, members.length)
  const standingOf = (id: NodeId): Standing => standings.get(id) ?? 'down'
  const isNewFor = ({ replicas }: PartitionRow, id: NodeId) =>
    standingOf(id) === 'steady' && !replicas.includes(id)
  const wanted: number[] = []
  let underWay = 0
  for (const [partition, row] of table.rows.entries()) {
    const standing = standingOf(row.primary)
    const canLead = standing === 'steady' || standing === 'present'
    // Who is down fetches nothing, and is not waited for.
    const isFilled = row.replicas.every(
      (id) => !isBehind(partition, id) || (id !== row.primary && standingOf(id) === 'down'),
    )
    const canGrow = row.replicas.length < size && members.some(({ id }) => isNewFor(row, id))
    if (!isFilled) underWay++
    else if (canLead && canGrow) wanted.push(partition)
  }
  return wanted.slice(0, Math.max(0, GROWING_MAX - underWay))
}

/** The table in which `partitions` have them. Takes as long as a plan. */
export function grown(
  { table, members, standings }: GrowthOptions,
  partitions: readonly number[],
): Transition {
  const steady = members.filter(({ id }) => standings.get(id) === 'steady')
  const current = table.rows.map(({ replicas }) => replicas)
  const placement = plan({ members: steady, factor: table.factor, current })
  const rows = [...table.rows]
  const changes = new Map<string, RoleChange>()
  for (const partition of partitions) {
    const row = rows[partition] as PartitionRow
    const next = grownRow(row, placement[partition] ?? [], table.factor)
    rows[partition] = next
    const from = row.primary
    for (const to of next.replicas.filter((id) => !row.replicas.includes(id))) {
      const count = (changes.get(`${from} ${to}`)?.partitions ?? 0) + 1
      changes.set(`${from} ${to}`, { kind: 'growth', from, to, partitions: count })
    }
  }
  return {
    table: { ...table, version: table.version + 1, rows },
    changes: [...changes.values()],
  }
}

/** A turn takes about a second or as long as the copies do; a small repository is on three nodes in a quarter of a minute. */
const GROWING_MAX = 64

/** In the order of the plan, so that the preferred primaries are as it has them. */
function grownRow(row: PartitionRow, planned: readonly NodeId[], factor: number): PartitionRow {
  const { primary, epoch, origin = primary } = row
  const added = planned.filter((id) => !row.replicas.includes(id))
  const kept = new Set([...row.replicas, ...added].slice(0, factor))
  const replicas = [...new Set([...planned.filter((id) => kept.has(id)), ...kept])]
  return { ...row, replicas, epoch: epoch + 1, origin }
}
