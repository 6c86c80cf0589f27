import type { IncomingHttpHeaders } from 'node:http'
import type { RequestId } from '../base/ids.ts'
import { KEY_BYTES_MAX, type NoSpace, type OutcomeUnknown, type Unavailable } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type ApiRefusal, badRequest, RETRY_SOON } from './api-refusal.ts'

/** What clients say when they write to the node's stores, and what they are told: keys, conditions, repetition, refusals. */

/**
 * RFC 9110 §13.1, as far as it means something for a store of versions: exactly one, none yet, or whatever there is
 * (undefined). `parse` reads an entity tag without its quotes.
 */
export function conditionOf<V>(
  { 'if-match': match, 'if-none-match': noneMatch }: IncomingHttpHeaders,
  parse: (tag: string) => V | undefined,
): Result<V | 'absent' | undefined, ApiRefusal> {
  if (match === undefined && noneMatch === undefined) return ok(undefined)
  if (match === undefined && noneMatch === '*') return ok('absent')
  const tag = /^"([\d.]*)"$/.exec(match ?? '')?.[1]
  const version = tag === undefined ? undefined : parse(tag)
  if (noneMatch === undefined && version !== undefined) return ok(version)
  return err(badRequest('A write takes If-None-Match: *, or If-Match with one ETag of this key.'))
}

/** The client's own, or a new one: with it a repetition is told from another write. */
export function idempotencyKeyOf(
  headers: IncomingHttpHeaders,
  newRequestId: () => RequestId,
): Result<string, ApiRefusal> {
  const key = headers['idempotency-key'] ?? newRequestId()
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return ok(key)
  return err(
    badRequest('Idempotency-Key is 1 to 120 visible ASCII characters, new for each write.'),
  )
}

/** Keeps the ids that clients choose apart from the platform's: with an id that was used before a write does nothing. */
export function clientRequestId(idempotencyKey: string): RequestId {
  return `client/${idempotencyKey}` as RequestId
}

/** `etag` is what the key has now, with quotes, if it has anything. */
export function conflict(etag: string | undefined): ApiRefusal {
  const state = etag === undefined ? 'no value' : `the revision ${etag.slice(1, -1)}`
  const detail = `The key has ${state}; nothing was written. Read it and decide again.`
  const problem = { status: 412, title: 'Precondition failed', detail, kind: 'conflict' }
  return etag === undefined ? { problem } : { problem, headers: { ETag: etag } }
}

export function writeRefusal(
  error: Unavailable | OutcomeUnknown | NoSpace,
  idempotencyKey: string,
): ApiRefusal {
  switch (error.kind) {
    case 'unavailable':
      return unavailable(error)
    case 'no-space': {
      const detail = 'The disk is full. Nothing was written, and nothing is lost.'
      return { problem: { status: 507, title: 'Disk full', detail, kind: error.kind } }
    }
    case 'outcome-unknown': {
      const detail =
        `It is not known whether this was written: ${error.reason}. ` +
        `Sent again with Idempotency-Key: ${idempotencyKey} it is written once.`
      // Not 503, which says that nothing has happened, and which programs retry without looking.
      const problem = { status: 504, title: 'Outcome unknown', detail, kind: error.kind }
      return { problem, headers: { 'Idempotency-Key': idempotencyKey } }
    }
  }
}

export function unavailable({ kind, reason }: Unavailable): ApiRefusal {
  const problem = { status: 503, title: 'Unavailable', detail: `${reason}. Try again.`, kind }
  return { problem, headers: RETRY_SOON }
}

/** A key, or a part of one, as it stands in the URL: decoded once and never interpreted, so that `..` means nothing. */
export function decodedKey(encoded: string): Result<string, ApiRefusal> {
  const key = percentDecoded(encoded)
  if (key === undefined) return err(badRequest('The key is not percent-encoded UTF-8.'))
  if (Buffer.byteLength(key) <= KEY_BYTES_MAX) return ok(key)
  return err(badRequest(`A key has at most ${KEY_BYTES_MAX} bytes in UTF-8.`))
}

/** Visible ASCII, which every client can put into a header; long enough for any UUID or digest, and within a request id of the map. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,120}$/

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
