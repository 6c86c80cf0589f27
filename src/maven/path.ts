/**
 * Which request targets name a file of a repository. Everything is decided on the raw target, decoded exactly once,
 * before any framework has normalised it: two readings of one path are how repository servers were broken into
 * (CVE-2024-4956, CVE-2024-5083, CVE-2024-6915, CVE-2026-42018).
 */
import { utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'

/** Reads a raw request target, in origin or absolute form, that begins `/repository/<repository>`. */
export function parseRequestUrl(rawUrl: string): Result<RequestPath, PathRefusal> {
  const plain = rawUrl.length <= SEGMENT_BYTES_MAX ? PLAIN_TARGET.exec(rawUrl) : null
  if (plain === null) return parseUncommonUrl(rawUrl)
  const [, repository, slashAndPath, slash] = plain as unknown as [string, string, string, string]
  if (repository.length > REPOSITORY_NAME_LENGTH_MAX) return parseUncommonUrl(rawUrl)
  const path = slashAndPath.slice(1)
  return ok({
    repository,
    path,
    segments: path === '' ? [] : path.split('/'),
    isDirectory: slash !== '',
    authority: undefined,
  })
}

/** Holds a decoded path to the rules that request paths obey, and gives its segments. It has no slash at either end. */
export function checkPath(path: string): Result<readonly string[], PathRefusal> {
  if (utf8(path).length > PATH_BYTES_MAX) {
    return refuse('too-long', `The path is longer than ${PATH_BYTES_MAX} bytes of UTF-8.`)
  }
  const refusal = checkCharacters(path)
  if (refusal !== undefined) return err(refusal)
  const segments = path.split('/')
  for (const [index, segment] of segments.entries()) {
    const refusal = checkSegment(segment, index)
    if (refusal !== undefined) return err(refusal)
  }
  return ok(segments)
}

/** Percent-encodes a path for a URL. `parseRequestUrl` gives the same path back. */
export function encodePath(path: string): string {
  return path.replace(/[^\w./+~$@!-]/gu, encodeURIComponent)
}

export type RequestPath = {
  readonly repository: string
  /** Decoded, without slash at either end; empty for the repository's root. */
  readonly path: string
  readonly segments: readonly string[]
  /** The target ended with a slash. */
  readonly isDirectory: boolean
  /** Host and port of an absolute-form target: it takes the place of the Host header (RFC 9112 §3.2.2). */
  readonly authority: string | undefined
}

/** `detail` says what is wrong and what is allowed, for the user to read. */
export type PathRefusal = {
  readonly kind:
    | 'not-a-repository-path'
    | 'repository-name'
    | 'query'
    | 'bad-escape'
    | 'double-encoded'
    | 'encoded-slash'
    | 'bad-utf8'
    | 'not-normalized'
    | 'control-character'
    | 'forbidden-character'
    | 'empty-segment'
    | 'dot-segment'
    | 'hidden-segment'
    | 'too-long'
  readonly detail: string
}

/** The file systems of clients, which keep the same paths, take no longer path or name. */
const PATH_BYTES_MAX = 1_024
const SEGMENT_BYTES_MAX = 255

/** It stands in every partition key and metric label. */
const REPOSITORY_NAME_LENGTH_MAX = 64

const PREFIX = '/repository/'

/**
 * Targets that break no rule and need no decoding, which nearly all do: one match instead of many checks. Whatever does
 * not match is looked at closely.
 */
const PLAIN_TARGET = /^\/repository\/([A-Za-z0-9][\w.-]*)((?:\/[\w+~$@!-][\w.+~$@!-]*)*)(\/?)$/

const ABSOLUTE_FORM = /^https?:\/\/([\w.:[\]-]+)(\/.*)$/i

/** Read by tools at the root of a repository: the Nexus index, and the prefixes file of maven-resolver. */
const HIDDEN_ROOTS = ['.index', '.meta']

/** Forbidden in file names somewhere, in Maven's versions, or read as the start of something else in a URL. */
const FORBIDDEN = /[\\;?#:<>|*"]/

/** Control and formatting characters, for paths that look the same must be the same; lone surrogates have no UTF-8. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

function parseUncommonUrl(rawUrl: string): Result<RequestPath, PathRefusal> {
  const [, authority, absolutePath] = ABSOLUTE_FORM.exec(rawUrl) ?? []
  const target = absolutePath ?? rawUrl
  if (!target.startsWith(PREFIX)) {
    return refuse('not-a-repository-path', 'The path must begin with /repository/<repository>/.')
  }
  const decoded = decodeOnce(target.slice(PREFIX.length))
  if (!decoded.ok) return decoded

  const slash = decoded.value.indexOf('/')
  const repository = slash < 0 ? decoded.value : decoded.value.slice(0, slash)
  if (!/^[A-Za-z0-9][\w.-]*$/.test(repository) || repository.length > REPOSITORY_NAME_LENGTH_MAX) {
    return refuse(
      'repository-name',
      `A repository's name is 1 to ${REPOSITORY_NAME_LENGTH_MAX} letters, digits, ".", "_" or "-", and begins with a letter or digit.`,
    )
  }
  const rest = slash < 0 ? '' : decoded.value.slice(slash + 1)
  const isDirectory = slash >= 0 && (rest === '' || rest.endsWith('/'))
  const path = rest.endsWith('/') ? rest.slice(0, -1) : rest
  if (rest === '') {
    return ok({ repository, path, segments: [], isDirectory, authority })
  }
  const segments = checkPath(path)
  if (!segments.ok) return segments
  return ok({ repository, path, segments: segments.value, isDirectory, authority })
}

function decodeOnce(raw: string): Result<string, PathRefusal> {
  if (raw.includes('?')) {
    return refuse('query', 'A repository path takes no query: leave out "?" and what follows it.')
  }
  if (/[^\x21-\x7e]/.test(raw)) {
    return refuse(
      'forbidden-character',
      'Spaces, control characters and letters outside ASCII must be sent as percent-encoded UTF-8.',
    )
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) {
    return refuse(
      'bad-escape',
      'A "%" must be followed by two hexadecimal digits ("%25" is a "%").',
    )
  }
  if (/%2f/i.test(raw)) {
    return refuse('encoded-slash', 'A file name cannot contain a slash, not even as "%2F".')
  }
  try {
    return ok(decodeURIComponent(raw))
  } catch {
    return refuse('bad-utf8', 'The percent-encoded bytes of the path are not valid UTF-8.')
  }
}

function checkCharacters(path: string): PathRefusal | undefined {
  const invisible = INVISIBLE.exec(path)?.[0]
  if (invisible !== undefined) {
    const code = invisible.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')
    return {
      kind: 'control-character',
      detail: `The path contains U+${code}; control and formatting characters are not allowed.`,
    }
  }
  const forbidden = FORBIDDEN.exec(path)?.[0]
  if (forbidden !== undefined) {
    return {
      kind: 'forbidden-character',
      detail: `The path contains ${forbidden} which is not allowed; neither are \\ ; ? # : < > | * and ".`,
    }
  }
  if (/%[0-9A-Fa-f]{2}/.test(path)) {
    return {
      kind: 'double-encoded',
      detail:
        'The path still contains a percent-encoded character once decoded; encode it only once.',
    }
  }
  if (path !== path.normalize('NFC')) {
    return {
      kind: 'not-normalized',
      detail: 'The path must be in Unicode normalization form C (composed letters).',
    }
  }
  return undefined
}

function checkSegment(segment: string, index: number): PathRefusal | undefined {
  if (segment === '') {
    return { kind: 'empty-segment', detail: 'The path contains an empty segment ("//").' }
  }
  if (segment === '.' || segment === '..') {
    return { kind: 'dot-segment', detail: `The path contains the segment "${segment}".` }
  }
  if (segment.startsWith('.') && !(index === 0 && HIDDEN_ROOTS.includes(segment))) {
    return {
      kind: 'hidden-segment',
      detail: `"${segment}" begins with a dot; only ${HIDDEN_ROOTS.join(' and ')} at the root of the repository may.`,
    }
  }
  if (utf8(segment).length > SEGMENT_BYTES_MAX) {
    return {
      kind: 'too-long',
      detail: `A segment of the path is longer than ${SEGMENT_BYTES_MAX} bytes of UTF-8.`,
    }
  }
  return undefined
}

function refuse(
  kind: PathRefusal['kind'],
  detail: string,
): { readonly ok: false; readonly error: PathRefusal } {
  return err({ kind, detail })
}
