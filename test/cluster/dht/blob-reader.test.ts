import { expect, test } from 'vitest'
import { ok } from '../../../src/base/result.ts'
import { ChunkReader } from '../../../src/cluster/dht/blob/blob-reader.driver.ts'
import { ChunkList } from '../../../src/cluster/dht/blob/manifest.ts'
import type { ChunkStore } from '../../../src/storage/chunk-store.ts'
import { SegmentPool } from '../../../src/storage/segment-pool.ts'
import { blobOf } from '../../conformance/blob-store.ts'

test('gives its memory back only when no read writes into it any more', async () => {
  const { bytes, digest, sha1 } = blobOf(1, 100_000)
  const blob = { digest, sha1, sizeBytes: bytes.length }
  const list = new ChunkList()
  list.add({ digest, sizeBytes: bytes.length, checksums: [0] })
  const gate = Promise.withResolvers<void>()
  const read: ChunkStore['read'] = async (_digest, into) => {
    await gate.promise
    into.set(bytes)
    return ok(undefined)
  }
  const segments = new SegmentPool()
  const reader = new ChunkReader({
    blob,
    range: { start: 0, end: bytes.length },
    loadPage: async () => ok(list.encode(blob)[0] as Uint8Array),
    chunks: { read } as ChunkStore,
    segments,
  })
  const piece = reader.next()
  await new Promise((resolve) => setImmediate(resolve))
  reader.close()
  const ofAnother = segments.take()
  gate.resolve()
  await piece
  expect(ofAnother.every((byte) => byte === 0)).toBe(true)
  const reused = segments.take()
  expect(reused.subarray(0, bytes.length)).toEqual(Uint8Array.from(bytes))
})
