import type { PartitionId } from '../../../base/ids.ts'
import { entryPrefix } from '../key.ts'
import { partitionOf } from '../partition.ts'
import type { Consistency } from '../quorum.ts'

/** Where the entries of a partition key are: `keys` is what their engine keys begin with. */
export type Place = {
  readonly space: string
  readonly partitionKey: string
  readonly partition: PartitionId
  readonly keys: Uint8Array
}

export function placeOf(space: string, partitionKey: string, consistency: Consistency): Place {
  const partition = partitionOf(space, partitionKey, consistency)
  return { space, partitionKey, partition, keys: entryPrefix(partition, space, partitionKey) }
}
