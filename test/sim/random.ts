import { seededRandom } from '../twin/random.ts'

/**
 * Randomness that depends on a seed alone. Every subsystem splits off its own by name, so that one more draw in one of them
 * does not change what the others draw.
 */
export class Random {
  readonly #seed: number
  readonly #next: () => number

  constructor(seed: number) {
    this.#seed = seed
    this.#next = seededRandom(seed)
  }

  split(name: string): Random {
    let hash = this.#seed ^ 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    return new Random(Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0)
  }

  /** In [0, 1). */
  next(): number {
    return this.#next()
  }

  /** An integer from `min` to `max`, both possible. */
  int(min: number, max: number): number {
    return min + Math.floor(this.#next() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.#next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#next() * list.length)] as T
  }

  /** From `min` up, each doubling as likely as the one before: mostly short, sometimes `max`. */
  skewed(min: number, max: number): number {
    return Math.round(min * (max / min) ** this.#next())
  }

  shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(0, i)
      ;[copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
    }
    return copy
  }
}
