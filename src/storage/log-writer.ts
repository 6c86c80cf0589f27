/**
 * Appends to a consensus log: decides what is written where, and what may be called durable when. Pure; `log.disk.ts` and the
 * simulator run the disk actions it asks for, one list at a time.
 *
 * Rule 1  One frame is in flight; what is appended meanwhile goes into the next one (group commit).
 * Rule 2  `appended` is said after the sync that covers the frame, never before.
 * Rule 3  A failed write or sync is final: nothing is said to be appended any more, since the kernel may have dropped the pages it
 *         could not write and a second sync would succeed without them.
 * Rule 4  A full disk refuses the frame in flight and everything behind it, in order, until the first refused token is appended
 *         again; that frame begins at the same place.
 * Rule 5  Every start writes the last frame again, as the first of a new segment: its sync may never have returned, or may have
 *         failed and left its pages clean but not on disk. Nothing is built on it before the copy is durable.
 * Rule 6  A segment is removed after a durable frame has raised the floor, oldest first, each removal durable before the next:
 *         so a gap is always damage.
 * Rule 7  Files grow by whole extents of zeros, written with the frame that needs the room: the frames after it overwrite what
 *         is there, and their sync is one write of data instead of that and a commit of the file system's journal.
 */
import { assert } from '../base/assert.ts'
import {
  ENTRY_OVERHEAD_BYTES,
  encodeFrame,
  FRAME_PAYLOAD_BYTES_MAX,
  type FramePlace,
  frameHash,
  type LogEntry,
} from './log-frame.ts'
import type { LogTail } from './log-scan.ts'

export class LogWriter {
  readonly #segmentBytes: number
  readonly #slotMax = new Map<number, number>()
  #place: FramePlace
  /** How far the current segment has been filled, with frames or with zeros. */
  #extended = 0
  #queue: Append[] = []
  #flight: Flight | undefined
  #last: readonly LogEntry[]
  #dropBelow = 0
  /** The first token that was refused and has not come again. */
  #refused: number | undefined
  #stopped = false

  /** `identity` is stamped into a log that has none yet. */
  constructor(tail: LogTail, options: { identity: Uint8Array; segmentBytes: number }) {
    this.#segmentBytes = options.segmentBytes
    for (const { segment, slotMax } of tail.segments) this.#slotMax.set(segment, slotMax)
    this.#last = tail.last
    this.#place = {
      identity: tail.identity ?? options.identity,
      segment: tail.segments.at(-1)?.segment ?? -1,
      // Full, so that the first frame begins a new segment (Rule 5).
      offset: Number.POSITIVE_INFINITY,
      floor: tail.floor,
      sequence: tail.sequence,
      previous: tail.previous,
    }
  }

  /** 16 bytes that name this log. */
  get identity(): Uint8Array {
    return this.#place.identity
  }

  /** Consumes one input. At most one `run` is outstanding; it is answered by exactly one `ran` or `failed`. */
  step(input: LogInput): readonly LogEffect[] {
    if (this.#stopped) return []
    switch (input.kind) {
      case 'open':
        return this.#open()
      case 'append':
        return this.#append(input)
      case 'drop-below':
        this.#dropBelow = Math.max(this.#dropBelow, input.slot)
        return this.#begin()
      case 'ran':
        return this.#ran()
      case 'failed':
        return this.#failed(input.cause)
    }
  }

  #open(): readonly LogEffect[] {
    assert(this.#flight === undefined, 'a log is opened once, before anything is appended')
    const frame = this.#frameFlight([], this.#last)
    this.#last = []
    // The name of the segment before may not be durable either, and a gap is damage.
    const isNew = this.#place.segment < 0
    const actions: LogAction[] = [...(isNew ? [] : [SYNC_DIRECTORY]), ...frame.actions]
    this.#flight = { ...frame, actions }
    return [{ kind: 'run', actions }]
  }

  #append(append: Append): readonly LogEffect[] {
    // Its writer has not heard of the refusal yet: taking this one would put it before what was refused.
    if (this.#refused !== undefined && append.token !== this.#refused)
      return [{ kind: 'refused', token: append.token }]
    this.#refused = undefined
    this.#queue.push(append)
    return this.#begin()
  }

  #begin(): readonly LogEffect[] {
    if (this.#flight !== undefined) return []
    const removable = this.#removable()
    if (removable.length > 0) {
      for (const segment of removable) this.#slotMax.delete(segment)
      const actions = removable.flatMap(removal)
      this.#flight = { actions, appends: [], slotMax: -1, extended: this.#extended }
    } else if (this.#queue.length > 0 || this.#floor() > this.#place.floor) {
      this.#flight = this.#frameFlight(this.#takeQueue())
    } else return []
    return [{ kind: 'run', actions: this.#flight.actions }]
  }

  #ran(): readonly LogEffect[] {
    const flight = this.#flight
    assert(flight !== undefined, 'a disk action ended that was not asked for')
    this.#flight = undefined
    if (flight.next !== undefined) {
      this.#place = flight.next
      this.#extended = flight.extended
      const before = this.#slotMax.get(this.#place.segment) ?? -1
      this.#slotMax.set(this.#place.segment, Math.max(before, flight.slotMax))
    }
    const appended = flight.appends.map(({ token }) => ({ kind: 'appended', token }) as const)
    return [...appended, ...this.#begin()]
  }

  #failed(cause: 'no-space' | 'broken'): readonly LogEffect[] {
    const flight = this.#flight
    assert(flight !== undefined, 'a disk action failed that was not asked for')
    this.#flight = undefined
    if (cause === 'broken') {
      this.#stopped = true
      return [{ kind: 'stopped' }]
    }
    const refused = [...flight.appends, ...this.#queue]
    this.#queue = []
    this.#refused = refused[0]?.token
    return refused.map(({ token }) => ({ kind: 'refused', token }))
  }

  #takeQueue(): Append[] {
    let bytes = 0
    let count = 0
    for (const { entries } of this.#queue) {
      for (const entry of entries) bytes += entry.bytes.length + ENTRY_OVERHEAD_BYTES
      if (bytes > FRAME_PAYLOAD_BYTES_MAX) break
      count++
    }
    assert(count > 0 || this.#queue.length === 0, 'an append is larger than a frame may be')
    return this.#queue.splice(0, count)
  }

  #frameFlight(
    appends: Append[],
    entries: readonly LogEntry[] = appends.flatMap((append) => append.entries),
  ): Flight {
    const rotates = this.#place.offset >= this.#segmentBytes
    const place: FramePlace = {
      ...this.#place,
      segment: this.#place.segment + (rotates ? 1 : 0),
      offset: rotates ? 0 : this.#place.offset,
      floor: this.#floor(),
    }
    const { segment, offset } = place
    const frame = encodeFrame(place, entries)
    const end = offset + frame.length
    const before = rotates ? 0 : this.#extended
    const extended = end <= before ? before : this.#extent(end)
    const bytes = end <= before ? frame : padded(frame, extended - offset)
    const write: LogAction[] = [
      { kind: 'write', segment, offset, bytes },
      { kind: 'sync', segment },
    ]
    return {
      actions: rotates ? [{ kind: 'create', segment }, ...write, SYNC_DIRECTORY] : write,
      appends,
      slotMax: entries.reduce((max, entry) => Math.max(max, entry.slot), -1),
      extended,
      next: {
        ...place,
        offset: end,
        sequence: place.sequence + 1,
        previous: frameHash(frame),
      },
    }
  }

  /** How far to fill a segment in which a frame ends at `end`: not beyond the offset at which the next segment begins. */
  #extent(end: number): number {
    return Math.max(end, Math.min(Math.ceil(end / EXTENT_BYTES) * EXTENT_BYTES, this.#segmentBytes))
  }

  /** The floor that `dropBelow` allows: the first segment, or the current one, with an entry that is still needed. */
  #floor(): number {
    let floor = this.#place.floor
    while (floor < this.#place.segment && (this.#slotMax.get(floor) ?? -1) < this.#dropBelow)
      floor++
    return floor
  }

  #removable(): readonly number[] {
    const { floor } = this.#place
    const [oldest = floor] = this.#slotMax.keys()
    return Array.from({ length: Math.max(0, floor - oldest) }, (_, i) => oldest + i)
  }
}

export type LogInput =
  /** First of all, once. */
  | { readonly kind: 'open' }
  /**
   * `entries` become durable together; at most `FRAME_PAYLOAD_BYTES_MAX` with their overhead. Ownership passes to the log.
   * Every append has a token of its own; only a refused one may come again.
   */
  | { readonly kind: 'append'; readonly entries: readonly LogEntry[]; readonly token: number }
  /** No entry of a lower slot is needed any more. Never goes back. */
  | { readonly kind: 'drop-below'; readonly slot: number }
  | { readonly kind: 'ran' }
  | { readonly kind: 'failed'; readonly cause: 'no-space' | 'broken' }

export type LogEffect =
  /** Do these in order, stop at the first that fails. The first list ends the opening. */
  | { readonly kind: 'run'; readonly actions: readonly LogAction[] }
  /** Durable. Said in the order of the appends. */
  | { readonly kind: 'appended'; readonly token: number }
  /** Not written, the disk is full; may be appended again, in the same order. */
  | { readonly kind: 'refused'; readonly token: number }
  /** The node has to stop. Nothing follows. */
  | { readonly kind: 'stopped' }

export type LogAction =
  /** An empty file of this name, whatever it held before. */
  | { readonly kind: 'create'; readonly segment: number }
  | {
      readonly kind: 'write'
      readonly segment: number
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'sync'; readonly segment: number }
  | { readonly kind: 'remove'; readonly segment: number }
  | { readonly kind: 'sync-directory' }

type Append = Extract<LogInput, { kind: 'append' }>

type Flight = {
  readonly actions: readonly LogAction[]
  readonly appends: readonly Append[]
  readonly slotMax: number
  /** How far the segment has been filled when this has run. */
  readonly extended: number
  /** Where the log ends when this has run; absent when nothing is written. */
  readonly next?: FramePlace
}

/** Rare enough that the slower sync of an extension does not count, small enough that it holds up nobody for long. */
const EXTENT_BYTES = 512 * 1_024

const SYNC_DIRECTORY = { kind: 'sync-directory' } as const

function padded(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const longer = new Uint8Array(sizeBytes)
  longer.set(bytes)
  return longer
}

function removal(segment: number): LogAction[] {
  return [{ kind: 'remove', segment }, SYNC_DIRECTORY]
}
