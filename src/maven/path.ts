import { err, type Result } from '../base/result.ts'

/** Parses a raw request target (origin or absolute form) that begins `/repository/<repo>`. */
export function parseRequestUrl(rawUrl: string): Result<RequestPath, PathRefusal> {
  return err({ kind: 'not-a-repository-path', detail: rawUrl })
}

/** Holds a decoded path (no leading slash, not empty) to the rules that request paths obey. */
export function checkPath(path: string): Result<readonly string[], PathRefusal> {
  return err({ kind: 'empty-segment', detail: path })
}

/** The path percent-encoded for a URL, segment by segment; `parseRequestUrl` gives the same path back. */
export function encodePath(path: string): string {
  return path
}

export type RequestPath = {
  readonly repository: string
  /** Decoded, without leading or trailing slash; empty at the root of the repository. */
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
