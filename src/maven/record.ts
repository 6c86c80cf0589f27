/**
 * What the map keeps of one artifact's files. All keys of one artifact share a partition key, so a file, its inline body
 * and the checksums that arrived before it change in one write.
 *
 * | sort key | value |
 * |---|---|
 * | `<path>` | the file's record |
 * | `body:<path>` | its bytes, when they are at most INLINE_BYTES_MAX |
 * | `claims:<path>` | the checksums that were uploaded before their file |
 * | `<home>/complete:<version>` | the client's metadata named this version: its deploy is complete |
 *
 * No path contains a colon, so the kinds cannot be mixed up.
 */
import { assert } from '../base/assert.ts'
import { text, utf8 } from '../base/bytes.ts'
import type { Digest } from '../base/ids.ts'
import type { ChecksumAlgorithm } from './checksum.ts'

/** Small bodies live in the map: one durable write instead of a blob, its manifest and the record. */
export const INLINE_BYTES_MAX = 64 * 1_024

/** One stored file. `timeMs` is when it was accepted, milliseconds since 1970. */
export type FileRecord = {
  readonly sizeBytes: number
  readonly timeMs: number
  readonly inline: boolean
  readonly sums: Sums
  /** Algorithms whose uploaded checksum file matched. */
  readonly verified: readonly ChecksumAlgorithm[]
  /** Algorithms whose uploaded checksum file did not match: not empty means quarantined, hidden from readers. */
  readonly mismatched: readonly ChecksumAlgorithm[]
  /** The principal that uploaded it; only it may replace a quarantined file. */
  readonly publisher: string
  /** Of a POM: its packaging. */
  readonly packaging?: string
  /** The server chose this timestamp and build number for an upload under the literal SNAPSHOT name. */
  readonly assigned?: true
}

/** SHA-1 and SHA-256 are computed while a file streams in, MD5 too of a small one; the others when first needed. */
export type Sums = {
  readonly sha256: Digest
  readonly sha1: string
  readonly md5?: string
  readonly sha512?: string
}

/** What checksum files said of a file before it came, in hex. */
export type Claims = Readonly<Partial<Record<ChecksumAlgorithm, string>>>

export function bodyKey(path: string): string {
  return `body:${path}`
}

export function claimsKey(path: string): string {
  return `claims:${path}`
}

/** Among the artifact's files, so that one scan reads both; `home` is the artifact's directory. */
export function completeKey(home: string, version: string): string {
  return `${home}/${COMPLETE_MARK}${version}`
}

/** The version that a sort key below `home` marks as complete; undefined for a file's path. */
export function completeVersion(home: string, sortKey: string): string | undefined {
  const name = sortKey.slice(home.length + 1)
  return name.startsWith(COMPLETE_MARK) ? name.slice(COMPLETE_MARK.length) : undefined
}

const COMPLETE_MARK = 'complete:'

/** Hidden until the publisher replaces it or sends the right checksum. */
export function isQuarantined(record: FileRecord): boolean {
  return record.mismatched.length > 0
}

const FORMAT = 1

export function encodeRecord(record: FileRecord): Uint8Array {
  return utf8(JSON.stringify({ format: FORMAT, ...record }))
}

/** The record of bytes that `encodeRecord` made; the store has verified them already. */
export function decodeRecord(bytes: Uint8Array): FileRecord {
  const { format, ...record } = JSON.parse(text(bytes)) as FileRecord & { readonly format: number }
  assert(format === FORMAT, `a file record has format ${format}; this version reads ${FORMAT}`)
  return record
}

export function encodeClaims(claims: Claims): Uint8Array {
  return utf8(JSON.stringify({ format: FORMAT, sums: claims }))
}

export function decodeClaims(bytes: Uint8Array): Claims {
  const { format, sums } = JSON.parse(text(bytes)) as { format: number; sums: Claims }
  assert(format === FORMAT, `claims have format ${format}; this version reads ${FORMAT}`)
  return sums
}
