import { createHash, hash } from 'node:crypto'
import { concat } from '../base/bytes.ts'
import type { Digest } from '../base/ids.ts'
import type { BlobStore, Corrupt, Missing, Unavailable } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { ChecksumAlgorithm } from './checksum.ts'
import type { Sums } from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'

/** Where a file's bytes are: at hand, or in the blob store. */
export type Source =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'blob'; readonly digest: Digest }

/** The checksums of bytes at hand that clients upload and ask for. SHA-512 is computed when it is first needed. */
export function sumsOf(bytes: Uint8Array): Sums {
  return {
    sha256: hash('sha256', bytes, 'hex') as Digest,
    sha1: hash('sha1', bytes, 'hex'),
    md5: hash('md5', bytes, 'hex'),
  }
}

/** A checksum in hex: a known one, or computed from the bytes, which is as slow as reading them. */
export async function checksumOf(
  blobs: BlobStore,
  source: Source,
  sums: Sums,
  algorithm: ChecksumAlgorithm,
): Promise<Result<string, Refusal>> {
  const known = sums[algorithm]
  if (known !== undefined) return ok(known)
  const sum = createHash(algorithm)
  const read = await eachPiece(blobs, source, (piece) => sum.update(piece))
  return read.ok ? ok(sum.digest('hex')) : read
}

/** The bytes whole; only for files that are known to be small. */
export async function bytesOf(
  blobs: BlobStore,
  source: Source,
): Promise<Result<Uint8Array, Refusal>> {
  const pieces: Uint8Array[] = []
  const read = await eachPiece(blobs, source, (piece) => pieces.push(piece.slice()))
  return read.ok ? ok(concat(pieces)) : read
}

/** A record without readable bytes is damage, never "not found": Maven would take the file from elsewhere. */
export function readRefusal(error: Missing | Corrupt | Unavailable): Refusal {
  switch (error.kind) {
    case 'missing':
      return refusal('corrupt', 'The stored bytes of this file are gone.')
    case 'corrupt':
      return refusal('corrupt', `The stored bytes of this file are damaged: ${error.reason}.`)
    case 'unavailable':
      return storeRefusal(error)
  }
}

/** The pieces in order; each is valid only until the next one is asked for. Throws a refusal's detail when damaged. */
export async function* pieces(blobs: BlobStore, source: Source): AsyncGenerator<Uint8Array> {
  if (source.kind === 'inline') {
    yield source.bytes
    return
  }
  const reader = await blobs.get(source.digest)
  if (!reader.ok) throw new ReadFailure(readRefusal(reader.error))
  try {
    for (;;) {
      const piece = await reader.value.next()
      if (!piece.ok) throw new ReadFailure(readRefusal(piece.error))
      if (piece.value === undefined) return
      yield piece.value
    }
  } finally {
    reader.value.close()
  }
}

/** Carries a refusal out of an iteration, which has no other way to tell of it. */
class ReadFailure extends Error {
  readonly refusal: Refusal

  constructor(why: Refusal) {
    super(why.detail)
    this.refusal = why
  }
}

async function eachPiece(
  blobs: BlobStore,
  source: Source,
  visit: (piece: Uint8Array) => void,
): Promise<Result<void, Refusal>> {
  try {
    for await (const piece of pieces(blobs, source)) visit(piece)
    return ok(undefined)
  } catch (cause) {
    if (cause instanceof ReadFailure) return err(cause.refusal)
    throw cause
  }
}
