/**
 * Whether one peer is heard: how long its silence may last. Time is the owner's, in milliseconds.
 *
 * A node that lives may be silent for two seconds, when its event loop or its machine stalls; that is always excused. One whose
 * gaps have been longer lately gets somewhat more, up to what lets a dead one be replaced within three seconds. When nobody
 * listens on its port any more, its process is gone and little patience is needed.
 */
export class Hearing {
  #heardMs: number
  /** Decays with each time the peer is heard. */
  #longestGapMs = 0
  #refusals = 0

  /** A peer counts as heard at first. */
  constructor(nowMs: number) {
    this.#heardMs = nowMs
  }

  /** Something that the peer has sent has arrived. */
  heard(nowMs: number): void {
    const gapMs = this.silentMs(nowMs)
    if (gapMs > 0) this.#longestGapMs = Math.max(gapMs, this.#longestGapMs * DECAY)
    this.#heardMs = nowMs
    this.#refusals = 0
  }

  /** The peer's machine has said that nobody listens on its port. */
  refused(): void {
    this.#refusals++
  }

  isHeard(nowMs: number): boolean {
    return this.silentMs(nowMs) <= this.#patienceMs()
  }

  silentMs(nowMs: number): number {
    return nowMs - this.#heardMs
  }

  #patienceMs(): number {
    if (this.#refusals >= REFUSALS_MIN) return REFUSED_PATIENCE_MS
    const wantedMs = this.#longestGapMs + MARGIN_MS
    return Math.min(PATIENCE_MAX_MS, Math.max(PATIENCE_MIN_MS, wantedMs))
  }
}

/** A stall of two seconds, an interval between heartbeats before it, and a new connection after it. */
const PATIENCE_MIN_MS = 2_350

/** Leaves 0.4 s of the three for the others to say the same, and for the table to be written. */
const PATIENCE_MAX_MS = 2_600

/** Above the longest gap of late. */
const MARGIN_MS = 400

/** A gap is half forgotten after some fifteen seconds of heartbeats. */
const DECAY = 0.99

/** A process that starts again at once is heard within this. */
const REFUSED_PATIENCE_MS = 700

/** One alone may be of a process that has just begun to listen. */
const REFUSALS_MIN = 2
