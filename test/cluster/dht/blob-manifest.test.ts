import { expect, test } from 'vitest'
import { crc32 } from '../../../src/base/hash.ts'
import type { Digest } from '../../../src/base/ids.ts'
import { VALUE_BYTES_MAX } from '../../../src/base/port.ts'
import { ok } from '../../../src/base/result.ts'
import { ChunkReader } from '../../../src/cluster/dht/blob/blob-reader.driver.ts'
import {
  CHUNKS_PER_PAGE,
  type ChunkEntry,
  ChunkList,
  decodeEntry,
  decodeFirstPage,
  encodeInline,
  pageKey,
  referencedChunks,
} from '../../../src/cluster/dht/blob/manifest.ts'
import {
  CHUNK_BYTES,
  type ChunkStore,
  SEGMENT_BYTES,
  SegmentPool,
} from '../../../src/storage/index.ts'
import { blobOf } from '../../conformance/blob-store.ts'

const zeros = crc32(new Uint8Array(SEGMENT_BYTES))

function chunk(index: number, sizeBytes = CHUNK_BYTES): ChunkEntry {
  const digest = index.toString(16).padStart(64, '0') as Digest
  return { digest, sizeBytes, checksums: Array(Math.ceil(sizeBytes / SEGMENT_BYTES)).fill(zeros) }
}

test('an inline manifest holds the blob', () => {
  const { bytes, digest, sha1 } = blobOf(1, 1_000)
  const blob = { digest, sha1, sizeBytes: 1_000 }
  const page = encodeInline(blob, bytes)
  expect(decodeFirstPage(digest, page)).toEqual({ blob, inline: new Uint8Array(bytes) })
  expect([...referencedChunks(page)]).toEqual([])
})

test('pages hold every chunk of a large blob and fit into a value', () => {
  const { digest, sha1 } = blobOf(1, 1)
  const count = 2 * CHUNKS_PER_PAGE + 1
  const list = new ChunkList()
  for (let i = 0; i < count - 1; i++) list.add(chunk(i))
  list.add(chunk(count - 1, 300_000))
  const blob = { digest, sha1, sizeBytes: (count - 1) * CHUNK_BYTES + 300_000 }
  const pages = list.encode(blob)
  expect(pages.length).toBe(3)
  expect(pages.every((page) => page.length <= VALUE_BYTES_MAX)).toBe(true)
  expect(decodeFirstPage(digest, pages[0] as Uint8Array)).toEqual({ blob, inline: undefined })
  expect(decodeEntry(pages[0] as Uint8Array, 7)).toEqual(chunk(7))
  expect(decodeEntry(pages[1] as Uint8Array, 7)).toEqual(chunk(CHUNKS_PER_PAGE + 7))
  expect(decodeEntry(pages[2] as Uint8Array, 0)).toEqual(chunk(count - 1, 300_000))
  const referenced = pages.flatMap((page) => [...referencedChunks(page)])
  expect(referenced).toEqual(Array.from({ length: count }, (_, i) => chunk(i).digest))
})

test('pages sort in their order', () => {
  expect([0, 1, 9, 10, 15].map(pageKey)).toEqual(['0000', '0001', '0009', '0010', '0015'])
})

test('a manifest of a newer format is refused', () => {
  const { bytes, digest, sha1 } = blobOf(1, 10)
  const page = encodeInline({ digest, sha1, sizeBytes: 10 }, bytes)
  page[0] = 2
  expect(() => decodeFirstPage(digest, page)).toThrow('format 2')
})

test('a reader passes from page to page', async () => {
  const { digest, sha1 } = blobOf(1, 1)
  const list = new ChunkList()
  for (let i = 0; i <= CHUNKS_PER_PAGE; i++) list.add(chunk(i))
  const blob = { digest, sha1, sizeBytes: (CHUNKS_PER_PAGE + 1) * CHUNK_BYTES }
  const pages = list.encode(blob)
  const loaded: number[] = []
  const read: string[] = []
  const chunks = {
    read: async (name: Digest, into: Uint8Array) => {
      read.push(name)
      into.fill(0)
      return ok(undefined)
    },
  } as Partial<ChunkStore> as ChunkStore
  const middle = CHUNKS_PER_PAGE * CHUNK_BYTES
  const reader = new ChunkReader({
    blob,
    range: { start: middle - 10, end: middle + 10 },
    chunks,
    segments: new SegmentPool(),
    loadPage: async (index) => {
      loaded.push(index)
      return ok(pages[index] as Uint8Array)
    },
  })
  const sizes: (number | undefined)[] = []
  for (let i = 0; i < 3; i++) {
    const piece = await reader.next()
    sizes.push(piece.ok ? piece.value?.length : -1)
  }
  reader.close()
  expect(sizes).toEqual([10, 10, undefined])
  expect(loaded).toEqual([0, 1])
  expect(read).toEqual([chunk(CHUNKS_PER_PAGE - 1).digest, chunk(CHUNKS_PER_PAGE).digest])
})
