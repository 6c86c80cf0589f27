import { assert } from '../base/assert.ts'

/** The unit of reading, writing and checking: large enough for the disk, small enough for a thousand streams. */
export const SEGMENT_BYTES = 256 * 1_024

/** Segments kept for reuse (16 MiB): what 32 streams at a time need. More are made and left to the collector. */
const IDLE_MAX = 64

/** Buffers of `SEGMENT_BYTES` that are used again, since making and clearing them costs as much as reading. */
export class SegmentPool {
  readonly #idle: Uint8Array[] = []

  /** The content is arbitrary. The caller gives it back once nothing reads or writes it any more. */
  take(): Uint8Array {
    return this.#idle.pop() ?? new Uint8Array(SEGMENT_BYTES)
  }

  give(segment: Uint8Array): void {
    assert(segment.length === SEGMENT_BYTES, 'only whole segments are pooled')
    if (this.#idle.length < IDLE_MAX) this.#idle.push(segment)
  }
}
