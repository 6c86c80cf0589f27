import { assert } from '../../../base/assert.ts'
import { crc32 } from '../../../base/hash.ts'
import type {
  Blob,
  BlobReader,
  ByteRange,
  Corrupt,
  Missing,
  Unavailable,
} from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import {
  CHUNK_BYTES,
  type ChunkStore,
  SEGMENT_BYTES,
  type SegmentPool,
} from '../../../storage/index.ts'
import type { BlobReplication } from './blob-replication.driver.ts'
import { CHUNKS_PER_PAGE, type ChunkEntry, decodeEntry } from './manifest.ts'

type Piece = Result<Uint8Array | undefined, Missing | Corrupt | Unavailable>

/** A page of the blob's manifest. */
export type LoadPage = (
  index: number,
) => Promise<Result<Uint8Array, Missing | Corrupt | Unavailable>>

/** Reads a range of bytes that are in memory already, as one piece. */
export function memoryReader(bytes: Uint8Array, range: ByteRange): BlobReader {
  let rest: Uint8Array | undefined = bytes.subarray(range.start, range.end)
  if (rest.length === 0) rest = undefined
  return {
    async next() {
      const piece = rest
      rest = undefined
      return ok(piece)
    },
    close() {},
  }
}

/** What a chunk reader reads: a range of the blob, whose manifest pages come from `loadPage`. */
export type ChunkReaderOptions = {
  readonly blob: Blob
  readonly range: ByteRange
  readonly loadPage: LoadPage
  readonly chunks: ChunkStore
  readonly segments: SegmentPool
  /** Where else the chunks are; absent on a node that is alone. */
  readonly replication?: BlobReplication | undefined
}

/**
 * Reads whole segments, checks each against the manifest and hands out the part that was asked for. What this node does not
 * have, or not right, comes from another replica, in mid-stream. While a piece is
 * being sent the next segment is read, so two segments of memory are in use.
 */
export class ChunkReader implements BlobReader {
  readonly #options: ChunkReaderOptions
  readonly #buffers: Uint8Array[] = []
  #position: number
  #page: { readonly index: number; readonly bytes: Uint8Array } | undefined
  #chunk: { readonly index: number; readonly entry: ChunkEntry } | undefined
  #ahead: Promise<Piece> | undefined
  #isClosed = false

  constructor(options: ChunkReaderOptions) {
    this.#options = options
    this.#position = options.range.start
  }

  async next(): Promise<Piece> {
    assert(!this.#isClosed, 'nothing follows close')
    const piece = await (this.#ahead ?? this.#start())
    // The memory of the piece before this one is free now: its reader has called again.
    if (piece.ok && piece.value !== undefined && !this.#isClosed) void this.#start()
    return piece
  }

  close(): void {
    assert(!this.#isClosed, 'a reader is closed once')
    this.#isClosed = true
    const release = () => {
      for (const buffer of this.#buffers) this.#options.segments.give(buffer)
    }
    // A read under way still writes into one of them.
    if (this.#ahead === undefined) release()
    else this.#ahead.then(release, release)
  }

  #start(): Promise<Piece> {
    this.#ahead = this.#read()
    // Whoever calls next sees the failure; until then it must not count as unhandled.
    this.#ahead.catch(() => {})
    return this.#ahead
  }

  async #read(): Promise<Piece> {
    if (this.#position >= this.#options.range.end) return ok(undefined)
    const chunkIndex = Math.floor(this.#position / CHUNK_BYTES)
    const found = await this.#entryOf(chunkIndex)
    if (!found.ok) return found
    const entry = found.value
    const offset = this.#position - chunkIndex * CHUNK_BYTES
    const segmentIndex = Math.floor(offset / SEGMENT_BYTES)
    const start = segmentIndex * SEGMENT_BYTES
    const segment = this.#nextBuffer().subarray(0, Math.min(SEGMENT_BYTES, entry.sizeBytes - start))
    const filled = await this.#options.chunks.read(entry.digest, segment, start)
    if (!filled.ok || crc32(segment) !== entry.checksums[segmentIndex]) {
      const damage = filled.ok ? damageAt(entry, start) : refusal(filled.error, entry)
      const mended = await this.#readElsewhere(entry, segment, segmentIndex, damage)
      if (!mended.ok) return mended
    }
    const piece = segment.subarray(offset - start, offset - start + this.#remainingBytes())
    this.#position += piece.length
    return ok(piece)
  }

  async #readElsewhere(
    entry: ChunkEntry,
    segment: Uint8Array,
    segmentIndex: number,
    damage: Corrupt,
  ): Promise<Result<void, Corrupt | Unavailable>> {
    const { replication } = this.#options
    if (replication === undefined) return err(damage)
    return replication.read(entry, segment, segmentIndex, damage.reason)
  }

  async #entryOf(chunkIndex: number): Promise<Result<ChunkEntry, Missing | Corrupt | Unavailable>> {
    if (this.#chunk?.index === chunkIndex) return ok(this.#chunk.entry)
    const pageIndex = Math.floor(chunkIndex / CHUNKS_PER_PAGE)
    if (this.#page?.index !== pageIndex) {
      const page = await this.#options.loadPage(pageIndex)
      if (!page.ok) return page
      this.#page = { index: pageIndex, bytes: page.value }
    }
    const entry = decodeEntry(this.#page.bytes, chunkIndex % CHUNKS_PER_PAGE)
    this.#chunk = { index: chunkIndex, entry }
    return ok(entry)
  }

  #remainingBytes(): number {
    return this.#options.range.end - this.#position
  }

  /** Of the two buffers the one that does not hold the piece before; the second only when it is needed. */
  #nextBuffer(): Uint8Array {
    const buffer = this.#buffers.length < 2 ? this.#options.segments.take() : this.#buffers.shift()
    assert(buffer !== undefined, 'a reader has two buffers')
    this.#buffers.push(buffer)
    return buffer
  }
}

function damageAt({ digest }: ChunkEntry, position: number): Corrupt {
  return { kind: 'corrupt', reason: `chunk ${digest} is damaged at byte ${position}` }
}

/** A blob with a manifest is not missing, even if one of its chunks is. */
function refusal(error: Missing | Corrupt, entry: ChunkEntry): Corrupt {
  if (error.kind === 'corrupt') return error
  return { kind: 'corrupt', reason: `chunk ${entry.digest} is missing` }
}
