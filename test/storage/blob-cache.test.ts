import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../../src/base/ids.ts'
import { BlobCache, CACHED_BLOB_BYTES_MAX } from '../../src/storage/blob-cache.ts'

function name(index: number): Digest {
  return index.toString(16).padStart(64, '0') as Digest
}

function put(cache: BlobCache, index: number, sizeBytes: number): void {
  const memory = cache.reserve(sizeBytes)
  if (memory !== undefined) cache.admit(name(index), memory.fill(index))
}

test('gives back what was admitted', () => {
  const cache = new BlobCache()
  put(cache, 7, 10)
  expect(cache.get(name(7))).toEqual(new Uint8Array(10).fill(7))
  expect(cache.get(name(8))).toBeUndefined()
})

test('never exceeds its capacity, and counts what is in it', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          kind: fc.constantFrom('put', 'get', 'reserve', 'giveUp'),
          index: fc.nat(20),
          sizeBytes: fc.nat(9_000),
        }),
        { maxLength: 200 },
      ),
      (steps) => {
        const cache = new BlobCache(20_000)
        const reserved: Uint8Array[] = []
        for (const { kind, index, sizeBytes } of steps) {
          if (kind === 'put') put(cache, index, sizeBytes)
          if (kind === 'get') cache.get(name(index))
          if (kind === 'reserve') {
            const memory = cache.reserve(sizeBytes)
            if (memory !== undefined) reserved.push(memory)
          }
          if (kind === 'giveUp') {
            const memory = reserved.pop()
            if (memory !== undefined) cache.giveUp(memory)
          }
          expect(cache.usedBytes).toBeLessThanOrEqual(20_000)
        }
        for (const memory of reserved) cache.giveUp(memory)
        const indices = Array.from({ length: 21 }, (_, i) => i)
        const bytes = indices.map((index) => cache.get(name(index))?.length)
        const present = bytes.filter((length) => length !== undefined)
        const sum = present.reduce((total, length) => total + length + 256, 0)
        expect(cache.usedBytes).toBe(sum)
      },
    ),
  )
})

test('keeps what is read again and lets a scan pass by', () => {
  const cache = new BlobCache(10 * 1_256)
  for (let i = 0; i < 5; i++) put(cache, i, 1_000)
  for (let i = 100; i < 200; i++) {
    for (let hot = 0; hot < 5; hot++) expect(cache.get(name(hot))).toBeDefined()
    put(cache, i, 1_000)
  }
  expect(cache.get(name(150))).toBeUndefined()
})

test('a mark lasts for one pass of the hand', () => {
  const cache = new BlobCache(3 * 1_256)
  for (const i of [1, 2, 3]) put(cache, i, 1_000)
  for (const i of [1, 2, 3]) cache.get(name(i))
  put(cache, 4, 1_000)
  expect([1, 2, 3, 4].map((i) => cache.get(name(i)) !== undefined)).toEqual([
    false,
    true,
    true,
    true,
  ])
})

test('refuses blobs that are too large, and reservations beyond half of it', () => {
  const cache = new BlobCache(16 * 1_024 * 1_024)
  expect(cache.reserve(CACHED_BLOB_BYTES_MAX + 1)).toBeUndefined()
  expect(cache.wantsRead(name(1), CACHED_BLOB_BYTES_MAX + 1)).toBe(false)
  expect(cache.reserve(CACHED_BLOB_BYTES_MAX)).toBeDefined()
  expect(cache.reserve(CACHED_BLOB_BYTES_MAX)).toBeUndefined()
  expect(new BlobCache(0).reserve(0)).toBeUndefined()
})

test('wants a blob at its second read and forgets old first reads', () => {
  const cache = new BlobCache()
  expect([1, 1].map((i) => cache.wantsRead(name(i), 10))).toEqual([false, true])
  cache.wantsRead(name(0), 10)
  for (let i = 1_000; i < 10_000; i++) cache.wantsRead(name(i), 10)
  expect(cache.wantsRead(name(0), 10)).toBe(false)
  expect(cache.wantsRead(name(9_999), 10)).toBe(true)
})
