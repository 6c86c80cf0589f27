import { describe, expect, test } from 'vitest'
import { concat, hex, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { type Batch, batchId, bundle } from '../../../src/cluster/rabia/batch.ts'
import { decodeBatch, encodeBatch } from '../../../src/cluster/rabia/batch-codec.ts'
import { decodeRecord, encodeRecord, type LogRecord } from '../../../src/cluster/rabia/record.ts'

const first = batchOf('n1', 1, ['put ä', '{"quoted":"\\n"}'])
const second = batchOf('n2', 7, [])
const both = bundle([first, second])

function batchOf(name: string, seq: number, commands: readonly string[]): Batch {
  const origin = name as NodeId
  const requests = commands.map((command, i) => ({ client: `${name}/b/${i}`, seq: i + 1, command }))
  return { id: batchId(origin, 'b', seq), origin, seq, stamp: 4, requests }
}

describe('a batch in bytes', () => {
  test.each([
    ['one', first],
    ['an empty one', second],
    ['a bundle', both],
  ])('is what it was: %s', (_, batch) => {
    expect(decodeBatch(encodeBatch(batch))).toEqual(batch)
  })

  test('keeps the bytes it came in', () => {
    const bytes = encodeBatch(both).slice()
    const batch = decodeBatch(bytes) as Batch
    expect(encodeBatch(batch)).toBe(bytes)
    const longer = encodeBatch(bundle([batch, second]))
    expect(hex(longer)).toBe(hex(bytes) + hex(encodeBatch(second)))
  })

  test('takes no more memory than it has bytes', () => {
    const bytes = encodeBatch(batchOf('n1', 2, ['put']))
    expect(bytes.buffer.byteLength).toBe(bytes.length)
  })

  test('is refused with more parts than a bundle has', () => {
    const parts = Array.from({ length: 6 }, (_, i) => encodeBatch(batchOf('n1', 3 + i, [])))
    expect(decodeBatch(concat(parts.slice(1)))).toBeDefined()
    expect(decodeBatch(concat(parts))).toBeUndefined()
  })

  test('is refused when it is cut, or has something behind it', () => {
    const bytes = encodeBatch(both)
    const end = encodeBatch(first).length
    for (let length = 0; length < bytes.length; length++) {
      if (length === end) continue
      expect(decodeBatch(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined()
    }
    expect(decodeBatch(concat([bytes, Uint8Array.of(1)]))).toBeUndefined()
  })

  test('is refused under a name that its origin cannot have given it', () => {
    for (const id of ['n2/b/1', 'n1/b/2'] as Batch['id'][]) {
      expect(decodeBatch(encodeBatch({ ...first, id }))).toBeUndefined()
    }
  })
})

describe('a record of the log', () => {
  const ballot = { stage: 'proposal', phase: 0, value: 1, batch: both.id } as const
  const proposal: LogRecord = { kind: 'ballot', epoch: 2, slot: 5, ballot, batch: both }
  const decision: LogRecord = { kind: 'decision', slot: 5, batch: first.id, body: first }

  test.each([
    ['a proposal with its batch', proposal],
    ['a ballot without', { ...proposal, batch: undefined }],
    ['a decision with its batch', decision],
    ['a decision without', { ...decision, body: undefined }],
    ['a forfeited slot', { ...decision, batch: undefined, body: undefined }],
  ] as [string, LogRecord][])('is what it was: %s', (_, record) => {
    expect(decodeRecord(encodeRecord(record))).toEqual(record)
  })

  test('is read as earlier programs wrote it, and goes on to others and into the log', () => {
    const bytes = concat([Uint8Array.of(1), utf8(JSON.stringify(proposal))])
    const record = decodeRecord(bytes)
    expect(record).toEqual(proposal)
    expect(decodeRecord(encodeRecord(record))).toEqual(proposal)
  })

  test('of a newer program is refused with what to do', () => {
    expect(() => decodeRecord(Uint8Array.of(3, 0))).toThrow('format 3, this program reads up to 2')
  })
})
