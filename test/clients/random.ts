import { noise } from '../http/client.ts'

/** Numbers and bytes that are the same for the same seed. */
export class Random {
  #state: number
  readonly #pool: Buffer

  constructor(seed: number, pool?: Buffer) {
    this.#state = seed
    this.#pool = pool ?? noise(POOL_BYTES, `${seed}`)
  }

  /** A whole number, at least 0 and less than `limit`. The generator is mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  /** At most 8 MiB, shared with other calls: not to be modified. */
  bytes(count: number): Buffer {
    const start = this.below(POOL_BYTES - count)
    return this.#pool.subarray(start, start + count)
  }

  /** A sequence of its own, for one of several that run at once. */
  fork(): Random {
    return new Random(this.below(2 ** 32), this.#pool)
  }
}

/** The seed in the variable SEED, to replay a run, or a new one; printed in either case. */
export function chooseSeed(): number {
  const given = process.env['SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  console.log(`SEED=${seed} replays this run`)
  return seed
}

const POOL_BYTES = 8 * 1_024 * 1_024
