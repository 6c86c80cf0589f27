/**
 * Something durable under test, on data of its own. Each harness is used until one of its functions
 * is called.
 */
export type Harness<T> = {
  readonly tenant: T
  /** Stops in order and starts again on the same data. */
  readonly restart: () => Promise<Harness<T>>
  /** Releases everything. */
  readonly close: () => Promise<void>
}

/** One whose power can fail. */
export type CrashHarness<T> = Harness<T> & {
  /** Dies at this moment with everything that is not durable, and starts again. */
  readonly crash: () => Promise<CrashHarness<T>>
}
