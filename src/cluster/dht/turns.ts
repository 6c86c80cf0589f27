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

  /**
   * Does the work when it is its turn; undefined when too many wait already, or when `givenUp` resolves before its turn has
   * come.
   */
  async take<T>(work: () => Promise<T>, givenUp?: Promise<unknown>): Promise<T | undefined> {
    if (this.#taken < this.#turnsMax) this.#taken++
    else if (this.#waiting.length >= this.#waitingMax) return undefined
    else if (!(await this.#turn(givenUp))) return undefined
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken--
      else next()
    }
  }

  /** False when it was given up. */
  #turn(givenUp: Promise<unknown> | undefined): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const turn = () => resolve(true)
    this.#waiting.push(turn)
    void givenUp?.then(() => {
      const place = this.#waiting.indexOf(turn)
      if (place < 0) return
      this.#waiting.splice(place, 1)
      resolve(false)
    })
    return promise
  }
}
