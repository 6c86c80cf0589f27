import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../../src/base/ids.ts'
import type { BlobStore, ByteRange } from '../../src/base/port.ts'
import { seededBytes } from '../twin/random.ts'

const MIB = 1_024 * 1_024

/** Sizes around every limit of the chunked form: inline, segment, chunk. */
const sizes = [
  0,
  1,
  65_535,
  65_536,
  65_537,
  MIB / 4 - 1,
  MIB / 4,
  MIB / 4 + 1,
  MIB,
  4 * MIB - 1,
  4 * MIB,
  4 * MIB + 1,
  9 * MIB + 12_345,
]

/** What every blob store does. `open` gives an empty one; its owner closes it. */
export function blobStoreConformance(open: () => Promise<BlobStore>): void {
  test('gives back what was put, whatever its size and its pieces', async () => {
    const store = await open()
    for (const [index, size] of sizes.entries()) {
      const blob = blobOf(index, size)
      const expected = index % 2 === 0 ? { sizeBytes: size, digest: blob.digest } : {}
      const pieceBytes = [100_000, 65_536, 1_000_000][index % 3] as number
      expect(await store.put(inPieces(blob.bytes, pieceBytes), expected)).toEqual({
        ok: true,
        value: { digest: blob.digest, sha1: blob.sha1, sizeBytes: size },
      })
      for (let read = 0; read < 3; read++) {
        expect((await readAll(store, blob.digest)).equals(blob.bytes)).toBe(true)
      }
      expect(await store.stat(blob.digest)).toEqual({
        ok: true,
        value: { digest: blob.digest, sha1: blob.sha1, sizeBytes: size },
      })
    }
  })

  test('reads any range', async () => {
    const store = await open()
    const blobs = [blobOf(1, 1_000), blobOf(2, MIB + 7), blobOf(3, 5 * MIB + 7)]
    for (const { bytes } of blobs) await store.put(inPieces(bytes, 300_000))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...blobs),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async ({ bytes, digest }, a, b) => {
          const start = Math.floor(Math.min(a, b) * bytes.length)
          const end = Math.floor(Math.max(a, b) * bytes.length)
          const read = await readAll(store, digest, { start, end })
          expect(read.equals(bytes.subarray(start, end))).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('knows nothing of a blob that was never put', async () => {
    const store = await open()
    const { digest } = blobOf(1, 10)
    expect(await store.get(digest)).toEqual({ ok: false, error: { kind: 'missing' } })
    expect(await store.stat(digest)).toEqual({ ok: false, error: { kind: 'missing' } })
    expect(store.cached(digest)).toBeUndefined()
  })

  test('keeps nothing of a refused upload', async () => {
    const store = await open()
    for (const size of [1_000, 100_000, 5 * MIB]) {
      const { bytes, digest } = blobOf(size, size)
      const other = blobOf(size + 1, 5).digest
      const put = (expected: object) => store.put(inPieces(bytes, 70_000), expected)
      expect(await put({ digest: other })).toEqual({
        ok: false,
        error: { kind: 'digest-mismatch', actual: digest },
      })
      expect(await put({ sizeBytes: size + 1 })).toEqual({
        ok: false,
        error: { kind: 'size-mismatch', actual: size },
      })
      expect(await put({ sizeBytes: size - 1 })).toMatchObject({ error: { kind: 'size-mismatch' } })
      const tooLarge = { ok: false, error: { kind: 'too-large', limitBytes: size - 1 } }
      expect(await put({ maxBytes: size - 1 })).toEqual(tooLarge)
      expect(await put({ maxBytes: size - 1, sizeBytes: size })).toEqual(tooLarge)
      expect(await store.stat(digest)).toEqual({ ok: false, error: { kind: 'missing' } })
      expect(store.cached(digest)).toBeUndefined()
    }
  })

  test('keeps nothing of an upload that is cut, wherever', async () => {
    const store = await open()
    const { bytes } = blobOf(1, 6 * MIB)
    for (const cut of [0, 10, 100_000, 4 * MIB, 6 * MIB]) {
      async function* source() {
        yield* inPieces(bytes.subarray(0, cut), 50_000)
        throw new Error('connection reset')
      }
      expect(await store.put(source())).toEqual({
        ok: false,
        error: { kind: 'interrupted', reason: 'connection reset' },
      })
      expect(await store.stat(blobOf(1, cut).digest)).toMatchObject({ ok: false })
    }
  })

  test('tells the source to stop when it refuses the upload', async () => {
    const store = await open()
    let isStopped = false
    async function* source() {
      try {
        for (;;) yield new Uint8Array(1_000)
      } finally {
        isStopped = true
      }
    }
    await store.put(source(), { maxBytes: 10_000 })
    expect(isStopped).toBe(true)
  })

  test('the same blob may be put again and at the same time', async () => {
    const store = await open()
    for (const size of [1_000, 200_000, 5 * MIB]) {
      const { bytes, digest } = blobOf(size, size)
      const put = () => store.put(inPieces(bytes, 90_000), { sizeBytes: size })
      const outcomes = await Promise.all([put(), put(), put(), put()])
      outcomes.push(await put())
      for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: true, value: { digest } })
      expect((await readAll(store, digest)).equals(bytes)).toBe(true)
    }
  })

  test('many reads at a time do not disturb each other', async () => {
    const store = await open()
    const blobs = [5 * MIB, 5 * MIB + 1, 200_000, 70_000].map((size) => blobOf(size, size))
    for (const { bytes } of blobs) await store.put(inPieces(bytes, 1_000_000))
    const reads = Array.from({ length: 24 }, async (_, i) => {
      const { digest, bytes } = blobs[i % blobs.length] as TestBlob
      expect((await readAll(store, digest)).equals(bytes)).toBe(true)
    })
    await Promise.all(reads)
  })

  test('a reader may be closed at any moment', async () => {
    const store = await open()
    const { bytes, digest } = blobOf(1, 5 * MIB)
    await store.put(inPieces(bytes, 1_000_000))
    for (let pieces = 0; pieces < 4; pieces++) {
      const reader = await store.get(digest)
      if (!reader.ok) throw new Error(reader.error.kind)
      for (let i = 0; i < pieces; i++) await reader.value.next()
      const pending = pieces % 2 === 1 ? reader.value.next() : undefined
      reader.value.close()
      await pending
    }
    expect((await readAll(store, digest)).equals(bytes)).toBe(true)
  })
}

export type TestBlob = { readonly bytes: Buffer; readonly digest: Digest; readonly sha1: string }

export function blobOf(seed: number, sizeBytes: number): TestBlob {
  const bytes = Buffer.from(seededBytes(seed, sizeBytes))
  const digest = createHash('sha256').update(bytes).digest('hex') as Digest
  return { bytes, digest, sha1: createHash('sha1').update(bytes).digest('hex') }
}

export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = Uint8Array.from(bytes.subarray(offset, offset + pieceBytes))
    yield piece
    // The store may not rely on a piece after it has asked for the next one.
    piece.fill(0xee)
  }
}

/** All bytes of a range. Takes its time with each piece, as a slow connection does. */
export async function readAll(
  store: BlobStore,
  digest: Digest,
  range?: ByteRange,
): Promise<Buffer> {
  const reader = await store.get(digest, range)
  if (!reader.ok) throw new Error(reader.error.kind)
  const pieces: Buffer[] = []
  try {
    for (;;) {
      const piece = await reader.value.next()
      if (!piece.ok) throw new Error(JSON.stringify(piece.error))
      if (piece.value === undefined) return Buffer.concat(pieces)
      await new Promise((resolve) => setImmediate(resolve))
      pieces.push(Buffer.from(piece.value))
    }
  } finally {
    reader.value.close()
  }
}
