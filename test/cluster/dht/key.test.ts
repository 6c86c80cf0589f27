import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, hex, utf8 } from '../../../src/base/bytes.ts'
import type { PartitionId } from '../../../src/base/ids.ts'
import {
  entryKey,
  entryName,
  entryPrefix,
  keyAfter,
  prefixEnd,
  recordKey,
  recordPrefix,
  recordVersion,
  sortKeyOf,
} from '../../../src/cluster/dht/key.ts'
import { compareVersions } from '../../../src/cluster/dht/version.ts'

const partition = 5 as PartitionId
/**
 * Few characters, so that parts of different keys often look alike; among them what lengths are
 * written with.
 */
const part = fc.string({ unit: fc.constantFrom('a', '/', '0', '1', '\0', 'é', '\u{1f600}') })
const space = fc.constantFrom('a', 'a-a', 'aa', '1')
const place = fc.tuple(space, part, part)
const version = fc.record({ epoch: fc.nat(3), seq: fc.nat({ max: 2 ** 48 - 1 }) })

function keyOf([spaceName, partitionKey, sortKey]: [string, string, string]): Uint8Array {
  return entryKey(entryPrefix(partition, spaceName, partitionKey), sortKey)
}

test('different entries have different keys and names', () => {
  fc.assert(
    fc.property(place, place, (a, b) => {
      const isSame = a.every((value, index) => value === b[index])
      expect(hex(keyOf(a)) === hex(keyOf(b))).toBe(isSame)
      expect(entryName(...a) === entryName(...b)).toBe(isSame)
    }),
    { numRuns: 2_000 },
  )
})

test('an entry lies within the prefix of its own partition key only', () => {
  fc.assert(
    fc.property(place, place, (a, b) => {
      const prefix = entryPrefix(partition, a[0], a[1])
      const key = keyOf(b)
      const isWithin = compareBytes(key, prefix) >= 0 && compareBytes(key, prefixEnd(prefix)) < 0
      expect(isWithin).toBe(a[0] === b[0] && a[1] === b[1])
      if (isWithin) expect(sortKeyOf(prefix, key)).toBe(b[2])
    }),
    { numRuns: 2_000 },
  )
})

test('entries of a partition key lie in the order of the UTF-8 bytes of their sort keys', () => {
  fc.assert(
    fc.property(part, part, (a, b) => {
      const prefix = entryPrefix(partition, 'space', 'key')
      const order = compareBytes(entryKey(prefix, a), entryKey(prefix, b))
      expect(Math.sign(order)).toBe(Math.sign(compareBytes(utf8(a), utf8(b))))
    }),
  )
})

test('records lie in the order of their versions, within their partition', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const [keyA, keyB] = [recordKey(partition, a), recordKey(partition, b)]
      expect(Math.sign(compareBytes(keyA, keyB))).toBe(Math.sign(compareVersions(a, b)))
      expect(recordVersion(keyA)).toEqual(a)
      expect(compareBytes(keyA, recordPrefix(partition))).toBeGreaterThan(0)
      expect(compareBytes(keyA, prefixEnd(recordPrefix(partition)))).toBeLessThan(0)
    }),
  )
})

test('prefixEnd is the least key after all that begin with the prefix', () => {
  expect(hex(prefixEnd(Uint8Array.of(1, 2)))).toBe('0103')
  expect(hex(prefixEnd(Uint8Array.of(1, 0xff, 0xff)))).toBe('02')
  expect(() => prefixEnd(Uint8Array.of(0xff))).toThrow('no end')
  expect(hex(keyAfter(Uint8Array.of(1, 2)))).toBe('010200')
})
