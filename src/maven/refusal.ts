import type { Conflict, NoSpace, OutcomeUnknown, Unavailable } from '../base/port.ts'

/** Why the repository does not do what was asked. `detail` is a sentence for the person who asked. */
export type Refusal = { readonly kind: RefusalKind; readonly detail: string }

export type RefusalKind =
  /** The request is malformed, whatever the state of the repository. */
  | 'invalid'
  /** A group repository, or a file that the server makes itself. */
  | 'read-only'
  /** The repository's policy does not allow it. */
  | 'policy'
  | 'not-found'
  /** A release exists with other bytes, or a checksum does not match. */
  | 'conflict'
  | 'too-large'
  | 'no-space'
  /** Too few replicas, or too much at once: try again later. */
  | 'unavailable'
  /** It may or may not have happened; the same request again finds out. */
  | 'outcome-unknown'
  /** The client stopped sending; nothing was stored. */
  | 'interrupted'
  /** Stored bytes are damaged and are not handed out. */
  | 'corrupt'

export function refusal(kind: RefusalKind, detail: string): Refusal {
  return { kind, detail }
}

/** What the store's refusal means to a client. A conflict here means that others write the same key again and again. */
export function storeRefusal(error: Unavailable | OutcomeUnknown | NoSpace | Conflict): Refusal {
  switch (error.kind) {
    case 'no-space':
      return refusal(
        'no-space',
        'The disk of the server is full; nothing was stored. Try again after space was freed.',
      )
    case 'outcome-unknown':
      return refusal(
        'outcome-unknown',
        `It is not known whether this was stored: ${error.reason}. Send it again.`,
      )
    case 'unavailable':
      return refusal('unavailable', `${error.reason}. Try again.`)
    case 'conflict':
      return refusal(
        'unavailable',
        'The file is being changed by others at the same time. Try again.',
      )
  }
}
