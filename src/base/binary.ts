import { assert } from './assert.ts'
import { text } from './bytes.ts'
import { transientBytes } from './transient.ts'

const encoder = new TextEncoder()

/**
 * The bytes that `write` puts one after the other, in an array of their own; `BinaryReader` reads
 * them back. Numbers have their most significant byte first, so that the order of bytes is the
 * order of numbers.
 */
export function encodeBinary(write: (writer: BinaryWriter) => void): Uint8Array {
  return encode(write, (sizeBytes) => new Uint8Array(sizeBytes))
}

/** The same in `transientBytes`. */
export function encodeTransient(write: (writer: BinaryWriter) => void): Uint8Array {
  return encode(write, transientBytes)
}

function encode(
  write: (writer: BinaryWriter) => void,
  allocate: (sizeBytes: number) => Uint8Array,
): Uint8Array {
  const start = shared.size
  try {
    write(shared)
    const bytes = allocate(shared.size - start)
    shared.copyTo(bytes, start)
    return bytes
  } finally {
    shared.size = start
  }
}

/** What `encodeBinary` lends to its caller. */
export class BinaryWriter {
  size = 0
  #bytes = new Uint8Array(4_096)

  uint8(value: number): this {
    return this.#number(value, 1)
  }

  uint16(value: number): this {
    return this.#number(value, 2)
  }

  uint32(value: number): this {
    return this.#number(value, 4)
  }

  /** For counters that never wrap. */
  uint48(value: number): this {
    return this.#number(value, 6)
  }

  /**
   * The UTF-8 bytes of `value` behind their length in four bytes: no two lists of them come out
   * alike.
   */
  sizedText(value: string): this {
    const start = this.size
    this.size += 4
    this.text(value)
    const end = this.size
    this.size = start
    this.uint32(end - start - 4)
    this.size = end
    return this
  }

  /** The UTF-8 bytes of `value` alone: only where something else tells where they end. */
  text(value: string): this {
    this.#reserve(value.length * UTF8_BYTES_PER_UNIT)
    this.size += encoder.encodeInto(value, this.#bytes.subarray(this.size)).written
    return this
  }

  /** `value` behind its length in four bytes. */
  sizedBytes(value: Uint8Array): this {
    return this.uint32(value.length).bytes(value)
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length)
    this.#bytes.set(value, this.size)
    this.size += value.length
    return this
  }

  /** All that has been written from `start` on. */
  copyTo(target: Uint8Array, start: number): void {
    target.set(this.#bytes.subarray(start, this.size))
  }

  #number(value: number, size: number): this {
    const isInRange = Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size)
    assert(isInRange, 'not a number of so many bytes')
    this.#reserve(size)
    let rest = value
    for (let at = this.size + size - 1; at >= this.size; at--) {
      this.#bytes[at] = rest
      rest = Math.floor(rest / 256)
    }
    this.size += size
    return this
  }

  #reserve(size: number): void {
    const needed = this.size + size
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

/**
 * One for all, since allocating is what costs; an encoding within an encoding is stacked on top of
 * it.
 */
const shared = new BinaryWriter()

/** Reads what `encodeBinary` wrote. Throws a RangeError when bytes are missing. */
export class BinaryReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  uint8(): number {
    return this.#number(1)
  }

  uint16(): number {
    return this.#number(2)
  }

  uint32(): number {
    return this.#number(4)
  }

  uint48(): number {
    return this.#number(6)
  }

  sizedText(): string {
    return text(this.#take(this.uint32()))
  }

  /** A view, not a copy. */
  sizedBytes(): Uint8Array {
    return this.#take(this.uint32())
  }

  /** Whether everything has been read. */
  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** Everything not read yet: a view, not a copy. */
  rest(): Uint8Array {
    return this.#take(this.#bytes.length - this.#offset)
  }

  #take(size: number): Uint8Array {
    const start = this.#skip(size)
    return this.#bytes.subarray(start, this.#offset)
  }

  #number(size: number): number {
    let value = 0
    for (let at = this.#skip(size); at < this.#offset; at++) {
      value = value * 256 + (this.#bytes[at] as number)
    }
    return value
  }

  /** Gives where the skipped bytes begin. */
  #skip(size: number): number {
    const start = this.#offset
    const missing = start + size - this.#bytes.length
    if (missing > 0) throw new RangeError(`${missing} bytes missing`)
    this.#offset = start + size
    return start
  }
}

/** At most: a unit of UTF-16 becomes up to three bytes, a pair of them four. */
const UTF8_BYTES_PER_UNIT = 3
