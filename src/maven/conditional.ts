/**
 * Conditional and range requests (RFC 9110 §13, §14) as pure decisions on header values. All validators here are strong:
 * an ETag is the SHA-256 of the bytes.
 */
import type { ByteRange } from '../base/port.ts'

export type Validators = {
  /** Without quotes. */
  readonly etag: string
  /** Milliseconds since 1970, if known; compared in whole seconds, since HTTP dates have no more. */
  readonly modifiedMs: number | undefined
  readonly sizeBytes: number
}

export type RequestConditions = {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince: string | undefined
  readonly ifUnmodifiedSince: string | undefined
  readonly ifRange: string | undefined
  readonly range: string | undefined
}

export type Decision =
  | { readonly kind: 'full' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'precondition-failed' }
  | { readonly kind: 'unsatisfiable' }

const FULL: Decision = { kind: 'full' }

/** What to answer to a GET, in the order of precedence of RFC 9110 §13.2.2. */
export function decide(conditions: RequestConditions, validators: Validators): Decision {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, validators.etag, false)) return { kind: 'precondition-failed' }
  } else if (ifUnmodifiedSince !== undefined) {
    const sinceMs = Date.parse(ifUnmodifiedSince)
    if (seconds(validators.modifiedMs) > seconds(sinceMs)) return { kind: 'precondition-failed' }
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, validators.etag, true)) return { kind: 'not-modified' }
  } else if (ifModifiedSince !== undefined) {
    const sinceMs = Date.parse(ifModifiedSince)
    if (seconds(validators.modifiedMs) <= seconds(sinceMs)) return { kind: 'not-modified' }
  }
  return decideRange(conditions, validators)
}

function decideRange({ range, ifRange }: RequestConditions, validators: Validators): Decision {
  if (range === undefined || (ifRange !== undefined && !isCurrent(ifRange, validators))) return FULL
  const { sizeBytes } = validators
  // Several ranges may be ignored (§14.2): no Maven client asks for them, and they are a way to multiply work.
  const match = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/.exec(range.trim())
  if (match === null) return FULL
  const [, first, last, suffix] = match
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), sizeBytes)
    if (length === 0) return { kind: 'unsatisfiable' }
    return { kind: 'part', range: { start: sizeBytes - length, end: sizeBytes } }
  }
  const start = Number(first)
  const end = last === undefined ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (last !== undefined && Number(last) < start) return FULL
  if (start >= sizeBytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', range: { start, end } }
}

/** `If-Range` takes one strong ETag, or a date that must be the exact one (§13.1.5). */
function isCurrent(ifRange: string, validators: Validators): boolean {
  if (ifRange.startsWith('"')) return ifRange === `"${validators.etag}"`
  return seconds(Date.parse(ifRange)) === seconds(validators.modifiedMs)
}

function matches(list: string, etag: string, weakly: boolean): boolean {
  if (list.trim() === '*') return true
  return list.split(',').some((entry) => {
    const tag = entry.trim()
    return tag === `"${etag}"` || (weakly && tag === `W/"${etag}"`)
  })
}

/** NaN of an unknown or unreadable date makes every comparison false, so that the condition has no effect. */
function seconds(ms = Number.NaN): number {
  return Math.floor(ms / 1_000)
}
