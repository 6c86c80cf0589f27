/** Where the wall clock enters: everything but the composition root receives one of these. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May jump either way. */
  nowMs(): number
}
