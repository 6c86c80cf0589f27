import type { SlotNumber } from './ballot.ts'
import type { Batch, BatchId } from './batch.ts'
import type { Message } from './message.ts'

/** The last decisions, kept for members that missed them (R5). Bounded in number and size. */
export class History {
  readonly #batches: (Batch | null)[] = []
  readonly #ids = new Set<BatchId>()
  readonly #limits: HistoryLimits
  #start = 0
  #units = 0
  #first: SlotNumber = 1

  constructor(limits: HistoryLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#batches.length - this.#start
  }

  /** The slot after the last decision. */
  get end(): SlotNumber {
    return this.#first + this.size
  }

  /** Whether a kept decision is this batch. */
  has(id: BatchId): boolean {
    return this.#ids.has(id)
  }

  /** Adds the decision of slot `end`. */
  add(batch: Batch | undefined): void {
    this.#batches.push(batch ?? null)
    this.#units += sizeOf(batch)
    if (batch) this.#ids.add(batch.id)
    while (this.size > 1 && this.#isFull()) this.#drop()
  }

  /** What a node is told that has everything before slot `first`, which is below `end`. */
  answer(first: SlotNumber): Message {
    return { kind: 'decided', first, decisions: this.#range(first), end: this.end }
  }

  #range(first: SlotNumber): (Batch | null)[] {
    const found: (Batch | null)[] = []
    let units = 0
    for (let at = this.#start + first - this.#first; at < this.#batches.length; at++) {
      const batch = this.#batches[at] ?? null
      units += sizeOf(batch)
      if (found.length > 0 && units > RANGE_UNITS_MAX) break
      found.push(batch)
      if (found.length === RANGE_SLOTS_MAX) break
    }
    return found
  }

  #isFull(): boolean {
    return this.size > this.#limits.decisions || this.#units > this.#limits.decisionUnits
  }

  #drop(): void {
    const batch = this.#batches[this.#start]
    this.#batches[this.#start] = null
    this.#start++
    this.#first++
    this.#units -= sizeOf(batch)
    if (batch) this.#ids.delete(batch.id)
    // Dropping one by one from the front of an array would move all others each time.
    if (this.#start * 2 > this.#batches.length) {
      this.#batches.splice(0, this.#start)
      this.#start = 0
    }
  }
}

type HistoryLimits = { readonly decisions: number; readonly decisionUnits: number }

/** One answer to a laggard: small enough not to delay ballots, large enough to catch up quickly. */
const RANGE_SLOTS_MAX = 64
const RANGE_UNITS_MAX = 256 * 1_024

function sizeOf(batch: Batch | null | undefined): number {
  let units = 0
  for (const request of batch?.requests ?? []) units += request.command.length
  return units
}
