import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlConflict, ControlStore, OutcomeUnknown, Unavailable } from '../base/port.ts'
import { err, type Result } from '../base/result.ts'

/** Keeps up with a part of the control state for whoever can wait for it, until it is closed. */
export class ControlFollower {
  readonly #options: FollowerOptions
  #changes: AsyncIterator<unknown> | undefined
  #isClosed = false

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Calls `look` at once, and again after each change of a key that begins with `prefix`; resolves after the first time. */
  async follow(prefix: string, look: () => Promise<unknown>): Promise<void> {
    this.#watch(prefix)
    await look()
    void this.#lookAfterChanges(prefix, look)
  }

  /** Asks until the control state answers; what is not known to have been done is asked again. Undefined once it is closed. */
  async answer<T>(
    ask: (control: ControlStore) => Promise<Result<T, ControlConflict | Silence>>,
  ): Promise<Result<T, ControlConflict> | undefined> {
    const { control, worthAsking } = this.#options
    while (!this.#isClosed) {
      await worthAsking()
      if (this.#isClosed) break
      const answer = await ask(control)
      if (this.#isClosed) break
      if (answer.ok) return answer
      if (answer.error.kind === 'conflict') return err(answer.error)
      await sleep(RETRY_MS)
    }
    return undefined
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#isClosed = true
    void this.#changes?.return?.()
  }

  /** Begins before a look, so that no change falls between the two. */
  #watch(prefix: string): void {
    this.#changes = this.#options.control.watch(prefix)[Symbol.asyncIterator]()
  }

  async #lookAfterChanges(prefix: string, look: () => Promise<unknown>): Promise<void> {
    while (!this.#isClosed) {
      try {
        const change = await this.#changes?.next()
        if (change === undefined || change.done === true) return
      } catch {
        // It fell behind what the history keeps, and begins again from now.
        this.#watch(prefix)
      }
      await look()
    }
  }
}

export type FollowerOptions = {
  readonly control: ControlStore
  /** Resolves when the control state may answer; at once when nothing speaks against it. */
  readonly worthAsking: () => Promise<void>
}

type Silence = Unavailable | OutcomeUnknown

/** After an answer that did not come: the cluster may just be choosing whom to go on with. */
const RETRY_MS = 100
