/** Frames and payloads dropped since the start, by reason. */
export type FrameCounts = Record<DropReason, number>

/**
 * - `malformed`: not a frame or message of this protocol.
 * - `oversized`: announced to be longer than any frame is.
 * - `foreign`: not sealed with the key of this connection: altered, or of another connection.
 * - `replayed`: of this connection, but not the next one.
 * - `unauthenticated`: a handshake without proof of the secret, or that did not end in time.
 * - `refused`: a handshake of a node that is not admitted.
 * - `unsent`: not taken by `send`.
 */
export type DropReason = (typeof DROP_REASONS)[number]

export const DROP_REASONS = [
  'malformed',
  'oversized',
  'foreign',
  'replayed',
  'unauthenticated',
  'refused',
  'unsent',
] as const

/** All zero; each transport has its own. */
export function frameCounts(): FrameCounts {
  return {
    malformed: 0,
    oversized: 0,
    foreign: 0,
    replayed: 0,
    unauthenticated: 0,
    refused: 0,
    unsent: 0,
  }
}
