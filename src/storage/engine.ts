import type { NoSpace } from '../base/port.ts'
import type { Result } from '../base/result.ts'

export type EngineOperation =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }

export type EngineEntry = { readonly key: Uint8Array; readonly value: Uint8Array }

/** Keys from `gte` up to and without `lt`, in the order of unsigned bytes (descending with `reverse`). */
export type EngineRange = {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly limit: number
  /** Nothing more is read when keys and values are larger than this together; unbounded if absent. */
  readonly bytesMax?: number
  readonly reverse?: boolean
}

/** Whether a scan has given as much as it may, so that more may follow in its range. */
export function isCut({ limit, bytesMax }: EngineRange, found: readonly EngineEntry[]): boolean {
  return found.length >= limit || (bytesMax !== undefined && entriesBytes(found) > bytesMax)
}

/** The keys and values together. */
export function entriesBytes(entries: readonly EngineEntry[]): number {
  return entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
}

/**
 * An ordered, durable map from bytes to bytes: what a replica keeps its partitions in.
 *
 * - `get` and `scan` show exactly the commits that have resolved, each whole: never half of one, never one in flight.
 * - Commits take effect in the order of the calls; one that resolves with ok survives power loss, and so do all before it.
 * - Every value is checksummed together with its key. A value that fails its check rejects with an AetherError
 *   `data-damaged` instead of being returned.
 * - A failed sync is final: the commit and all later ones reject with `disk-failed` and the node has to stop.
 */
export interface Engine {
  /** Synchronous, since a replica must decide on a condition and order the write in one step. */
  get(key: Uint8Array): Uint8Array | undefined
  /** The state at the moment of the call, also when commits follow before it resolves. */
  scan(range: EngineRange): Promise<readonly EngineEntry[]>
  /** Ownership of the bytes passes to the engine. With `no-space` nothing of it was written. */
  commit(operations: readonly EngineOperation[]): Promise<Result<void, NoSpace>>
  /** Waits for commits in flight. No call may follow. */
  close(): Promise<void>
}
