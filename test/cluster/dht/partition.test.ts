import { expect, test } from 'vitest'
import { partitionOf } from '../../../src/cluster/dht/partition.ts'

/**
 * Computed with another SHA-256 from the definition. Every data directory depends on them: they
 * never change.
 */
const vectors: [space: string, partitionKey: string, partition: number][] = [
  ['artifacts', 'releases/org/example', 717],
  ['artifacts', 'releases/com.acme/app', 145],
  ['tree', 'releases/com', 100],
  ['tree', 'releases/', 477],
  ['a', '', 426],
  ['ab', 'c', 970],
  ['a', 'bc', 724],
  ['artifacts', 'snapshots/ünï/köde', 887],
  ['cache', '\u{1f600}', 970],
]

test.each(vectors)('%s %s lies in partition %i', (space, partitionKey, partition) => {
  expect(partitionOf(space, partitionKey)).toBe(partition)
})

test('all 1,024 partitions are used alike', () => {
  const counts = new Array(1_024).fill(0)
  for (let i = 0; i < 102_400; i++) counts[partitionOf('space', `key-${i}`)]++
  expect(Math.min(...counts)).toBeGreaterThan(50)
  expect(Math.max(...counts)).toBeLessThan(160)
})
