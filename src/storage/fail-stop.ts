import { AetherError } from '../base/fault.ts'

/**
 * The one place that knows whether the data directory can still be trusted. After a failed write or sync nobody knows
 * what is durable (the kernel may drop the pages and report success the next time), so the first failure is final for
 * everything on the directory: the node stops and recovers from what the disk really holds.
 */
export class FailStop {
  readonly #failure = Promise.withResolvers<AetherError>()
  #error: AetherError | undefined

  /** Resolves at the first failure; stays pending on a healthy disk. */
  get failed(): Promise<AetherError> {
    return this.#failure.promise
  }

  /** Throws the failure if there was one: call it before every write. */
  check(): void {
    if (this.#error !== undefined) throw this.#error
  }

  /** Records a failure of the disk and gives the error to reject with: always that of the first failure. */
  fail(cause: unknown): AetherError {
    this.#error ??= new AetherError(
      'disk-failed',
      `a write to the data directory failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      'check the disk and the kernel log, then start the node again: it recovers what is durable',
      cause,
    )
    this.#failure.resolve(this.#error)
    return this.#error
  }
}
