import type { Disk } from './file-system.ts'

/**
 * Space that is never given to data, because LevelDB cannot recover from a full disk while it runs: it needs room to
 * flush its tables and to write a compaction's output before it deletes the input.
 */
const RESERVE_BYTES_MAX = 256 * 1_024 * 1_024

/** On a small file system the reserve is this share of it instead. */
const RESERVE_SHARE = 1 / 8

/** The file system is asked again after this many admitted bytes, far below any reserve that matters, … */
const RECHECK_BYTES = 4 * 1_024 * 1_024

/** … or after this many writes, so that on a quiet node others who fill the disk are noticed as well. */
const RECHECK_WRITES = 16

/**
 * Decides before a write whether there is room for it. One per data directory, shared by all who write to it. When it asks
 * the file system, what was admitted but not yet written counts as free once more: with all uploads open 64 MiB at most,
 * which the reserve covers.
 */
export class SpaceGuard {
  readonly #disk: Disk
  readonly #directory: string
  #freeBytes = 0
  #reserveBytes = 0
  #uncheckedBytes = 0
  #uncheckedWrites = RECHECK_WRITES

  constructor(disk: Disk, directory: string) {
    this.#disk = disk
    this.#directory = directory
  }

  /**
   * Whether `sizeBytes` more may be written. `records` may use all but the reserve; `chunks` leave a second reserve for
   * the records, so that on a disk full of artifacts their metadata can still be changed.
   */
  async admit(sizeBytes: number, kind: 'records' | 'chunks'): Promise<boolean> {
    const isFresh = this.#uncheckedBytes < RECHECK_BYTES && this.#uncheckedWrites < RECHECK_WRITES
    if (isFresh && this.#take(sizeBytes, kind)) return true
    const { freeBytes, totalBytes } = await this.#disk.freeSpace(this.#directory)
    this.#freeBytes = freeBytes
    this.#reserveBytes = Math.min(RESERVE_BYTES_MAX, totalBytes * RESERVE_SHARE)
    this.#uncheckedBytes = 0
    this.#uncheckedWrites = 0
    return this.#take(sizeBytes, kind)
  }

  #take(sizeBytes: number, kind: 'records' | 'chunks'): boolean {
    const keptBytes = kind === 'records' ? this.#reserveBytes : 2 * this.#reserveBytes
    if (this.#freeBytes - sizeBytes < keptBytes) return false
    this.#freeBytes -= sizeBytes
    this.#uncheckedBytes += sizeBytes
    this.#uncheckedWrites++
    return true
  }
}
