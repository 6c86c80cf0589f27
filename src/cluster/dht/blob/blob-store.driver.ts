import { randomUUID } from 'node:crypto'
import { assert } from '../../../base/assert.ts'
import type { Digest, RequestId } from '../../../base/ids.ts'
import type {
  Blob,
  BlobExpectation,
  BlobReader,
  BlobStore,
  ByteRange,
  Corrupt,
  DigestMismatch,
  Interrupted,
  MapSpace,
  Missing,
  NoSpace,
  OutcomeUnknown,
  SizeMismatch,
  TooLarge,
  Unavailable,
} from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import { type BlobCache, type ChunkStore, SegmentPool } from '../../../storage/index.ts'
import { ChunkReader, memoryReader } from './blob-reader.driver.ts'
import type { BlobReplication } from './blob-replication.driver.ts'
import { BlobUpload } from './blob-upload.driver.ts'
import { BLOB_BYTES_MAX, decodeFirstPage, pageKey, referencedChunks } from './manifest.ts'

/** Open uploads at a time: with two segments each they hold at most 128 MiB. */
export const UPLOADS_OPEN_MAX = 256

/** The space that holds the manifests, the node's chunks, and its cache. */
export type BlobStoreParts = {
  readonly manifests: MapSpace
  readonly chunks: ChunkStore
  readonly cache: BlobCache
  /** How chunks get to other nodes and from them; absent on a node that is alone. Its owner closes it. */
  readonly replication?: BlobReplication | undefined
}

/**
 * Blobs as chunks on the disk and a manifest in the map. The manifest is written last, under the condition that there
 * is none: what can be seen is whole.
 */
export function createBlobStore(parts: BlobStoreParts): BlobStore {
  return new ChunkedBlobStore(parts)
}

/** The chunks that manifests refer to; `pages` are all values of their space. For `ChunkStore.sweep`. */
export async function* chunksOf(pages: AsyncIterable<Uint8Array>): AsyncGenerator<Digest> {
  for await (const page of pages) yield* referencedChunks(page)
}

type PutRefusal =
  | DigestMismatch
  | SizeMismatch
  | TooLarge
  | Interrupted
  | Unavailable
  | OutcomeUnknown
  | NoSpace

type Received = { readonly blob: Blob; readonly pages: readonly Uint8Array[] }

class ChunkedBlobStore implements BlobStore {
  readonly #manifests: MapSpace
  readonly #chunks: ChunkStore
  readonly #cache: BlobCache
  readonly #replication: BlobReplication | undefined
  readonly #segments = new SegmentPool()
  #openUploads = 0

  constructor({ manifests, chunks, cache, replication }: BlobStoreParts) {
    this.#manifests = manifests
    this.#chunks = chunks
    this.#cache = cache
    this.#replication = replication
  }

  async put(
    bytes: AsyncIterable<Uint8Array>,
    expected: BlobExpectation = {},
  ): Promise<Result<Blob, PutRefusal>> {
    if (this.#openUploads >= UPLOADS_OPEN_MAX) {
      return err({ kind: 'unavailable', reason: `${UPLOADS_OPEN_MAX} uploads are open` })
    }
    const limitBytes = Math.min(expected.maxBytes ?? BLOB_BYTES_MAX, BLOB_BYTES_MAX)
    if ((expected.sizeBytes ?? 0) > limitBytes) return err({ kind: 'too-large', limitBytes })
    this.#openUploads++
    const copies = this.#replication?.copies()
    const upload = new BlobUpload({ chunks: this.#chunks, segments: this.#segments, copies })
    try {
      return await this.#put(upload, bytes, { ...expected, maxBytes: limitBytes })
    } finally {
      this.#openUploads--
    }
  }

  async stat(digest: Digest): Promise<Result<Blob, Missing | Unavailable>> {
    const page = await this.#page(digest, 0)
    return page.ok ? ok(decodeFirstPage(digest, page.value).blob) : page
  }

  cached(digest: Digest): Uint8Array | undefined {
    return this.#cache.get(digest)
  }

  async get(
    digest: Digest,
    range?: ByteRange,
  ): Promise<Result<BlobReader, Missing | Corrupt | Unavailable>> {
    const cached = this.#cache.get(digest)
    if (cached !== undefined) return ok(memoryReader(cached, inside(cached.length, range)))
    const first = await this.#page(digest, 0)
    if (!first.ok) return first
    const { blob, inline } = decodeFirstPage(digest, first.value)
    const wanted = inside(blob.sizeBytes, range)
    const isWanted = this.#cache.wantsRead(digest, blob.sizeBytes)
    if (inline !== undefined) {
      if (isWanted) this.#remember(digest, inline)
      return ok(memoryReader(inline, wanted))
    }
    const open = (part: ByteRange) => this.#reader(blob, first.value, part)
    if (!isWanted) return ok(open(wanted))
    const loaded = await this.#load(blob, open)
    if (!loaded.ok) return loaded
    return ok(loaded.value === undefined ? open(wanted) : memoryReader(loaded.value, wanted))
  }

  async #put(
    upload: BlobUpload,
    bytes: AsyncIterable<Uint8Array>,
    expected: BlobExpectation & { readonly maxBytes: number },
  ): Promise<Result<Blob, PutRefusal>> {
    let outcome: 'kept' | 'dropped' | 'unknown' = 'dropped'
    try {
      const received = await receive(upload, bytes, expected)
      if (!received.ok) return received
      // Also when the blob is stored already: its chunks may be lost or damaged, these are neither.
      const published = await upload.publish()
      if (!published.ok) return published
      // From here on the manifest may become durable, whatever happens to this call.
      outcome = 'unknown'
      const written = await this.#writeManifest(received.value)
      if (written.ok) outcome = 'kept'
      else if (written.error.kind !== 'outcome-unknown') outcome = 'dropped'
      return written
    } finally {
      await upload.end(outcome)
    }
  }

  async #writeManifest({
    blob,
    pages,
  }: Received): Promise<Result<Blob, Unavailable | OutcomeUnknown | NoSpace>> {
    const operations = pages.map((value, index) => {
      const put = { kind: 'put', sortKey: pageKey(index), value } as const
      return index === 0 ? ({ ...put, condition: 'absent' } as const) : put
    })
    const requestId = `blob-${randomUUID()}` as RequestId
    const written = await this.#manifests.write(blob.digest, operations, { requestId })
    if (written.ok) return ok(blob)
    // It is stored, or another upload of it was first: that manifest is equal and names the same chunks.
    if (written.error.kind === 'conflict') return ok(blob)
    return err(written.error)
  }

  async #page(digest: Digest, index: number): Promise<Result<Uint8Array, Missing | Unavailable>> {
    const known = this.#manifests.peek(digest, pageKey(index))
    if (known !== undefined) return ok(known.value)
    const found = await this.#manifests.get(digest, pageKey(index))
    if (!found.ok) return found
    return found.value === undefined ? err({ kind: 'missing' }) : ok(found.value.value)
  }

  #reader(blob: Blob, firstPage: Uint8Array, range: ByteRange): ChunkReader {
    return new ChunkReader({
      blob,
      range,
      chunks: this.#chunks,
      segments: this.#segments,
      replication: this.#replication,
      loadPage: async (index) => (index === 0 ? ok(firstPage) : this.#page(blob.digest, index)),
    })
  }

  /** The whole blob, from now on in the cache; undefined when the cache has no room for it. */
  async #load(
    blob: Blob,
    open: (range: ByteRange) => BlobReader,
  ): Promise<Result<Uint8Array | undefined, Missing | Corrupt | Unavailable>> {
    const memory = this.#cache.reserve(blob.sizeBytes)
    if (memory === undefined) return ok(undefined)
    const reader = open({ start: 0, end: blob.sizeBytes })
    let isWhole = false
    try {
      for (let offset = 0; offset < memory.length; ) {
        const piece = await reader.next()
        if (!piece.ok) return piece
        assert(piece.value !== undefined, 'the chunks of a blob add up to its size')
        memory.set(piece.value, offset)
        offset += piece.value.length
      }
      isWhole = true
      return ok(memory)
    } finally {
      reader.close()
      if (isWhole) this.#cache.admit(blob.digest, memory)
      else this.#cache.giveUp(memory)
    }
  }

  #remember(digest: Digest, bytes: Uint8Array): void {
    const memory = this.#cache.reserve(bytes.length)
    if (memory === undefined) return
    memory.set(bytes)
    this.#cache.admit(digest, memory)
  }
}

/** Takes all of the source, compares it with what is expected of it and seals its chunks. */
async function receive(
  upload: BlobUpload,
  bytes: AsyncIterable<Uint8Array>,
  expected: BlobExpectation & { readonly maxBytes: number },
): Promise<Result<Received, Exclude<PutRefusal, OutcomeUnknown>>> {
  const taken = await takeAll(upload, bytes, expected)
  if (!taken.ok) return taken
  if (expected.sizeBytes !== undefined && upload.sizeBytes !== expected.sizeBytes) {
    return err({ kind: 'size-mismatch', actual: upload.sizeBytes })
  }
  const finished = await upload.finish()
  if (!finished.ok) return finished
  const { digest } = finished.value.blob
  if (expected.digest !== undefined && digest !== expected.digest) {
    return err({ kind: 'digest-mismatch', actual: digest })
  }
  return finished
}

async function takeAll(
  upload: BlobUpload,
  bytes: AsyncIterable<Uint8Array>,
  expected: BlobExpectation & { readonly maxBytes: number },
): Promise<Result<void, SizeMismatch | TooLarge | Interrupted | Unavailable | NoSpace>> {
  const source = bytes[Symbol.asyncIterator]()
  let isAtEnd = false
  try {
    for (;;) {
      const piece = await nextPiece(source)
      if (!piece.ok) return piece
      isAtEnd = piece.value === undefined
      if (piece.value === undefined) return ok(undefined)
      const refused = refuseSize(upload.sizeBytes + piece.value.length, expected)
      if (refused !== undefined) return err(refused)
      const taken = await upload.take(piece.value)
      if (!taken.ok) return taken
    }
  } finally {
    // What the source makes of being told to stop is of no interest: the answer stands.
    if (!isAtEnd) await source.return?.().catch(() => {})
  }
}

async function nextPiece(
  source: AsyncIterator<Uint8Array>,
): Promise<Result<Uint8Array | undefined, Interrupted>> {
  try {
    const step = await source.next()
    return ok(step.done ? undefined : step.value)
  } catch (error) {
    return err({ kind: 'interrupted', reason: error instanceof Error ? error.message : 'cut' })
  }
}

function refuseSize(
  sizeBytes: number,
  expected: BlobExpectation & { readonly maxBytes: number },
): SizeMismatch | TooLarge | undefined {
  if (sizeBytes > expected.maxBytes) return { kind: 'too-large', limitBytes: expected.maxBytes }
  if (sizeBytes <= (expected.sizeBytes ?? sizeBytes)) return undefined
  return { kind: 'size-mismatch', actual: sizeBytes }
}

function inside(sizeBytes: number, range: ByteRange | undefined): ByteRange {
  if (range === undefined) return { start: 0, end: sizeBytes }
  const { start, end } = range
  assert(0 <= start && start <= end && end <= sizeBytes, 'a range lies inside its blob')
  return range
}
