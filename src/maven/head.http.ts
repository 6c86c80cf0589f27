import { createHash } from 'node:crypto'
import type { Validators } from './conditional.ts'
import type { LayoutPath } from './layout.ts'
import { isImmutable, mediaTypeOf } from './media-type.ts'
import type { FileRecord } from './record.ts'

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
  const fields = [
    ...commonFields(mediaTypeOf(layout.path), sums.sha256, timeMs, sizeBytes),
    'X-Checksum-SHA1',
    sums.sha1,
    'X-Checksum-SHA256',
    sums.sha256,
    'Cache-Control',
    isImmutable(layout) ? IMMUTABLE : REVALIDATE,
  ]
  if (sums.md5 !== undefined) fields.push('X-Checksum-MD5', sums.md5)
  if (sums.sha512 !== undefined) fields.push('X-Checksum-SHA512', sums.sha512)
  return { fields, validators: { etag: sums.sha256, modifiedMs: timeMs, sizeBytes } }
}

/** The head for bytes that the server made: metadata, a checksum, a listing. */
export function generatedHead(mediaType: string, bytes: Uint8Array, modifiedMs?: number): Head {
  const etag = createHash('sha256').update(bytes).digest('hex')
  const fields = [
    ...commonFields(mediaType, etag, modifiedMs, bytes.length),
    'X-Checksum-SHA1',
    createHash('sha1').update(bytes).digest('hex'),
    'X-Checksum-SHA256',
    etag,
    'Cache-Control',
    REVALIDATE,
  ]
  return { fields, validators: { etag, modifiedMs, sizeBytes: bytes.length } }
}

function commonFields(
  mediaType: string,
  etag: string,
  modifiedMs: number | undefined,
  sizeBytes: number,
): string[] {
  const fields = [
    'Content-Type',
    mediaType,
    'Content-Length',
    String(sizeBytes),
    'ETag',
    `"${etag}"`,
    'Accept-Ranges',
    'bytes',
    ...SAFETY,
  ]
  if (modifiedMs !== undefined) fields.push('Last-Modified', new Date(modifiedMs).toUTCString())
  return fields
}
