/** The length of a piece in front of it, most significant byte first. */
export const LENGTH_BYTES = 4

/**
 * Cuts a stream of bytes into its length-prefixed pieces. Holds no more than a few times what was pushed, and no more than one
 * piece and two chunks if everything is taken out between two pushes.
 */
export class Splitter {
  #memory: Uint8Array = EMPTY
  #start = 0
  #end = 0

  /** Adds `chunk`, which belongs to the splitter from now on. */
  push(chunk: Uint8Array): void {
    const held = this.#end - this.#start
    if (held === 0) {
      this.#memory = chunk
      this.#start = 0
      this.#end = chunk.length
      return
    }
    const needed = held + chunk.length
    if (this.#memory.length - this.#end < chunk.length) {
      // What the piece needs and what may come with its end, so that it is copied once; or a multiple of what is here, since
      // a length may be announced whose bytes never come.
      const length = held < LENGTH_BYTES ? 0 : readUint32(this.#memory, this.#start)
      const wanted = Math.max(LENGTH_BYTES + length + chunk.length, 2 * needed)
      const grown = new Uint8Array(Math.min(wanted, GROWTH * needed))
      grown.set(this.#memory.subarray(this.#start, this.#end))
      this.#memory = grown
      this.#start = 0
      this.#end = held
    }
    // Never over bytes that were taken out already: those are views of the memory before `start`.
    this.#memory.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** The next whole piece as a view that nobody writes to again, or what there is instead. */
  take(bytesMax: number): Uint8Array | 'incomplete' | 'oversized' {
    const bodyStart = this.#start + LENGTH_BYTES
    if (bodyStart > this.#end) return 'incomplete'
    const length = readUint32(this.#memory, this.#start)
    if (length > bytesMax) return 'oversized'
    if (bodyStart + length > this.#end) return 'incomplete'
    this.#start = bodyStart + length
    return this.#memory.subarray(bodyStart, this.#start)
  }

  /** Whether everything pushed was taken out. */
  get isEmpty(): boolean {
    return this.#start === this.#end
  }
}

/** A piece of a few chunks gets its memory with the second one. */
const GROWTH = 4

const EMPTY = new Uint8Array(0)

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, LENGTH_BYTES).getUint32(0)
}
