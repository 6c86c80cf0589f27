/**
 * Reads a consensus log back, one bounded piece at a time: tell it which segments exist, read what `next` asks for, give it to
 * `push`, and take the end of the log from `finish`. Pure, so that every way a disk can be damaged is tested as a value.
 *
 * Rule 1  Damage with no intact header after it is a torn tail: its sync never returned, nothing in it was promised, it is dropped.
 * Rule 2  Damage before an intact header is fatal: a header is only written after the frame before it was durable, so what is
 *         damaged was promised to other nodes, and a node that forgets a promise breaks agreement.
 * Rule 3  A segment may end torn when its successor continues from the last intact frame: it was left so by an earlier start.
 * Rule 4  Every start writes the last frame again, as the first of a new segment. It counts once, whichever copies are left.
 * Rule 5  A segment below the floor may be anything: with its neighbours on their way out, it may be a copy that was never durable.
 */
import { compareBytes, concat } from '../base/bytes.ts'
import { AetherError } from '../base/fault.ts'
import { crc32 } from '../base/hash.ts'
import {
  decodeEntries,
  decodeHeader,
  type FrameHeader,
  frameBytes,
  frameHash,
  GENESIS_HASH,
  HEADER_BYTES,
  LOG_FORMAT,
  type LogEntry,
  SECTOR_BYTES,
} from './log-frame.ts'

export class LogScan {
  readonly #segments: readonly number[]
  readonly #onEntry: (entry: LogEntry) => void
  readonly #slotMax = new Map<number, number>()
  #index = 0
  #position = 0
  #buffer: Uint8Array = EMPTY
  /** How large the frame is that begins the buffer, as far as that is known. */
  #frameBytes = 0
  #searching = false
  #damage: Damage | undefined
  /** The segment of the first intact frame, if nothing shows what that follows; and what was damaged before it. */
  #first = 0
  #firstDamage: Damage | undefined
  #identity: Uint8Array | undefined
  #floor = 0
  /** The number that the next frame has, and the hash that it follows. */
  #sequence = 0
  #hash: Uint8Array = GENESIS_HASH
  /** What the last frame follows, and its payload. */
  #previous: Uint8Array = GENESIS_HASH
  #payload: Uint8Array = EMPTY
  /** The segments that have a copy of it, and its highest slot. */
  #copies: number[] = []
  #lastSlot = -1

  /** `segments` are the numbers of all files there are, in any order. `onEntry` must not keep the bytes it is shown. */
  constructor(segments: readonly number[], onEntry: (entry: LogEntry) => void) {
    this.#segments = segments.toSorted((a, b) => a - b)
    this.#onEntry = onEntry
    for (const [i, segment] of this.#segments.entries())
      if (i > 0 && segment !== (this.#segments[i - 1] as number) + 1)
        throw damaged(`segment ${segment - 1} is missing`)
  }

  /** What to read now, as far as the file goes; undefined when everything has been read. */
  next(): ScanRequest | undefined {
    const segment = this.#segments[this.#index]
    if (segment === undefined) return undefined
    const sizeBytes = Math.max(SCAN_BYTES, this.#frameBytes - this.#buffer.length)
    return { segment, offset: this.#position + this.#buffer.length, sizeBytes }
  }

  /** Some bytes from where `next` said, none at the end of the file; they must not change. Throws `data-damaged` (Rule 2). */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) this.#endSegment()
    else this.#buffer = this.#buffer.length === 0 ? bytes : concat([this.#buffer, bytes])
    while (this.#searching ? this.#search() : this.#takeFrame());
  }

  /** The end of the log, once `next` has returned undefined. */
  finish(): LogTail {
    const first = this.#segments[0]
    const last = [...this.#slotMax.keys()].at(-1) ?? -1
    if (first !== undefined && first > this.#floor)
      throw damaged(`segment ${this.#floor} is missing`)
    if (this.#first > this.#floor)
      throw this.#firstDamage
        ? inTheMiddle(this.#firstDamage)
        : damaged(`segment ${first} is empty`)
    return {
      identity: this.#identity,
      segments: this.#segments
        .filter((segment) => segment <= last)
        .map((segment) => ({ segment, slotMax: this.#slotMax.get(segment) ?? -1 })),
      floor: this.#floor,
      sequence: Math.max(0, this.#sequence - 1),
      previous: this.#previous,
      last: decodeEntries(this.#payload),
    }
  }

  #endSegment(): void {
    if (this.#buffer.length > 0 && !this.#searching) this.#damaged()
    this.#index++
    this.#position = 0
    this.#frameBytes = 0
    this.#buffer = EMPTY
    this.#searching = false
  }

  #takeFrame(): boolean {
    if (this.#buffer.length < HEADER_BYTES) return false
    const header = decodeHeader(this.#buffer)
    if (header === undefined || !this.#isHere(header)) return this.#damaged()
    this.#assertFollows(header)
    this.#damage = undefined
    const sizeBytes = frameBytes(header.payloadBytes)
    this.#frameBytes = sizeBytes
    if (this.#buffer.length < sizeBytes) return false
    const frame = this.#buffer.subarray(0, sizeBytes)
    const payload = frame.subarray(HEADER_BYTES, HEADER_BYTES + header.payloadBytes)
    if (crc32(payload) !== header.payloadCrc) return this.#damaged()
    this.#accept(header, frame, payload)
    this.#skip(sizeBytes)
    return true
  }

  #accept(header: FrameHeader, frame: Uint8Array, payload: Uint8Array): void {
    if (!this.#repeats(header)) {
      for (const segment of this.#copies) this.#raise(segment, this.#lastSlot)
      this.#copies = []
      this.#lastSlot = -1
      for (const entry of decodeEntries(payload)) {
        this.#lastSlot = Math.max(this.#lastSlot, entry.slot)
        this.#onEntry(entry)
      }
    }
    this.#copies.push(header.segment)
    this.#raise(header.segment, -1)
    this.#identity = header.identity
    this.#floor = header.floor
    this.#sequence = header.sequence + 1
    this.#hash = frameHash(frame)
    this.#previous = header.previous
    this.#payload = payload
  }

  #raise(segment: number, slot: number): void {
    this.#slotMax.set(segment, Math.max(slot, this.#slotMax.get(segment) ?? -1))
  }

  #repeats(header: FrameHeader): boolean {
    return (
      this.#identity !== undefined && header.offset === 0 && header.sequence + 1 === this.#sequence
    )
  }

  #isHere(header: FrameHeader): boolean {
    return (
      header.segment === this.#segments[this.#index] &&
      header.offset === this.#position &&
      (this.#identity === undefined || compareBytes(header.identity, this.#identity) === 0)
    )
  }

  #assertFollows(header: FrameHeader): void {
    if (header.format > LOG_FORMAT)
      throw new AetherError(
        'data-format-newer',
        `the consensus log has format ${header.format}, this node reads up to ${LOG_FORMAT}`,
        'Start the newer version that wrote it.',
      )
    // What the oldest kept frame follows was dropped, unless it is the very first.
    if (this.#identity === undefined && this.#position === 0 && header.sequence > 0) {
      this.#first = header.segment
      this.#firstDamage = this.#damage
      return
    }
    const [sequence, previous] = this.#repeats(header)
      ? [header.sequence, this.#previous]
      : [this.#sequence, this.#hash]
    if (header.sequence !== sequence || compareBytes(header.previous, previous) !== 0) {
      const at = this.#damage ?? { segment: header.segment, offset: header.offset }
      throw damaged(`segment ${at.segment} is damaged at byte ${at.offset}`)
    }
  }

  #damaged(): boolean {
    const segment = this.#segments[this.#index] as number
    this.#damage ??= { segment, offset: this.#position }
    this.#searching = true
    // The damaged frame's own header may be intact; only what follows it counts.
    this.#skip(Math.min(SECTOR_BYTES, this.#buffer.length))
    return true
  }

  #search(): boolean {
    if (this.#buffer.length < HEADER_BYTES) return false
    const header = decodeHeader(this.#buffer)
    if (header !== undefined && this.#isHere(header) && this.#damage)
      throw inTheMiddle(this.#damage)
    if (this.#buffer.length < SECTOR_BYTES) return false
    this.#skip(SECTOR_BYTES)
    return true
  }

  #skip(sizeBytes: number): void {
    this.#position += sizeBytes
    this.#buffer = this.#buffer.subarray(sizeBytes)
    this.#frameBytes = 0
  }
}

/** Bytes of `segment` from `offset` on, at most `sizeBytes`. */
export type ScanRequest = {
  readonly segment: number
  readonly offset: number
  readonly sizeBytes: number
}

type Damage = { readonly segment: number; readonly offset: number }

/** Where a log ends and what of it is on disk. */
export type LogTail = {
  /** Undefined when the log holds no frame yet. */
  readonly identity: Uint8Array | undefined
  /**
   * The segments up to the one with the last frame, ascending, each with the highest slot of its entries (-1 without).
   * Those of the last frame do not count, since it is going to be written again.
   */
  readonly segments: readonly SegmentSlots[]
  readonly floor: number
  /** The last frame: its number, what it follows, its entries. Zeros and nothing for a new log. */
  readonly sequence: number
  readonly previous: Uint8Array
  readonly last: readonly LogEntry[]
}

export type SegmentSlots = { readonly segment: number; readonly slotMax: number }

/** Read at a time; a scan holds that and one frame. */
const SCAN_BYTES = 256 * 1_024

const EMPTY = new Uint8Array()

function inTheMiddle({ segment, offset }: Damage): AetherError {
  return damaged(`segment ${segment} is damaged at byte ${offset}, before intact frames`)
}

function damaged(what: string): AetherError {
  return new AetherError(
    'data-damaged',
    `consensus log: ${what}`,
    'This node must not vote again: remove it from the cluster, empty its data directory and add it as a new member. ' +
      'The log is kept as it is; nothing else has to be done while the other members are a majority.',
  )
}
