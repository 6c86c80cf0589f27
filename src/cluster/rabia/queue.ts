import type { SlotNumber } from './ballot.ts'
import { type Batch, type BatchId, bundle, PARTS_MAX, partsOf } from './batch.ts'
import { sizeOf } from './history.ts'

/**
 * The batches a node knows of and no slot has decided yet, ordered by (stamp, origin, seq, id) so that all nodes tend to
 * propose the same one (R11). A stamp is a slot number, hence no clock can starve anybody.
 */
export class BatchQueue {
  readonly #sorted: Batch[] = []

  get size(): number {
    return this.#sorted.length
  }

  get head(): Batch | undefined {
    return this.#sorted[0]
  }

  /** The batch of this id, or the bundle if all its parts are here. */
  find(id: BatchId): Batch | undefined {
    const parts = partsOf(id).map((part) => this.#sorted.find((batch) => batch.id === part))
    const [first, ...rest] = parts.filter((part) => part !== undefined)
    return first && rest.length === parts.length - 1 ? bundle([first, ...rest]) : undefined
  }

  /**
   * What to propose in `slot`: all that was sealed in slots before, together (R18); else the head.
   */
  next(slot: SlotNumber): Batch | undefined {
    const [first, ...rest] = this.#sorted
    if (!first) return undefined
    const parts: [Batch, ...Batch[]] = [first]
    let units = sizeOf(first)
    for (const batch of rest) {
      units += sizeOf(batch)
      if (batch.stamp >= slot || units > BUNDLE_UNITS_MAX || parts.length === PARTS_MAX) break
      parts.push(batch)
    }
    return bundle(parts)
  }

  /** Keeps the batch unless it is known, is a bundle, or its origin has too many: it will repeat what is dropped here. */
  add(batch: Batch): void {
    if (partsOf(batch.id).length > 1) return
    let ofOrigin = 0
    let place = this.#sorted.length
    for (let i = this.#sorted.length - 1; i >= 0; i--) {
      const other = this.#sorted[i] as Batch
      if (other.id === batch.id) return
      if (other.origin === batch.origin) ofOrigin++
      if (before(batch, other)) place = i
    }
    if (ofOrigin < PER_ORIGIN_MAX) this.#sorted.splice(place, 0, batch)
  }

  clear(): void {
    this.#sorted.length = 0
  }

  /** Removes the batch, or the parts of the bundle. */
  remove(id: BatchId): void {
    for (const part of partsOf(id)) {
      const place = this.#sorted.findIndex((batch) => batch.id === part)
      if (place >= 0) this.#sorted.splice(place, 1)
    }
  }
}

/** Four full batches: what is written and sent for a slot stays small. */
const BUNDLE_UNITS_MAX = 256 * 1_024

/** More than an origin has open, since batches of its earlier starts may still wait. */
const PER_ORIGIN_MAX = 8

function before(a: Batch, b: Batch): boolean {
  if (a.stamp !== b.stamp) return a.stamp < b.stamp
  if (a.origin !== b.origin) return a.origin < b.origin
  if (a.seq !== b.seq) return a.seq < b.seq
  // Only batches of different starts of one node get this far; an order that differs by node would forfeit for ever.
  return a.id < b.id
}
