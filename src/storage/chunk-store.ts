import type { Digest } from '../base/ids.ts'
import type { Corrupt, Missing, NoSpace } from '../base/port.ts'
import type { Result } from '../base/result.ts'

/** All chunks of a blob but the last have this size: few enough files, and little to fetch again when one is lost. */
export const CHUNK_BYTES = 4 * 1_024 * 1_024

/** Immutable chunks of bytes on this node's disk, named by their SHA-256. */
export interface ChunkStore {
  /** Begins an upload. The caller ends it, always. */
  stage(): ChunkStage
  /**
   * Fills `into` with the chunk's bytes from `position` on. They are not verified: the caller holds the checksums. The
   * buffer belongs to the store until it resolves.
   */
  read(digest: Digest, into: Uint8Array, position: number): Promise<Result<void, Missing | Corrupt>>
  /** Whether there is such a chunk; nothing is said of its bytes. */
  has(digest: Digest): Promise<boolean>
  /** The last run may have left chunks that no blob refers to: call `sweep`. */
  readonly needsSweep: boolean
  /**
   * Removes every chunk that is neither among `referenced` nor published since the store was opened, and gives their
   * number. Runs beside uploads and reads. `referenced` must bring each digest that any blob referred to at the call.
   */
  sweep(referenced: AsyncIterable<Digest>): Promise<number>
  /** Stops a sweep. All uploads have ended and no call may follow. */
  close(): Promise<void>
}

/** The chunks of one upload, invisible until `publish`. One call at a time; after a refusal only `end` may follow. */
export interface ChunkStage {
  /** Adds to the current chunk. `bytes` must not change until it resolves; awaiting it is the back-pressure. */
  append(bytes: Uint8Array): Promise<Result<void, NoSpace>>
  /** Ends the current chunk, whose SHA-256 is `digest`. At most one chunk is being synced while the next is filled. */
  seal(digest: Digest): Promise<Result<void, NoSpace>>
  /**
   * Fills `into` from `position` on of a chunk that has been sealed, before `publish`, during it and after it; beside any
   * other call but `end`. Rejects when the bytes cannot be had.
   */
  read(digest: Digest, into: Uint8Array, position: number): Promise<void>
  /** Makes all sealed chunks readable under their digests; they are durable when it resolves with ok. */
  publish(): Promise<Result<void, NoSpace>>
  /**
   * `kept`: something durable refers to the chunks. `dropped`: nothing ever will; what this upload brought is removed.
   * `unknown`: perhaps; a later sweep decides.
   */
  end(outcome: StageOutcome): Promise<void>
}

export type StageOutcome = 'kept' | 'dropped' | 'unknown'
