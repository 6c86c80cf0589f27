import { expect, test } from 'vitest'
import { EntryCache } from '../../../src/cluster/dht/map/entry-cache.ts'

/** What one entry of these tests takes, its name of one character included. */
const ENTRY_BYTES = 1_000
const SIZE_BYTES = ENTRY_BYTES - 514

function cacheOf(names: string, room = names.length): EntryCache<string> {
  const cache = new EntryCache<string>(room * ENTRY_BYTES)
  for (const name of names) cache.set(name, name.toUpperCase(), SIZE_BYTES)
  return cache
}

function kept(cache: EntryCache<string>, names: string): string {
  return [...names].filter((name) => cache.get(name) !== undefined).join('')
}

test('gives back what fits and drops the oldest', () => {
  const cache = cacheOf('abcd', 3)
  expect(cache.get('b')).toBe('B')
  expect(kept(cache, 'abcd')).toBe('bcd')
})

test('an entry that was used gets a second chance', () => {
  const cache = cacheOf('abc')
  cache.get('a')
  cache.set('d', 'D', SIZE_BYTES)
  expect(kept(cache, 'abcd')).toBe('acd')
})

test('makes room even when every entry was used', () => {
  const cache = cacheOf('abc')
  kept(cache, 'abc')
  cache.set('d', 'D', SIZE_BYTES)
  expect(kept(cache, 'abcd')).toBe('bcd')
})

test('a replaced or deleted entry gives its room back', () => {
  const cache = cacheOf('abc')
  cache.set('a', 'new', SIZE_BYTES)
  expect(kept(cache, 'abc')).toBe('abc')
  expect(cache.get('a')).toBe('new')
  cache.delete('b')
  cache.delete('b')
  cache.set('d', 'D', SIZE_BYTES)
  expect(kept(cache, 'abcd')).toBe('acd')
})

test('something larger than the cache is not kept and drives nothing out', () => {
  const cache = cacheOf('ab')
  cache.set('c', 'C', 3 * ENTRY_BYTES)
  expect(kept(cache, 'abc')).toBe('ab')
})
