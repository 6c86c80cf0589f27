import { createHash } from 'node:crypto'
import { assert } from '../../../base/assert.ts'
import { crc32 } from '../../../base/hash.ts'
import type { Digest } from '../../../base/ids.ts'
import type { Blob, NoSpace, Unavailable } from '../../../base/port.ts'
import { ok, type Result } from '../../../base/result.ts'
import {
  CHUNK_BYTES,
  type ChunkStage,
  type ChunkStore,
  SEGMENT_BYTES,
  type SegmentPool,
  type StageOutcome,
} from '../../../storage/index.ts'
import type { ChunkCopies } from './chunk-copies.driver.ts'
import { ChunkList, encodeInline, INLINE_BYTES_MAX } from './manifest.ts'

/** Where an upload takes its memory and leaves its chunks. */
export type UploadParts = {
  readonly chunks: ChunkStore
  readonly segments: SegmentPool
  /** Where its chunks go besides; absent on a node that is alone. */
  readonly copies?: ChunkCopies | undefined
}

/**
 * One blob on its way in: hashed, cut into chunks, staged. One segment is written while the next arrives and is hashed, so
 * two are in memory.
 */
export class BlobUpload {
  readonly #parts: UploadParts
  readonly #whole = createHash('sha256')
  readonly #sha1 = createHash('sha1')
  /** Of the current chunk; the first chunk's hash is a copy of the whole one's. */
  #chunkHash: ReturnType<typeof createHash> | undefined
  #chunkBytes = 0
  #checksums: number[] = []
  readonly #list = new ChunkList()
  #stage: ChunkStage | undefined
  #writing: Promise<Result<void, NoSpace>> = Promise.resolve(ok(undefined))
  readonly #pooled: Uint8Array[] = []
  #segment: Uint8Array
  #filled = 0
  #sizeBytes = 0

  constructor(parts: UploadParts) {
    this.#parts = parts
    this.#segment = this.#nextSegment()
  }

  /** Bytes taken so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Takes a copy of the piece. */
  async take(piece: Uint8Array): Promise<Result<void, NoSpace | Unavailable>> {
    for (let offset = 0; offset < piece.length; ) {
      const part = piece.subarray(offset, offset + this.#segment.length - this.#filled)
      this.#segment.set(part, this.#filled)
      this.#filled += part.length
      this.#sizeBytes += part.length
      offset += part.length
      if (this.#filled < SEGMENT_BYTES) continue
      const written = await this.#writeSegment()
      if (!written.ok) return written
    }
    return ok(undefined)
  }

  /** The blob, now that all of it has been taken, and the pages of its manifest. Its chunks are sealed. */
  async finish(): Promise<
    Result<{ blob: Blob; pages: readonly Uint8Array[] }, NoSpace | Unavailable>
  > {
    if (this.#sizeBytes <= INLINE_BYTES_MAX) {
      const bytes = this.#segment.subarray(0, this.#filled)
      this.#hash(bytes)
      const blob = this.#blob()
      return ok({ blob, pages: [encodeInline(blob, bytes)] })
    }
    const written = this.#filled > 0 ? await this.#writeSegment() : ok(undefined)
    if (!written.ok) return written
    const sealed = this.#chunkBytes > 0 ? await this.#sealChunk() : ok(undefined)
    if (!sealed.ok) return sealed
    const blob = this.#blob()
    return ok({ blob, pages: this.#list.encode(blob) })
  }

  /** Makes the chunks durable under their digests, on a majority of their replicas. */
  async publish(): Promise<Result<void, NoSpace | Unavailable>> {
    const { copies } = this.#parts
    if (copies !== undefined) return copies.durable()
    return this.#stage === undefined ? ok(undefined) : this.#stage.publish()
  }

  /** Ends the upload, always and once. */
  async end(outcome: StageOutcome): Promise<void> {
    try {
      await this.#writing.catch(() => {})
      await this.#stage?.end(outcome)
    } finally {
      for (const segment of this.#pooled) this.#parts.segments.give(segment)
      await this.#parts.copies?.end(outcome)
    }
  }

  async #writeSegment(): Promise<Result<void, NoSpace | Unavailable>> {
    const segment = this.#segment.subarray(0, this.#filled)
    const before = await this.#writing
    if (!before.ok) return before
    this.#stage ??= this.#parts.chunks.stage()
    this.#writing = this.#stage.append(segment)
    // Whoever awaits it next sees the failure; until then it must not count as unhandled.
    this.#writing.catch(() => {})
    this.#hash(segment)
    this.#checksums.push(crc32(segment))
    this.#chunkBytes += segment.length
    this.#segment = this.#nextSegment()
    this.#filled = 0
    return this.#chunkBytes === CHUNK_BYTES ? this.#sealChunk() : ok(undefined)
  }

  async #sealChunk(): Promise<Result<void, NoSpace | Unavailable>> {
    const stage = this.#stage
    assert(stage !== undefined, 'a chunk has been staged')
    const written = await this.#writing
    if (!written.ok) return written
    const digest = (this.#chunkHash ?? this.#whole.copy()).digest('hex') as Digest
    const sizeBytes = this.#chunkBytes
    this.#list.add({ digest, sizeBytes, checksums: this.#checksums })
    this.#chunkHash = createHash('sha256')
    this.#chunkBytes = 0
    this.#checksums = []
    const sealed = await stage.seal(digest)
    const { copies } = this.#parts
    if (!sealed.ok || copies === undefined) return sealed
    // The next chunk has a stage of its own: each goes its own way from here.
    this.#stage = undefined
    return copies.add({ digest, sizeBytes, stage })
  }

  #hash(bytes: Uint8Array): void {
    this.#whole.update(bytes)
    this.#sha1.update(bytes)
    this.#chunkHash?.update(bytes)
  }

  #blob(): Blob {
    const digest = this.#whole.digest('hex') as Digest
    return { digest, sha1: this.#sha1.digest('hex'), sizeBytes: this.#sizeBytes }
  }

  /** Memory for the next segment: of two the one that is not being written. */
  #nextSegment(): Uint8Array {
    const [first, second] = this.#pooled
    if (first !== undefined && second !== undefined) {
      return this.#segment === first ? second : first
    }
    const segment = this.#parts.segments.take()
    this.#pooled.push(segment)
    return segment
  }
}
