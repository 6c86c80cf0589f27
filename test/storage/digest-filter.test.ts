import { expect, test } from 'vitest'
import { DigestFilter } from '../../src/storage/digest-filter.ts'
import { chunkOf } from '../conformance/chunk-files.ts'

test('has every digest that was added and hardly another', () => {
  const filter = new DigestFilter()
  const digests = Array.from({ length: 4_000 }, (_, i) => chunkOf(i, 8).digest)
  for (const digest of digests.slice(0, 2_000)) filter.add(digest)
  expect(digests.slice(0, 2_000).every((digest) => filter.mayHave(digest))).toBe(true)
  expect(digests.slice(2_000).filter((digest) => filter.mayHave(digest)).length).toBe(0)
})
