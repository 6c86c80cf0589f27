import type { Batch, BatchId } from './batch.ts'

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

  find(id: BatchId): Batch | undefined {
    return this.#sorted.find((batch) => batch.id === id)
  }

  /** Keeps the batch unless it is known, or its origin has too many: it will repeat what is dropped here. */
  add(batch: Batch): void {
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

  remove(id: BatchId): void {
    const place = this.#sorted.findIndex((batch) => batch.id === id)
    if (place >= 0) this.#sorted.splice(place, 1)
  }
}

/** More than an origin has open, since batches of its earlier starts may still wait. */
const PER_ORIGIN_MAX = 8

function before(a: Batch, b: Batch): boolean {
  if (a.stamp !== b.stamp) return a.stamp < b.stamp
  if (a.origin !== b.origin) return a.origin < b.origin
  if (a.seq !== b.seq) return a.seq < b.seq
  // Only batches of different starts of one node get this far; an order that differs by node would forfeit for ever.
  return a.id < b.id
}
