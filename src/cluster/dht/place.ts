import type { PartitionId } from '../../base/ids.ts'
import { entryName, entryPrefix } from './key.ts'
import { partitionOf } from './partition.ts'
import type { Consistency } from './quorum.ts'

/** Where the entries of a partition key are: `keys` is what their engine keys begin with. */
export type Place = {
  readonly space: string
  readonly partitionKey: string
  readonly partition: PartitionId
  readonly keys: Uint8Array
}

/** A name of an entry that no other entry of the map has: a strong space may be called like an eventual one. */
export function cacheName(
  space: string,
  consistency: Consistency,
  partitionKey: string,
  sortKey: string,
): string {
  return entryName(consistency === 'strong' ? space : `${space}~`, partitionKey, sortKey)
}

export function placeOf(space: string, partitionKey: string, consistency: Consistency): Place {
  const partition = partitionOf(space, partitionKey, consistency)
  return { space, partitionKey, partition, keys: entryPrefix(partition, space, partitionKey) }
}
