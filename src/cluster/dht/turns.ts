/** A number of turns that are taken by whoever asks, first come, first served. */
export class Turns {
  readonly #turnsMax: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #taken = 0

  /** At most `turnsMax` are taken and `waitingMax` waited for. */
  constructor(turnsMax: number, waitingMax: number) {
    this.#turnsMax = turnsMax
    this.#waitingMax = waitingMax
  }

  /** Does the work when it is its turn; undefined when too many wait already. */
  async take<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#taken < this.#turnsMax) this.#taken++
    else if (this.#waiting.length >= this.#waitingMax) return undefined
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken--
      else next()
    }
  }
}
