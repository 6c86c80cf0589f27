import { assert } from '../base/assert.ts'
import type { Digest } from '../base/ids.ts'

/** The default size of the cache: a few thousand POMs and the jars that a build asks for again and again. */
export const BLOB_CACHE_BYTES = 64 * 1_024 * 1_024

/** Larger blobs are streamed: one of them would push out too many small ones, and their reads are efficient anyway. */
export const CACHED_BLOB_BYTES_MAX = 4 * 1_024 * 1_024

/** Charged to each entry beside its bytes, for its key and its place in the index. */
const ENTRY_BYTES = 256

/** Blobs whose first read is remembered, so that a second one admits them. */
const READ_ONCE_MAX = 8_192

type Entry = { readonly bytes: Uint8Array; isVisited: boolean }

/**
 * Whole small blobs in memory, outside the V8 heap (the storage of typed arrays is), under a hard cap that includes
 * reservations. A blob is admitted at its second read; eviction is SIEVE (Zhang et al., NSDI '24):
 * entries stay in order of arrival, a hit only marks, and a hand passes from old to new and removes the unmarked.
 *
 * Memory is not reused by the cache itself: bytes that were handed out stay valid after an eviction.
 */
export class BlobCache {
  readonly #capacityBytes: number
  readonly #entries = new Map<Digest, Entry>()
  readonly #readOnce = new Set<Digest>()
  /** A live iterator: it sees entries that come after it and skips those removed. */
  #hand = this.#entries.entries()
  #usedBytes = 0
  #reservedBytes = 0

  constructor(capacityBytes = BLOB_CACHE_BYTES) {
    this.#capacityBytes = capacityBytes
  }

  /** Bytes of entries and reservations, never above the capacity. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  get(digest: Digest): Uint8Array | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    entry.isVisited = true
    return entry.bytes
  }

  /** Whether a blob that is not here and is being read should be reserved for and admitted: at its second read. */
  wantsRead(digest: Digest, sizeBytes: number): boolean {
    if (!this.#fits(sizeBytes)) return false
    if (this.#readOnce.delete(digest)) return true
    this.#readOnce.add(digest)
    if (this.#readOnce.size > READ_ONCE_MAX) {
      const oldest = this.#readOnce.values().next()
      if (!oldest.done) this.#readOnce.delete(oldest.value)
    }
    return false
  }

  /**
   * Memory for a blob of this size that is about to be read, or undefined when it is too large or too much is reserved.
   * The caller either admits it or gives it up.
   */
  reserve(sizeBytes: number): Uint8Array | undefined {
    const charge = sizeBytes + ENTRY_BYTES
    // Half of the cache at most: reads that may yet fail must not push out everything.
    if (!this.#fits(sizeBytes) || this.#reservedBytes + charge > this.#capacityBytes / 2) {
      return undefined
    }
    while (this.#usedBytes + charge > this.#capacityBytes) this.#evict()
    this.#usedBytes += charge
    this.#reservedBytes += charge
    return new Uint8Array(sizeBytes)
  }

  /** Makes reserved and now filled memory an entry. From here on its bytes never change. */
  admit(digest: Digest, reserved: Uint8Array): void {
    const charge = reserved.length + ENTRY_BYTES
    this.#reservedBytes -= charge
    if (this.#entries.has(digest)) this.#usedBytes -= charge
    else this.#entries.set(digest, { bytes: reserved, isVisited: false })
  }

  giveUp(reserved: Uint8Array): void {
    const charge = reserved.length + ENTRY_BYTES
    this.#reservedBytes -= charge
    this.#usedBytes -= charge
  }

  #fits(sizeBytes: number): boolean {
    return sizeBytes <= CACHED_BLOB_BYTES_MAX && sizeBytes + ENTRY_BYTES <= this.#capacityBytes / 2
  }

  #evict(): void {
    for (;;) {
      const step = this.#hand.next()
      if (step.done) {
        assert(this.#entries.size > 0, 'what is not reserved belongs to an entry')
        this.#hand = this.#entries.entries()
        continue
      }
      const [digest, entry] = step.value
      if (!entry.isVisited) {
        this.#entries.delete(digest)
        this.#usedBytes -= entry.bytes.length + ENTRY_BYTES
        return
      }
      entry.isVisited = false
    }
  }
}
