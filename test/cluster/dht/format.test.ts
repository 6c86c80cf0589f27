import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hex, utf8 } from '../../../src/base/bytes.ts'
import type { RequestId } from '../../../src/base/ids.ts'
import { decodeEntry, encodeEntry } from '../../../src/cluster/dht/entry.ts'
import { decodeRecord, encodeRecord } from '../../../src/cluster/dht/replica/record.ts'

test('an entry comes back as it was written', () => {
  const version = fc.record({ epoch: fc.nat(), seq: fc.nat({ max: 2 ** 48 - 1 }) })
  fc.assert(
    fc.property(version, fc.option(fc.uint8Array(), { nil: undefined }), (at, value) => {
      expect(decodeEntry(encodeEntry({ version: at, value }))).toEqual({ version: at, value })
    }),
  )
})

test('a record comes back as it was written', () => {
  const name = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(name, name, name, fc.array(name), (id, space, partitionKey, sortKeys) => {
      const record = { requestId: id as RequestId, space, partitionKey, sortKeys }
      expect(decodeRecord(encodeRecord(record))).toEqual(record)
    }),
  )
})

test('the bytes of entries and records are those of format 1', () => {
  const version = { epoch: 2, seq: 3 }
  expect(hex(encodeEntry({ version, value: utf8('hi') }))).toBe('0101000000020000000000036869')
  expect(hex(encodeEntry({ version, value: undefined }))).toBe('010000000002000000000003')
  const record = { requestId: 'r' as RequestId, space: 's', partitionKey: 'p', sortKeys: ['k'] }
  expect(hex(encodeRecord(record))).toBe('01000000017200000001730000000170000100000001' + '6b')
})

test('what a newer Aether wrote is refused', () => {
  const newer = { code: 'data-format-newer' }
  expect(() => decodeEntry(Uint8Array.of(2, 1))).toThrow(expect.objectContaining(newer))
  expect(() => decodeRecord(Uint8Array.of(2))).toThrow(expect.objectContaining(newer))
})
