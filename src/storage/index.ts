/**
 * The storage contracts and the pure parts that fulfil them. What touches files is constructed by `src/node` alone,
 * from the `.disk.ts` files.
 */
export { BlobCache } from './blob-cache.ts'
export { CHUNK_BYTES, type ChunkStage, type ChunkStore, type StageOutcome } from './chunk-store.ts'
export { takeGroup } from './commit-queue.ts'
export {
  type Engine,
  type EngineEntry,
  type EngineOperation,
  type EngineRange,
  entriesBytes,
  isCut,
} from './engine.ts'
export type { Disk } from './file-system.ts'
export type { HighWater } from './high-water.ts'
export {
  ENTRY_OVERHEAD_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  IDENTITY_BYTES,
  type LogEntry,
} from './log-frame.ts'
export { SEGMENT_BYTES, SegmentPool } from './segment-pool.ts'
