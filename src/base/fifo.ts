/** First in, first out, at a cost that does not depend on how much is in it: an array moves all others for each that leaves. */
export class Fifo<T> {
  #items: T[] = []
  #start = 0

  get size(): number {
    return this.#items.length - this.#start
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** All but the `count` oldest. */
  after(count: number): readonly T[] {
    return this.#items.slice(this.#start + count)
  }

  /** Removes the `count` oldest and returns them; there are so many. */
  take(count: number): readonly T[] {
    const taken = this.#items.slice(this.#start, this.#start + count)
    this.#start += count
    if (2 * this.#start > this.#items.length) {
      this.#items = this.#items.slice(this.#start)
      this.#start = 0
    }
    return taken
  }
}
