import type { NoSpace } from '../base/port.ts'
import type { Result } from '../base/result.ts'

/** One group takes commits up to this size: beyond it a sync is no longer the larger part of its time. */
export const GROUP_BYTES_MAX = 1_024 * 1_024

/** And up to this many operations, so that one group does not hold up the event loop. */
export const GROUP_OPERATIONS_MAX = 512

type Outcome = Result<void, NoSpace>

/** Writes a group: all of it durably, or with `no-space` nothing. */
export type WriteGroup<Operation> = (
  operations: readonly Operation[],
  sizeBytes: number,
) => Promise<Outcome>

/** What the queue has to know of an operation. */
export type Sized = { readonly key: Uint8Array; readonly value?: Uint8Array }

type Commit<Operation> = {
  readonly operations: readonly Operation[]
  readonly sizeBytes: number
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: one group is being written; what arrives meanwhile forms the next one, in order of arrival, as
 * `takeGroup` has it.
 */
export class CommitQueue<Operation extends Sized> {
  readonly #writeGroup: WriteGroup<Operation>
  #waiting: Commit<Operation>[] = []
  #running: Promise<void> | undefined

  constructor(writeGroup: WriteGroup<Operation>) {
    this.#writeGroup = writeGroup
  }

  commit(operations: readonly Operation[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, sizeBytes: sizeOf(operations), resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when every commit so far has its outcome. */
  async drained(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // A turn of the microtask queue, so that commits made in the same turn share the first group.
      await Promise.resolve()
      const group = takeGroup(this.#waiting)
      const operations = group.flatMap((commit) => commit.operations)
      const sizeBytes = group.reduce((sum, commit) => sum + commit.sizeBytes, 0)
      try {
        const outcome = await this.#writeGroup(operations, sizeBytes)
        for (const commit of group) commit.resolve(outcome)
      } catch (error) {
        for (const commit of group) commit.reject(error)
      }
    }
    this.#running = undefined
  }
}

/**
 * Takes the oldest of what waits, as many as one group takes, and at least one. Nothing is split over two groups; what is
 * larger than a group is one by itself.
 */
export function takeGroup<T extends Grouped>(waiting: T[]): T[] {
  let count = 0
  let sizeBytes = 0
  let operationCount = 0
  for (const each of waiting) {
    sizeBytes += each.sizeBytes
    operationCount += each.operations.length
    const isFull = sizeBytes > GROUP_BYTES_MAX || operationCount > GROUP_OPERATIONS_MAX
    if (isFull && count > 0) break
    count++
  }
  return waiting.splice(0, count)
}

type Grouped = { readonly operations: readonly unknown[]; readonly sizeBytes: number }

function sizeOf(operations: readonly Sized[]): number {
  let sum = 0
  for (const { key, value } of operations) sum += key.length + (value?.length ?? 0)
  return sum
}
