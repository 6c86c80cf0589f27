import type { ControlChange, Revision } from '../../base/port.ts'
import type { ControlState } from './state.ts'

/**
 * One consumer's way through the changes. It keeps a place in the state's history rather than a
 * queue, so a slow consumer costs nothing; one that falls behind the history gets a
 * `WatchTooLateError` and has to begin again.
 */
export class Watch implements AsyncIterableIterator<ControlChange, undefined> {
  readonly #state: ControlState
  readonly #prefix: string
  readonly #onEnd: (watch: Watch) => void
  #place: Revision
  /** Of the revision at the place, not given out yet. */
  #pending: ControlChange[] = []
  #wake: (() => void) | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()
  #isEnded = false

  /**
   * Changes after `from` of keys that begin with `prefix`. `onEnd` hears once that the consumer has
   * left.
   */
  constructor(
    state: ControlState,
    { prefix, from, onEnd }: { prefix: string; from: Revision; onEnd: (watch: Watch) => void },
  ) {
    this.#state = state
    this.#prefix = prefix
    this.#place = from
    this.#onEnd = onEnd
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Calls that overlap are answered in their order. */
  next(): Promise<IteratorResult<ControlChange, undefined>> {
    const turn = this.#lastTurn.then(() => this.#take())
    this.#lastTurn = turn.catch(() => this.end())
    return turn
  }

  async return(): Promise<IteratorResult<ControlChange, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  /** The state may have changed. */
  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** No change is given out any more; a call that waits for one is answered. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#pending = []
    this.wake()
    this.#onEnd(this)
  }

  async #take(): Promise<IteratorResult<ControlChange, undefined>> {
    for (;;) {
      if (this.#isEnded) return { done: true, value: undefined }
      const change = this.#pending.shift() ?? this.#advance()
      if (change !== undefined) return { done: false, value: change }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #advance(): ControlChange | undefined {
    const transitions = this.#state.after(this.#place)
    if (transitions === undefined) throw new WatchTooLateError(this.#place)
    for (const { revision, changes } of transitions) {
      this.#place = revision
      this.#pending = changes.filter(({ key }) => key.startsWith(this.#prefix))
      const first = this.#pending.shift()
      if (first !== undefined) return first
    }
    return undefined
  }
}

/** The changes asked for are not kept any more. */
class WatchTooLateError extends Error {
  override readonly name = 'WatchTooLateError'

  constructor(place: Revision) {
    super(`changes after revision ${place} are not all kept any more: list, then watch again`)
  }
}
