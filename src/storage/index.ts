/**
 * The storage contracts and the pure parts that fulfil them. What touches files is constructed by `src/node` alone,
 * from the `.disk.ts` files.
 */
export { BLOB_CACHE_BYTES, BlobCache, CACHED_BLOB_BYTES_MAX } from './blob-cache.ts'
export { CHUNK_BYTES, type ChunkStage, type ChunkStore, type StageOutcome } from './chunk-store.ts'
export type { Engine, EngineEntry, EngineOperation, EngineRange } from './engine.ts'
export { FailStop } from './fail-stop.ts'
export type { Disk, DiskFile, FreeSpace } from './file-system.ts'
export { SpaceGuard } from './free-space.ts'
export type { HighWater, Marks } from './high-water.ts'
export { type LevelEngineOptions, type LevelStore, openLevelEngine } from './level-engine.ts'
export { SEGMENT_BYTES, SegmentPool } from './segment-pool.ts'
