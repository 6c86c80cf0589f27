import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  formTable,
  type PartitionTable,
  partitionsLed,
  plan,
  type RoleChange,
  type Standing,
  type Standings,
  transition,
  underReplicated,
} from '../../../src/cluster/partition/index.ts'

const [n1, n2, n3] = ['n1', 'n2', 'n3'] as NodeId[]
const known = ['n1', 'n2', 'n3', 'n4', 'n5'] as NodeId[]

function tableOf(nodes: number): PartitionTable {
  const members = known.slice(0, nodes).map((id) => ({ id, zone: undefined }))
  return formTable(3, plan({ members, factor: 3 }))
}

function standings(...each: readonly Standing[]): Standings {
  return new Map(each.map((standing, i) => [known[i] as NodeId, standing]))
}

function follow(table: PartitionTable, now: Standings) {
  const next = transition(table, now)
  if (next === undefined) throw new Error('nothing has changed')
  return next
}

const totalOf = (changes: readonly RoleChange[]) =>
  changes.reduce((sum, { partitions }) => sum + partitions, 0)

describe('a member that is down', () => {
  const table = tableOf(3)
  const led = partitionsLed(table).get(n1!)!
  const down = standings('down', 'steady', 'steady')

  test('loses exactly the partitions it led, each to a new epoch', () => {
    const next = follow(table, down)
    for (const [i, row] of table.rows.entries()) {
      const now = next.table.rows[i]!
      expect(now).toEqual(row.primary === n1 ? { ...row, primary: now.primary, epoch: 2 } : row)
    }
    expect(next.table.version).toBe(2)
    expect(totalOf(next.changes)).toBe(led)
    expect(next.changes.every(({ kind, from }) => kind === 'failover' && from === n1)).toBe(true)
  })

  test('loses them to the others in equal parts', () => {
    const counts = [...partitionsLed(follow(table, down).table).values()]
    expect(counts).toEqual([512, 512])
  })

  test('leaves every partition that it holds under-replicated', () => {
    expect(underReplicated(table, 3, down, () => false)).toBe(1_024)
    expect(underReplicated(table, 3, standings('steady', 'leaving', 'present'), () => false)).toBe(
      0,
    )
    expect(underReplicated(table, 4, standings('steady', 'steady', 'steady'), () => false)).toBe(
      1_024,
    )
  })

  test('is one that is no member any more, too', () => {
    const gone = new Map([...down].filter(([id]) => id !== n1))
    expect(follow(table, gone).table).toEqual(follow(table, down).table)
  })

  test('gets its partitions back when it is steady again, and no earlier', () => {
    const { table: failed } = follow(table, down)
    expect(transition(failed, standings('present', 'steady', 'steady'))).toBeUndefined()
    const back = follow(failed, standings('steady', 'steady', 'steady'))
    expect(back.table.rows.map(({ primary }) => primary)).toEqual(
      table.rows.map(({ primary }) => primary),
    )
    expect(back.changes.every(({ kind, to }) => kind === 'return' && to === n1)).toBe(true)
    expect(Math.max(...back.table.rows.map(({ epoch }) => epoch))).toBe(3)
  })

  test('leaves its partitions to one that is not steady when there is no other', () => {
    const next = follow(table, standings('down', 'down', 'present'))
    expect([...partitionsLed(next.table)]).toEqual([[n3, 1_024]])
  })
})

describe('a member that is about to stop', () => {
  test('hands over what it leads, and does not get it back before it has been away', () => {
    const now = standings('steady', 'leaving', 'steady')
    const next = follow(tableOf(3), now)
    expect(next.changes.every(({ kind, from }) => kind === 'hand-over' && from === n2)).toBe(true)
    expect(partitionsLed(next.table).has(n2!)).toBe(false)
    expect(transition(next.table, now)).toBeUndefined()
    expect(transition(next.table, standings('steady', 'present', 'steady'))).toBeUndefined()
  })

  test('keeps what nobody else can lead', () => {
    expect(transition(tableOf(3), standings('down', 'leaving', 'down'))?.changes ?? []).toSatisfy(
      (changes: RoleChange[]) => changes.length === 0,
    )
  })
})

describe('any standings', () => {
  const standing = fc.constantFrom<Standing>('steady', 'present', 'leaving', 'down')
  const all = fc.tuple(standing, standing, standing, standing, standing)

  test('lead in one step to a table that does not change until they do', () => {
    fc.assert(
      fc.property(fc.array(all, { minLength: 1, maxLength: 4 }), (history) => {
        let table = tableOf(5)
        for (const each of history) {
          const now = standings(...each)
          const next = transition(table, now)
          if (next === undefined) continue
          expect(next.table.version).toBe(table.version + 1)
          const changed = next.table.rows.filter((row, i) => row !== table.rows[i])
          expect(changed.length).toBe(totalOf(next.changes))
          const canLead = (id: NodeId) => /steady|present/.test(now.get(id) ?? '')
          const wrong = next.table.rows.filter((row, i) => {
            const { primary, epoch } = table.rows[i]!
            const isNewEpoch = row.epoch === epoch + (row.primary === primary ? 0 : 1)
            const isLed = canLead(row.primary) || !row.replicas.some(canLead)
            return !isNewEpoch || !isLed || !row.replicas.includes(row.primary)
          })
          expect(wrong).toEqual([])
          table = next.table
          expect(transition(table, now)).toBeUndefined()
        }
      }),
      { numRuns: 40 },
    )
  })
})
