import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import {
  decodeTable,
  encodeTable,
  formTable,
  PARTITION_COUNT,
  type PartitionRow,
  type PartitionTable,
  partitionsLed,
  plan,
  rowOf,
} from '../../../src/cluster/partition/index.ts'

const ids = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `n${i + 1}` as NodeId, zone: undefined }))

function tableOf(nodes: number, factor = 3): PartitionTable {
  return formTable(factor, plan({ members: ids(nodes), factor }))
}

describe('a table', () => {
  test('begins with the preferred primaries, in the first epoch', () => {
    const table = tableOf(3)
    expect(table).toMatchObject({ factor: 3, version: 1 })
    expect(rowOf(table, 2 as PartitionId)).toMatchObject({ epoch: 1, stage: 'normal' })
    expect(table.rows.every(({ replicas, primary }) => replicas[0] === primary)).toBe(true)
    const led = partitionsLed(table)
    expect([...led.keys()]).toEqual(['n1', 'n2', 'n3'])
    expect([...led.values()].reduce((a, b) => a + b)).toBe(PARTITION_COUNT)
  })

  test('as text begins like this', () => {
    expect(encodeTable(tableOf(3)).split('\n').slice(0, 5)).toEqual([
      '1',
      '3 1',
      'n1 n2 n3',
      '0.1.2:0:1',
      '2.0.1:2:1',
    ])
  })

  test('of twelve nodes with long names and old epochs is far from the limit of a value', () => {
    const members = ids(12).map(({ id, zone }) => ({ id: id.padEnd(63, 'x') as NodeId, zone }))
    const table = formTable(3, plan({ members, factor: 3 }))
    const rows = table.rows.map((row) => ({ ...row, epoch: 1_000_000, target: row.replicas }))
    expect(encodeTable({ ...table, rows }).length).toBeLessThan(40_000)
    expect(encodeTable(table).length).toBeLessThan(16_000)
  })
})

describe('its text', () => {
  const known = ids(6).map(({ id }) => id)
  const row: fc.Arbitrary<PartitionRow> = fc
    .record({
      replicas: fc.uniqueArray(fc.constantFrom(...known), { minLength: 1, maxLength: 3 }),
      origin: fc.option(fc.constantFrom(...known), { nil: undefined }),
      target: fc.option(fc.uniqueArray(fc.constantFrom(...known), { minLength: 1, maxLength: 3 }), {
        nil: undefined,
      }),
      at: fc.nat({ max: 2 }),
      epoch: fc.integer({ min: 1, max: 2 ** 40 }),
    })
    .map(({ replicas, target, at, epoch, origin }) => {
      const primary = replicas[at % replicas.length] as NodeId
      return { replicas, primary, epoch, stage: 'normal' as const, target, origin }
    })

  test('is the table', () => {
    const rows = fc.array(row, { minLength: PARTITION_COUNT, maxLength: PARTITION_COUNT })
    fc.assert(
      fc.property(rows, fc.integer({ min: 1 }), (rows, version) => {
        const table = { factor: 3, version, rows }
        expect(decodeTable(encodeTable(table))).toEqual({ ok: true, value: table })
      }),
      { numRuns: 10 },
    )
  })

  test('with any other line, or one less, is refused', () => {
    const lines = encodeTable(tableOf(3)).split('\n')
    expect(lines[3]).toBe('0.1.2:0:1')
    const broken = [
      ...['', '0.1.2', '0.1.2:0', '0.1.2:0:0', '0.1.2:0:-1', '0.1.2:0:1.5', '0.1.2:0:01'],
      ...['0.1.2:3:1', '0.1:2:1', '0.0.1:0:1', '0.1.3:0:1', '0.1.2:0:1:', '0.1.2:0:1:0.0'],
      ...[
        '0.1.2:0:1:0.1.2:3',
        '0.1.2:0:1:0.1.2:0:0',
        ' 0.1.2:0:1',
        '0.1.2:0:1 ',
        '0.1.2:0:1e3',
        'NaN',
        ':0:1',
      ],
    ]
    for (const line of broken) {
      const text = lines.with(3, line).join('\n')
      expect(decodeTable(text), line).toMatchObject({ ok: false, error: { kind: 'malformed' } })
    }
    for (const text of [
      lines.slice(0, -1).join('\n'),
      [...lines, '0.1.2:0:1'].join('\n'),
      lines.with(1, '2 1').join('\n'),
      lines.with(1, '3 0').join('\n'),
      lines.with(1, '3').join('\n'),
      lines.with(2, 'n1 n3 n2').join('\n'),
      lines.with(2, 'n1 n2 n3 n4').join('\n'),
      lines.with(0, 'x').join('\n'),
      `${lines.join('\n')}\n`,
      '',
    ]) {
      expect(decodeTable(text)).toMatchObject({ ok: false, error: { kind: 'malformed' } })
    }
  })

  test('of a newer program is told from a damaged one', () => {
    const newer = encodeTable(tableOf(3)).replace(/^1\n/, '2\n')
    expect(decodeTable(newer)).toMatchObject({ ok: false, error: { kind: 'newer' } })
  })

  test('never throws, whatever it is', () => {
    fc.assert(fc.property(fc.string({ maxLength: 50 }), (text) => !decodeTable(text).ok))
  })
})
