import type { PartitionId } from '../base/ids.ts'
import type { NoSpace, Version } from '../base/port.ts'
import type { Result } from '../base/result.ts'

/** Per partition a version up to which every record was durable when the marks were saved. */
export type Marks = ReadonlyMap<PartitionId, Version>

/**
 * A durable table beside the engine that reveals what LevelDB loses in silence: its recovery skips damaged records and
 * carries on. A partition whose newest record is older than its mark has lost records. A mark may lag behind, so save it
 * lazily, but only versions whose commit has resolved may enter it.
 */
export interface HighWater {
  /** As they were found when the file was opened. */
  readonly marks: Marks
  /**
   * Replaces the table; durable when it resolves with ok, and with `no-space` the table before remains. One call at a
   * time.
   */
  save(marks: Marks): Promise<Result<void, NoSpace>>
}
