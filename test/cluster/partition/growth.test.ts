import { describe, expect, test } from 'vitest'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import {
  behindIn,
  contains,
  formTable,
  growing,
  grown,
  type IsBehind,
  type PartitionRow,
  type PartitionTable,
  partitionSet,
  partitionsLed,
  plan,
  type Standing,
  type Standings,
  transition,
} from '../../../src/cluster/partition/index.ts'

const known = ['n1', 'n2', 'n3', 'n4', 'n5'] as NodeId[]
const [n1, n2, n3, n4] = known as [NodeId, NodeId, NodeId, NodeId]
const membersOf = (count: number) => known.slice(0, count).map((id) => ({ id, zone: undefined }))
const filled: IsBehind = () => false

function standings(...each: readonly Standing[]): Standings {
  return new Map(each.map((standing, i) => [known[i] as NodeId, standing]))
}

const steady = standings('steady', 'steady', 'steady', 'steady', 'steady')

function tableOf(count: number): PartitionTable {
  return formTable(3, plan({ members: membersOf(count), factor: 3 }))
}

/** Grows to `count` members, everything being fetched at once. */
function grow(from: PartitionTable, count: number): { table: PartitionTable; turns: number } {
  let table = from
  for (let turns = 0; ; turns++) {
    const options = { table, members: membersOf(count), standings: steady, isBehind: filled }
    const partitions = growing(options)
    if (partitions.length === 0) return { table, turns }
    table = grown(options, partitions).table
  }
}

describe('a table of one node', () => {
  test('comes to have three replicas of each partition, which the node goes on to lead in a new epoch', () => {
    const { table, turns } = grow(tableOf(1), 3)
    expect(turns).toBe(16)
    for (const { replicas, ...row } of table.rows) {
      expect([...replicas].sort()).toEqual([n1, n2, n3])
      expect(row).toEqual({
        primary: n1,
        epoch: 2,
        stage: 'normal',
        target: undefined,
        origin: n1,
      })
    }
    const after = transition(table, steady)
    const counts = [...partitionsLed(after?.table as PartitionTable).values()]
    expect(Math.max(...counts)).toBeLessThan((1.1 * 1_024) / 3)
    expect(Math.max(...(after?.table.rows ?? []).map(({ epoch }) => epoch))).toBe(3)
  })

  test('grows by a member at a time as well, and remembers who had the data first', () => {
    const two = grow(tableOf(1), 2).table
    const led = transition(two, steady)?.table as PartitionTable
    const { table } = grow(led, 3)
    expect(table.rows.every(({ replicas }) => replicas.length === 3)).toBe(true)
    expect(new Set(table.rows.map(({ origin }) => origin))).toEqual(new Set([n1]))
    const primaries = table.rows.map(({ primary }) => primary)
    expect(primaries).toEqual(led.rows.map(({ primary }) => primary))
    const balanced = transition(table, steady)?.table as PartitionTable
    const counts = [...partitionsLed(balanced).values()]
    expect(Math.max(...counts)).toBeLessThan((1.1 * 1_024) / 3)
  })

  test('gives replicas to steady members only, and to none while its primary is gone', () => {
    const table = tableOf(1)
    const options = { table, members: membersOf(3), isBehind: filled }
    const now = standings('steady', 'present', 'steady')
    const partitions = growing({ ...options, standings: now })
    const { rows } = grown({ ...options, standings: now }, partitions).table
    expect(partitions.every((i) => !rows[i]?.replicas.includes(n2))).toBe(true)
    expect(growing({ ...options, standings: standings('down', 'steady', 'steady') })).toEqual([])
    expect(growing({ ...options, standings: standings('leaving', 'steady', 'steady') })).toEqual([])
  })

  test('waits for those that fetch, but not for who is down', () => {
    const table = tableOf(1)
    const options = { table, members: membersOf(3), standings: steady, isBehind: filled }
    const next = grown(options, growing(options)).table
    const isBehind: IsBehind = (partition, id) =>
      id === n2 && (next.rows[partition] as PartitionRow).replicas.length > 1
    expect(growing({ ...options, table: next, isBehind })).toEqual([])
    const some: IsBehind = (partition, id) => isBehind(partition, id) && partition < 10
    expect(growing({ ...options, table: next, isBehind: some }).length).toBe(54)
    const now = standings('steady', 'down', 'steady')
    expect(growing({ ...options, table: next, isBehind, standings: now }).length).toBe(64)
  })
})

test('a set that is complete stays as it is when members come and go', () => {
  const { table } = grow(tableOf(3), 5)
  expect(table.version).toBe(1)
  const others = membersOf(4).filter(({ id }) => id !== n3)
  const without = { table, members: others, standings: steady, isBehind: filled }
  expect(growing(without)).toEqual([])
})

test('what was said of a table before is not taken for one of this table', () => {
  const table = { ...tableOf(3), version: 4 }
  const behind = partitionSet(new Set([0, 5, 1_023] as PartitionId[]))
  const isBehind = behindIn(
    table,
    new Map([
      [n1, { tableVersion: 4, behind }],
      [n2, { tableVersion: 3, behind: '' }],
      [n3, { tableVersion: 5, behind: '' }],
    ]),
  )
  expect([0, 1, 4, 5, 6, 1_023].map((i) => isBehind(i, n1))).toEqual([
    true,
    false,
    false,
    true,
    false,
    true,
  ])
  expect([n2, n3, n4].map((id) => isBehind(7, id))).toEqual([true, false, true])
  expect(contains('', 9)).toBe(false)
})

describe('a replica that is behind', () => {
  const table = tableOf(3)
  const isBehind: IsBehind = (_, id) => id === n2

  test('gets no role back, and none that is handed over', () => {
    const failed = transition(table, standings('steady', 'down', 'steady'))?.table
    expect(transition(failed as PartitionTable, steady, isBehind)).toBeUndefined()
    const left = transition(table, standings('leaving', 'steady', 'steady'), isBehind)
    expect(left?.changes.map(({ to }) => to)).toEqual([n3])
    const alone = transition(table, standings('leaving', 'steady', 'down'), isBehind)
    expect(alone?.changes.every(({ kind }) => kind === 'failover')).toBe(true)
  })

  test('takes over what nobody else can', () => {
    const some = transition(table, standings('down', 'steady', 'present'), isBehind)?.table
    expect(new Set(some?.rows.map(({ primary }) => primary))).toEqual(new Set([n2, n3]))
    const led = partitionsLed(table)
    expect(partitionsLed(some as PartitionTable).get(n2)).toBe(led.get(n2))
    const all = transition(table, standings('down', 'steady', 'down'), isBehind)?.table
    expect(partitionsLed(all as PartitionTable)).toEqual(new Map([[n2, 1_024]]))
  })
})
