/**
 * Results of reads by entry name, at most `bytesMax` of them. When it is full the oldest goes,
 * unless it was used since it last came up (second chance): a hit then writes one flag instead of
 * moving the entry, and a burst of entries read once does not drive out those in use.
 */
export class EntryCache<T> {
  readonly #bytesMax: number
  /** In the order in which they come up. */
  readonly #slots = new Map<string, Slot<T>>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(name: string): T | undefined {
    const slot = this.#slots.get(name)
    if (slot === undefined) return undefined
    slot.used = true
    return slot.item
  }

  /**
   * `sizeBytes` is what the item holds besides its name. Something larger than the whole cache is
   * not kept.
   */
  set(name: string, item: T, sizeBytes: number): void {
    this.delete(name)
    const bytes = sizeBytes + 2 * name.length + SLOT_BYTES
    if (bytes > this.#bytesMax) return
    while (this.#bytes + bytes > this.#bytesMax) this.#evictOne()
    this.#slots.set(name, { item, bytes, used: false })
    this.#bytes += bytes
  }

  delete(name: string): void {
    this.#bytes -= this.#slots.get(name)?.bytes ?? 0
    this.#slots.delete(name)
  }

  #evictOne(): void {
    for (const [name, slot] of this.#slots) {
      if (!slot.used) {
        this.delete(name)
        return
      }
      slot.used = false
      this.#slots.delete(name)
      this.#slots.set(name, slot)
    }
  }
}

type Slot<T> = { readonly item: T; readonly bytes: number; used: boolean }

/**
 * Measured: 250 on the heap for the table's row, the slot and a result's objects; the buffer of a
 * value takes as much again.
 */
const SLOT_BYTES = 512
