import { isDeepStrictEqual } from 'node:util'
import { beforeEach, expect, test } from 'vitest'
import type { RequestId } from '../../../src/base/ids.ts'
import { KEY_BYTES_MAX, OPERATIONS_MAX, VALUE_BYTES_MAX } from '../../../src/base/port.ts'
import { writeFault } from '../../../src/cluster/dht/limit.ts'
import { BOUNDS } from '../../../src/cluster/dht/replica/bound.ts'
import { PAYLOAD_BYTES_MAX } from '../../../src/cluster/wire/frame.ts'
import { Transfer } from './transfer.ts'

const SMALL = new Uint8Array(10)
const LARGE = new Uint8Array(VALUE_BYTES_MAX)

/** As long as they may be, as many as one write may have. */
const LONG_KEYS = keys(OPERATIONS_MAX, KEY_BYTES_MAX)
const LONG_PARTITION_KEY = 'p'.repeat(KEY_BYTES_MAX)

/** Of what a partition keeps, a page takes a part. */
const SHORT_PAGES = { ...BOUNDS, pageBytes: 5_000 }

let transfer: Transfer

beforeEach(() => {
  transfer = new Transfer()
})

function keys(count: number, length: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${i}`.padStart(length, 'k'))
}

function puts(sortKeys: readonly string[], value: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map(sortKeys.map((sortKey) => [sortKey, value]))
}

function writeMany(count: number): void {
  for (let i = 0; i < count; i++) transfer.there.write(puts([`k${i % 9}`, 'k'.repeat(100)], SMALL))
}

function isEqual(): void {
  for (const kind of ['01', '02'] as const) {
    const [here, there] = [transfer.here, transfer.there].map(({ engine }) => [
      ...engine.dump(kind),
    ])
    // What is so large is not to be printed.
    expect(isDeepStrictEqual(here, there)).toBe(true)
  }
}

test('a fetch that waits for its own disk does not grow old', () => {
  transfer.there.write(puts(['k'], SMALL))
  transfer.begin()
  for (let i = 1; i <= 4; i++) expect(transfer.fetch.tick()).toBe(i)
  transfer.answer()
  expect(transfer.persists).toHaveLength(1)
  for (let i = 0; i < 100; i++) expect(transfer.fetch.tick()).toBe(0)
  transfer.persist()
  expect(transfer.isOver).toBe(true)
})

test('a question without an answer is repeated as it was', () => {
  transfer.begin()
  for (let i = 1; i <= 3 * BOUNDS.repeatTicks; i++) expect(transfer.fetch.tick()).toBe(i)
  expect(transfer.pulls).toHaveLength(4)
  for (const pull of transfer.pulls) expect(pull).toEqual(transfer.pulls[0])
})

test('a question that is repeated while it is being answered is answered once', () => {
  writeMany(2 * BOUNDS.retained)
  transfer.begin()
  transfer.persist()
  transfer.persist()
  for (let i = 1; i <= 2 * BOUNDS.repeatTicks; i++) transfer.fetch.tick()
  expect(transfer.pulls).toHaveLength(3)
  transfer.hear()
  expect(transfer.scansThere).toHaveLength(1)
  transfer.finish()
  isEqual()
})

test('records with the longest keys come in pages that fit a frame', () => {
  // Records of 10 MiB.
  for (let i = 0; i < 80; i++) {
    transfer.there.write(puts(LONG_KEYS, SMALL), LONG_PARTITION_KEY)
  }
  transfer.begin()
  transfer.finish()
  expect(transfer.frameBytes.length).toBeGreaterThan(1)
  expect(Math.max(...transfer.frameBytes)).toBeLessThan(1.1 * BOUNDS.pageBytes)
  isEqual()
})

test('records from before what is fetched come in pages too', () => {
  transfer = new Transfer(SHORT_PAGES)
  writeMany(2 * BOUNDS.retained)
  transfer.begin()
  transfer.finish()
  expect(Math.max(...transfer.frameBytes)).toBeLessThan(1.2 * SHORT_PAGES.pageBytes)
  isEqual()
})

test('the largest write fits a frame together with what is asked for by key', () => {
  const large = keys(15, 8)
  const largest = new Map([
    ...puts(LONG_KEYS, SMALL),
    ...puts(LONG_KEYS.slice(0, large.length), LARGE.subarray(3_000)),
  ])
  const operations = [...largest].map(([sortKey, value]) => ({
    kind: 'put' as const,
    sortKey,
    value,
  }))
  expect(
    writeFault({ partitionKey: LONG_PARTITION_KEY, operations, requestId: 'r' as RequestId }),
  ).toBe(undefined)
  for (const holder of [transfer.there, transfer.here]) holder.write(puts(large, LARGE))
  transfer.here.write(puts(large, SMALL))
  transfer.there.epoch = 2
  transfer.there.write(largest, LONG_PARTITION_KEY)
  transfer.begin()
  transfer.finish()
  expect(transfer.frameBytes).toHaveLength(1)
  expect(transfer.frameBytes[0]).toBeGreaterThan(8_000_000)
  expect(transfer.frameBytes[0]).toBeLessThan(PAYLOAD_BYTES_MAX)
  isEqual()
})

test('entries that have outgrown a frame since they were written are fetched all the same', () => {
  const grown = keys(OPERATIONS_MAX, 8)
  transfer.there.write(puts(grown, SMALL))
  for (let i = 0; i < grown.length; i += 8) transfer.there.write(puts(grown.slice(i, i + 8), LARGE))
  transfer.begin()
  transfer.finish()
  expect(Math.max(...transfer.frameBytes)).toBeLessThan(PAYLOAD_BYTES_MAX)
  isEqual()
})

test('a fetch that the other outruns begins anew', () => {
  transfer = new Transfer(SHORT_PAGES)
  writeMany(2 * BOUNDS.retained)
  transfer.begin()
  while (transfer.here.log.last.seq === 0) transfer.step()
  expect(transfer.isOver).toBe(false)
  writeMany(2 * BOUNDS.retained)
  transfer.finish()
  isEqual()
})
