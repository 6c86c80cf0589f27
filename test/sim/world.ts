/**
 * Time. Everything that happens in a simulation is an event of its world, run one after the other in the order of virtual time;
 * events of the same time run in an order drawn from the seed. Nothing else makes anything happen, so a seed is a history.
 */
import type { Random } from './random.ts'

/** One virtual second, in the unit of all times and delays here. */
export const SECOND = 1_000_000
export const MILLISECOND = 1_000

export class World {
  readonly random: Random
  /** Virtual microseconds since the beginning. */
  now = 0
  /** Events run so far. */
  events = 0
  readonly #heap: Event[] = []
  readonly #ties: Random
  readonly #watch: ((line: string) => void) | undefined
  #sequence = 0
  #hashLow = 0x811c9dc5
  #hashHigh = 0x01234567

  /** `watch` sees every line of the trace. */
  constructor(random: Random, watch?: (line: string) => void) {
    this.random = random
    this.#ties = random.split('ties')
    this.#watch = watch
  }

  /** Runs `run` when `delayUs` have passed. */
  schedule(delayUs: number, run: () => void): void {
    const time = this.now + Math.max(0, Math.round(delayUs))
    this.#push({ time, tie: this.#ties.next(), sequence: this.#sequence++, run })
  }

  /** Runs events until `time` has come or `isOver` answers true after one of them. */
  runUntil(time: number, isOver: () => boolean = () => false): void {
    for (;;) {
      const event = this.#heap[0]
      if (event === undefined || event.time > time) break
      this.#pop()
      this.now = event.time
      this.events++
      event.run()
      if (isOver()) return
    }
    this.now = Math.max(this.now, time)
  }

  /** Adds a line to the trace: two runs of a seed are the same when their traces are. */
  trace(line: string): void {
    let low = this.#hashLow ^ this.now
    let high = this.#hashHigh
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13)
    }
    this.#hashLow = low
    this.#hashHigh = high ^ this.now
    this.#watch?.(`${(this.now / SECOND).toFixed(6)} ${line}`)
  }

  /** Of all lines of the trace and their times. */
  traceHash(): string {
    return [this.#hashHigh, this.#hashLow]
      .map((half) => (half >>> 0).toString(16).padStart(8, '0'))
      .join('')
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

type Event = {
  readonly time: number
  readonly tie: number
  readonly sequence: number
  readonly run: () => void
}

function isBefore(a: Event, b: Event): boolean {
  if (a.time !== b.time) return a.time < b.time
  if (a.tie !== b.tie) return a.tie < b.tie
  return a.sequence < b.sequence
}
