import type { PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { HighWater } from '../../../storage/index.ts'

/**
 * The high-water marks in memory, saved a while after they have changed. A mark may lag behind:
 * what is lost of the writes since is not noticed, which is why the while is short.
 */
export class MarkTable {
  readonly #highWater: HighWater
  readonly #fail: (fault: unknown) => void
  readonly #marks: Map<PartitionId, Version>
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()
  #isSaved = true

  /** `fail` hears of a disk that has failed. */
  constructor(highWater: HighWater, fail: (fault: unknown) => void) {
    this.#highWater = highWater
    this.#fail = fail
    this.#marks = new Map(highWater.marks)
  }

  get(partition: PartitionId): Version | undefined {
    return this.#marks.get(partition)
  }

  /** Every write to the partition up to `version` is durable. */
  advance(partition: PartitionId, version: Version): void {
    this.#marks.set(partition, version)
    this.#isSaved = false
    this.#timer ??= setTimeout(() => this.#save(), SAVE_AFTER_MS).unref()
  }

  /** Saves what has changed. No call may follow. */
  close(): Promise<void> {
    this.#save()
    return this.#saving
  }

  #save(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#saving = this.#saving.then(async () => {
      if (this.#isSaved) return
      this.#isSaved = true
      try {
        const saved = await this.#highWater.save(new Map(this.#marks))
        if (!saved.ok) this.#isSaved = false
      } catch (fault) {
        this.#fail(fault)
      }
    })
  }
}

/** One sync a second beside the hundreds of a busy node. */
const SAVE_AFTER_MS = 1_000
