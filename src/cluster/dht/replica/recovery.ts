import type { PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { Engine } from '../../../storage/index.ts'
import { prefixEnd, recordPrefix } from '../key.ts'
import { RECORDS_RETAINED, type Retained, recoverHistory } from './history.ts'
import { readPromise } from './promise.ts'

/**
 * The history of a partition from the engine, proved complete; rejects with `data-damaged` when it is not. `mark`: a version
 * known to have been durable.
 */
export async function readHistory(
  engine: Engine,
  partition: PartitionId,
  mark: Version | undefined,
): Promise<Retained[]> {
  const prefix = recordPrefix(partition)
  // One more than there may be: what was not trimmed is seen, and never hides the newest.
  const range = { gte: prefix, lt: prefixEnd(prefix), limit: RECORDS_RETAINED + 1 }
  const { epoch: promised, had } = readPromise(partition, (key) => engine.get(key))
  const isComplete = had === undefined
  return recoverHistory(partition, await engine.scan(range), mark, { isComplete, promised })
}
