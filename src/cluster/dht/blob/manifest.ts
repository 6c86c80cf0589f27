/**
 * The manifest of a blob: one value, or several pages under consecutive sort keys, in the partition key of its digest.
 *
 *     first page   format (1)  kind (1)  size (8)  SHA-1 (20)  then the bytes (inline) or chunk entries
 *     later page   format (1)  kind (1)  chunk entries
 *     chunk entry  SHA-256 (32)  size (4)  CRC-32 of each segment (4 each)
 *
 * Integers are big-endian. All chunks but the last have `CHUNK_BYTES`, so an entry is found by its index.
 */
import { assert } from '../../../base/assert.ts'
import { bytesOfHex, hex } from '../../../base/bytes.ts'
import { AetherError } from '../../../base/fault.ts'
import type { Digest } from '../../../base/ids.ts'
import { type Blob, VALUE_BYTES_MAX } from '../../../base/port.ts'
import { CHUNK_BYTES, SEGMENT_BYTES } from '../../../storage/index.ts'

/** Up to this size a blob is inside its manifest: one commit instead of a file, a rename and two syncs. */
export const INLINE_BYTES_MAX = 64 * 1_024

const SEGMENTS_PER_CHUNK = CHUNK_BYTES / SEGMENT_BYTES
const ENTRY_BYTES = 36 + 4 * SEGMENTS_PER_CHUNK
const FIRST_HEADER_BYTES = 30
const LATER_HEADER_BYTES = 2

/** 10 GiB per page; a full page of entries and a header stay below the largest value. */
export const CHUNKS_PER_PAGE = 2_560

/** All pages are written at once, so their number is bounded. */
const PAGES_MAX = 16

/** 160 GiB. */
export const BLOB_BYTES_MAX = PAGES_MAX * CHUNKS_PER_PAGE * CHUNK_BYTES

assert(FIRST_HEADER_BYTES + CHUNKS_PER_PAGE * ENTRY_BYTES <= VALUE_BYTES_MAX, 'a page is a value')

const FORMAT = 1
const KIND_INLINE = 0
const KIND_FIRST = 1
const KIND_LATER = 2

/** A chunk as its manifest describes it: `checksums` are the CRC-32 of its segments. */
export type ChunkEntry = {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly checksums: readonly number[]
}

/** The sort key of a page. */
export function pageKey(index: number): string {
  return index.toString().padStart(4, '0')
}

/** The only page of a blob that is inside it. */
export function encodeInline(blob: Blob, bytes: Uint8Array): Uint8Array {
  assert(bytes.length === blob.sizeBytes && bytes.length <= INLINE_BYTES_MAX, 'small and whole')
  const page = new Uint8Array(FIRST_HEADER_BYTES + bytes.length)
  writeFirstHeader(page, KIND_INLINE, blob)
  page.set(bytes, FIRST_HEADER_BYTES)
  return page
}

/** Collects the chunk entries of an upload in their encoded form: 100 bytes each. */
export class ChunkList {
  readonly #pages: { readonly bytes: Uint8Array; used: number }[] = []
  #count = 0

  add(entry: ChunkEntry): void {
    if (this.#count % CHUNKS_PER_PAGE === 0) {
      const used = this.#pages.length === 0 ? FIRST_HEADER_BYTES : LATER_HEADER_BYTES
      this.#pages.push({ bytes: new Uint8Array(used + ENTRY_BYTES), used })
    }
    const page = this.#pages[this.#pages.length - 1]
    assert(page !== undefined && this.#pages.length <= PAGES_MAX, 'a blob has at most 16 pages')
    const bytes = page.used + ENTRY_BYTES > page.bytes.length ? doubled(page.bytes) : page.bytes
    const used = page.used + writeEntry(bytes, page.used, entry)
    this.#pages[this.#pages.length - 1] = { bytes, used }
    this.#count++
  }

  /** The pages in order. */
  encode(blob: Blob): Uint8Array[] {
    return this.#pages.map(({ bytes, used }, index) => {
      const page = bytes.subarray(0, used)
      if (index === 0) writeFirstHeader(page, KIND_FIRST, blob)
      else page.set([FORMAT, KIND_LATER])
      return page
    })
  }
}

/** What the first page says: the blob, and its bytes when they are inside. */
export function decodeFirstPage(
  digest: Digest,
  page: Uint8Array,
): { readonly blob: Blob; readonly inline: Uint8Array | undefined } {
  const kind = kindOf(page)
  assert(kind !== KIND_LATER, 'the first page comes first')
  const sizeBytes = Number(viewOf(page).getBigUint64(2))
  const blob = { digest, sha1: hex(page.subarray(10, FIRST_HEADER_BYTES)), sizeBytes }
  return { blob, inline: kind === KIND_INLINE ? page.subarray(FIRST_HEADER_BYTES) : undefined }
}

/** The entry at `index` of a page, counted from 0 in each page. */
export function decodeEntry(page: Uint8Array, index: number): ChunkEntry {
  const header = kindOf(page) === KIND_FIRST ? FIRST_HEADER_BYTES : LATER_HEADER_BYTES
  const start = header + index * ENTRY_BYTES
  const view = viewOf(page)
  const sizeBytes = view.getUint32(start + 32)
  const checksums = Array.from({ length: Math.ceil(sizeBytes / SEGMENT_BYTES) }, (_, i) =>
    view.getUint32(start + 36 + 4 * i),
  )
  return { digest: hex(page.subarray(start, start + 32)) as Digest, sizeBytes, checksums }
}

/** The chunks that a page refers to, as it describes them. */
export function* entriesOf(page: Uint8Array): Generator<ChunkEntry> {
  const kind = kindOf(page)
  if (kind === KIND_INLINE) return
  const header = kind === KIND_FIRST ? FIRST_HEADER_BYTES : LATER_HEADER_BYTES
  const count = Math.ceil((page.length - header) / ENTRY_BYTES)
  for (let index = 0; index < count; index++) yield decodeEntry(page, index)
}

/** The chunks that a page refers to. */
export function* referencedChunks(page: Uint8Array): Generator<Digest> {
  for (const { digest } of entriesOf(page)) yield digest
}

function kindOf(page: Uint8Array): number {
  const [format, kind] = page
  assert(format !== undefined && kind !== undefined, 'a page has a header')
  if (format > FORMAT) {
    throw new AetherError(
      'data-format-newer',
      `a blob manifest has format ${format}, this version knows up to ${FORMAT}`,
      'start the version of Aether that wrote this data directory, or a later one',
    )
  }
  return kind
}

function writeFirstHeader(page: Uint8Array, kind: number, blob: Blob): void {
  page.set([FORMAT, kind])
  viewOf(page).setBigUint64(2, BigInt(blob.sizeBytes))
  page.set(bytesOfHex(blob.sha1), 10)
}

function writeEntry(page: Uint8Array, start: number, entry: ChunkEntry): number {
  const view = viewOf(page)
  page.set(bytesOfHex(entry.digest), start)
  view.setUint32(start + 32, entry.sizeBytes)
  entry.checksums.forEach((checksum, i) => {
    view.setUint32(start + 36 + 4 * i, checksum)
  })
  return 36 + 4 * entry.checksums.length
}

function viewOf(page: Uint8Array): DataView {
  return new DataView(page.buffer, page.byteOffset, page.byteLength)
}

function doubled(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(bytes.length * 2)
  larger.set(bytes)
  return larger
}
