import type { Validators } from './conditional.ts'
import { sumsOf } from './content.ts'
import type { LayoutPath } from './layout.ts'
import { isImmutable, mediaTypeOf } from './media-type.ts'
import type { FileRecord, Sums } from './record.ts'

/** The head of an answer, prepared once for each state of a file: flat name-value pairs, as Node writes them fastest. */
export type Head = { readonly fields: string[]; readonly validators: Validators }

/**
 * Whatever was uploaded is shown as data: no script of it runs on this origin, and no browser guesses a type. The lesson
 * of stored scripts in other repositories' pages and previews.
 */
const SAFETY = ['X-Content-Type-Options', 'nosniff', 'Content-Security-Policy', 'sandbox']

/** A year, the customary "for ever". Not `public`, which would let a shared cache hand it to those without a token. */
const IMMUTABLE = 'max-age=31536000, immutable'
const REVALIDATE = 'no-cache'

/** The head for a stored file under the name that was asked for. */
export function fileHead(layout: LayoutPath, record: FileRecord): Head {
  const { sums, sizeBytes, timeMs } = record
  const cacheControl = isImmutable(layout) ? IMMUTABLE : REVALIDATE
  const fields = [
    ...commonFields(mediaTypeOf(layout.path), sums, timeMs, sizeBytes),
    'Cache-Control',
    cacheControl,
  ]
  return { fields, validators: { etag: sums.sha256, modifiedMs: timeMs, sizeBytes } }
}

/** The head for bytes that the server made: metadata, a checksum, a listing. */
export function generatedHead(mediaType: string, bytes: Uint8Array, modifiedMs?: number): Head {
  const sums = sumsOf(bytes)
  const fields = [
    ...commonFields(mediaType, sums, modifiedMs, bytes.length),
    'Cache-Control',
    REVALIDATE,
  ]
  return { fields, validators: { etag: sums.sha256, modifiedMs, sizeBytes: bytes.length } }
}

function commonFields(
  mediaType: string,
  sums: Sums,
  modifiedMs: number | undefined,
  sizeBytes: number,
): string[] {
  const fields = [
    'Content-Type',
    mediaType,
    'Content-Length',
    String(sizeBytes),
    'ETag',
    `"${sums.sha256}"`,
    'Accept-Ranges',
    'bytes',
    'X-Checksum-SHA1',
    sums.sha1,
    'X-Checksum-SHA256',
    sums.sha256,
    ...SAFETY,
  ]
  if (sums.md5 !== undefined) fields.push('X-Checksum-MD5', sums.md5)
  if (sums.sha512 !== undefined) fields.push('X-Checksum-SHA512', sums.sha512)
  if (modifiedMs !== undefined) fields.push('Last-Modified', new Date(modifiedMs).toUTCString())
  return fields
}
