import { AetherError } from '../../../base/fault.ts'
import type { PartitionId, RequestId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { EngineEntry } from '../../../storage/index.ts'
import { recordVersion } from '../key.ts'
import { compareVersions, VERSION_NONE } from '../version.ts'
import { decodeRecord } from './record.ts'

/**
 * A partition keeps its latest records: a retry is recognised and a replica that fell behind is
 * brought up from them, as long as no more writes than these have followed. Numbers of each are
 * held in memory, hence the modest number.
 */
export const RECORDS_RETAINED = 128

/** What a replica remembers of a record. */
export type Retained = {
  readonly version: Version
  readonly requestId: RequestId
  readonly space: string
  readonly partitionKey: string
}

/** A record as a replica remembers it. */
export function retainedOf({ key, value }: EngineEntry): Retained {
  const { requestId, space, partitionKey } = decodeRecord(value)
  return { version: recordVersion(key), requestId, space, partitionKey }
}

/**
 * The retained records of a partition as its engine has them, oldest first. A storage engine may
 * lose what it had made durable and say nothing (LevelDB skips damaged parts of its log), so they
 * are proved complete before the partition serves: consecutive, exactly as many as are kept, and
 * reaching `mark`, a version known to have been durable, unless a later epoch has been `promised`:
 * then what was marked may have given way to a better history. Throws an AetherError `data-damaged`
 * otherwise. A replica that admits to be incomplete is only held to the first.
 */
export function recoverHistory(
  partition: PartitionId,
  records: readonly EngineEntry[],
  mark: Version = VERSION_NONE,
  { isComplete = true, promised = 0, count = RECORDS_RETAINED }: HistoryOptions = {},
): Retained[] {
  const retained = records.map(retainedOf)
  for (const [index, { version }] of retained.entries()) {
    const before = retained[index - 1]?.version
    if (before === undefined) continue
    if (version.seq !== before.seq + 1 || version.epoch < before.epoch) {
      throw damaged(partition, `the write after ${format(before)} is ${format(version)}`)
    }
  }
  if (!isComplete) return retained
  const last = retained.at(-1)?.version ?? VERSION_NONE
  if (promised <= mark.epoch && compareVersions(last, mark) < 0) {
    throw damaged(partition, `its last write is ${format(last)}, but ${format(mark)} was durable`)
  }
  if (retained.length !== Math.min(last.seq, count)) {
    throw damaged(partition, `it keeps ${retained.length} records up to ${format(last)}`)
  }
  return retained
}

/** `count`: how many are kept, if not `RECORDS_RETAINED`. */
export type HistoryOptions = {
  readonly isComplete?: boolean
  readonly promised?: number
  readonly count?: number
}

function damaged(partition: PartitionId, detail: string): AetherError {
  return new AetherError(
    'data-damaged',
    `partition ${partition} has lost acknowledged writes: ${detail}`,
    'restore the data directory from a backup, and check the disk before using it again',
  )
}

function format(version: Version): string {
  return `${version.epoch}/${version.seq}`
}
