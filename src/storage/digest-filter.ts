import type { Digest } from '../base/ids.ts'

/** 8 MiB of bits: with a million chunks (4 TB) in it, one other digest in 10⁵ is taken for a member. */
const FILTER_BITS_LOG2 = 26

/** Each position is taken from 8 hex digits of the digest, which are as good as random. */
const POSITIONS = 4

/** A set of digests in bounded memory (Bloom 1970): it never denies a member, but may claim one too many. */
export class DigestFilter {
  readonly #bits = new Uint8Array(2 ** FILTER_BITS_LOG2 / 8)

  add(digest: Digest): void {
    for (let i = 0; i < POSITIONS; i++) {
      const position = positionOf(digest, i)
      this.#bits[position >>> 3] = (this.#bits[position >>> 3] as number) | (1 << (position & 7))
    }
  }

  mayHave(digest: Digest): boolean {
    for (let i = 0; i < POSITIONS; i++) {
      const position = positionOf(digest, i)
      if (((this.#bits[position >>> 3] as number) & (1 << (position & 7))) === 0) return false
    }
    return true
  }
}

function positionOf(digest: Digest, i: number): number {
  return Number.parseInt(digest.slice(8 * i, 8 * i + 8), 16) >>> (32 - FILTER_BITS_LOG2)
}
