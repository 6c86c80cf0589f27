/**
 * The environment is broken (a disk, a format, another process): the node stops and an operator acts.
 * `code` is stable; `next` is what the operator can do about it.
 */
export class AetherError extends Error {
  override readonly name = 'AetherError'
  readonly code: FaultCode
  readonly next: string

  constructor(code: FaultCode, message: string, next: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.next = next
  }
}

/** A code exists only where some caller reacts to it. */
export type FaultCode =
  | 'data-directory-in-use'
  | 'data-directory-foreign'
  | 'data-damaged'
  | 'data-format-newer'
  | 'disk-failed'
  | 'listen-refused'
  | 'membership-lost'
  | 'no-space'
  | 'slice-refused'
  | 'tls-refused'
