import { assert } from '../../base/assert.ts'
import type { SlotNumber } from './ballot.ts'
import { type Batch, type BatchId, partsOf } from './batch.ts'
import { decodeBatch, encodeBatch } from './batch-codec.ts'
import type { Message } from './message.ts'

/**
 * The last decisions, kept for members that missed them (R5). Bounded in number and size: by the limits for what a
 * durable snapshot covers, by twice the limits for the rest.
 *
 * They are kept as bytes: of hundreds of thousands of requests the garbage collector would move and mark every one, and
 * each of its pauses holds up the slot of all members.
 */
export class History {
  readonly #decisions: (Decision | undefined)[] = []
  readonly #ids = new Set<BatchId>()
  readonly #limits: HistoryLimits
  #start = 0
  #units = 0
  #first: SlotNumber
  /** The slot of the durable snapshot. */
  #covered: SlotNumber = 0

  /** Begins with the decision of slot `first`. */
  constructor(first: SlotNumber, limits: HistoryLimits) {
    this.#first = first
    this.#limits = limits
  }

  get size(): number {
    return this.#decisions.length - this.#start
  }

  /** The slot of the first decision that is kept. */
  get first(): SlotNumber {
    return this.#first
  }

  /** The slot after the last decision. */
  get end(): SlotNumber {
    return this.#first + this.size
  }

  /** Whether a kept decision is this batch, or has it as a part. */
  has(id: BatchId): boolean {
    return this.#ids.has(id)
  }

  /** Adds the decision of slot `end`. */
  add(batch: Batch | undefined): void {
    if (batch) {
      const decision = { id: batch.id, units: sizeOf(batch), bytes: encodeBatch(batch) }
      this.#decisions.push(decision)
      this.#units += decision.units
      for (const id of partsOf(batch.id)) this.#ids.add(id)
    } else this.#decisions.push(undefined)
    this.#shrink()
  }

  /** A durable snapshot stands for everything up to `slot`. */
  cover(slot: SlotNumber): void {
    this.#covered = slot
    this.#shrink()
  }

  /** What a node is told that has everything before slot `first`, which is kept. */
  answer(first: SlotNumber): Message {
    return { kind: 'decided', first, decisions: this.#range(first), end: this.end }
  }

  #range(first: SlotNumber): (Batch | null)[] {
    const found: (Batch | null)[] = []
    let units = 0
    for (let at = this.#start + first - this.#first; at < this.#decisions.length; at++) {
      const decision = this.#decisions[at]
      units += decision?.units ?? 0
      if (found.length > 0 && units > RANGE_UNITS_MAX) break
      found.push(decision ? batchOf(decision) : null)
      if (found.length === RANGE_SLOTS_MAX) break
    }
    return found
  }

  #shrink(): void {
    while (this.size > 1 && this.#isOver(this.#first <= this.#covered ? 1 : 2)) this.#drop()
  }

  #isOver(factor: number): boolean {
    const { decisions, decisionUnits } = this.#limits
    return this.size > decisions * factor || this.#units > decisionUnits * factor
  }

  #drop(): void {
    const decision = this.#decisions[this.#start]
    this.#decisions[this.#start] = undefined
    this.#start++
    this.#first++
    if (decision) {
      this.#units -= decision.units
      for (const id of partsOf(decision.id)) this.#ids.delete(id)
    }
    // Dropping one by one from the front of an array would move all others each time.
    if (this.#start * 2 > this.#decisions.length) {
      this.#decisions.splice(0, this.#start)
      this.#start = 0
    }
  }
}

function batchOf({ bytes }: Decision): Batch {
  const batch = decodeBatch(bytes)
  assert(batch !== undefined, 'what was kept is as it was encoded')
  return batch
}

type Decision = { readonly id: BatchId; readonly units: number; readonly bytes: Uint8Array }

type HistoryLimits = { readonly decisions: number; readonly decisionUnits: number }

/** One answer to a laggard: small enough not to delay ballots, large enough to catch up quickly. */
const RANGE_SLOTS_MAX = 64
const RANGE_UNITS_MAX = 256 * 1_024

/** In UTF-16 units of the commands. */
export function sizeOf(batch: Batch): number {
  let units = 0
  for (const request of batch.requests) units += request.command.length
  return units
}
