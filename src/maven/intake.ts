import { createHash } from 'node:crypto'
import { concat } from '../base/bytes.ts'
import type { Digest } from '../base/ids.ts'
import type { BlobStore } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type Source, sumsOf } from './content.ts'
import { INLINE_BYTES_MAX, type Sums } from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'

/** A body that has arrived whole. Small ones come as bytes; large ones are in the blob store, durable. */
export type Content = {
  readonly sizeBytes: number
  readonly sums: Sums
  readonly source: Source
}

export type IntakeLimits = {
  /** As announced; the body must have exactly this size. */
  readonly sizeBytes?: number
  readonly maxBytes: number
  /** What the client says the bytes are; others are refused. */
  readonly sha256?: Digest
}

/**
 * Takes a body in, hashing while it arrives. Nothing remains of one that is refused or cut off. The body is let go of even
 * when it is not taken to its end, so that the rest of it can be drained.
 */
export async function takeIn(
  body: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  limits: IntakeLimits,
): Promise<Result<Content, Refusal>> {
  const iterator = body[Symbol.asyncIterator]()
  try {
    return await takeFrom(iterator, blobs, limits)
  } finally {
    await iterator.return?.()
  }
}

/** The SHA-256 of a body of at most `maxBytes` that is not kept. */
export async function digestOf(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Result<Digest, Refusal>> {
  const hash = createHash('sha256')
  let size = 0
  try {
    for await (const part of body) {
      size += part.length
      if (size > maxBytes) return err(tooLarge(maxBytes))
      hash.update(part)
    }
  } catch (cause) {
    return err(interrupted(cause))
  }
  return ok(hash.digest('hex') as Digest)
}

/** A whole body of at most `maxBytes`, in memory. */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Result<Uint8Array, Refusal>> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of body) {
      size += part.length
      if (size > maxBytes) return err(tooLarge(maxBytes))
      parts.push(new Uint8Array(part))
    }
  } catch (cause) {
    return err(interrupted(cause))
  }
  return ok(joined(parts))
}

export function tooLarge(maxBytes: number): Refusal {
  return refusal('too-large', `At most ${maxBytes} bytes are accepted here.`)
}

async function takeFrom(
  iterator: AsyncIterator<Uint8Array>,
  blobs: BlobStore,
  limits: IntakeLimits,
): Promise<Result<Content, Refusal>> {
  const head: Uint8Array[] = []
  let headBytes = 0
  try {
    while (headBytes <= INLINE_BYTES_MAX) {
      const next = await iterator.next()
      if (next.done) return inlineContent(joined(head), limits)
      head.push(new Uint8Array(next.value))
      headBytes += next.value.length
    }
  } catch (cause) {
    return err(interrupted(cause))
  }
  return storeBlob(rejoin(head, iterator), blobs, limits)
}

/** Most small bodies come in one piece. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : concat(pieces)
}

function inlineContent(bytes: Uint8Array, limits: IntakeLimits): Result<Content, Refusal> {
  if (limits.sizeBytes !== undefined && bytes.length !== limits.sizeBytes) {
    return err(sizeMismatch(bytes.length))
  }
  const sums = sumsOf(bytes)
  if (limits.sha256 !== undefined && limits.sha256 !== sums.sha256) {
    return err(digestMismatch(sums.sha256))
  }
  return ok({ sizeBytes: bytes.length, sums, source: { kind: 'inline', bytes } })
}

async function storeBlob(
  body: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  limits: IntakeLimits,
): Promise<Result<Content, Refusal>> {
  const put = await blobs.put(body, {
    maxBytes: limits.maxBytes,
    ...(limits.sizeBytes === undefined ? {} : { sizeBytes: limits.sizeBytes }),
    ...(limits.sha256 === undefined ? {} : { digest: limits.sha256 }),
  })
  if (put.ok) {
    const { digest, sha1, sizeBytes } = put.value
    return ok({ sizeBytes, sums: { sha256: digest, sha1 }, source: { kind: 'blob', digest } })
  }
  switch (put.error.kind) {
    case 'digest-mismatch':
      return err(digestMismatch(put.error.actual))
    case 'size-mismatch':
      return err(sizeMismatch(put.error.actual))
    case 'too-large':
      return err(tooLarge(put.error.limitBytes))
    case 'interrupted':
      return err(interrupted(put.error.reason))
    default:
      return err(storeRefusal(put.error))
  }
}

async function* rejoin(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

function interrupted(cause: unknown): Refusal {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return refusal('interrupted', `The upload ended early (${reason}); nothing was stored.`)
}

function sizeMismatch(actual: number): Refusal {
  return refusal('invalid', `The body has ${actual} bytes, not as many as announced.`)
}

function digestMismatch(actual: string): Refusal {
  return refusal('invalid', `The body's SHA-256 is ${actual}, not the announced one.`)
}
