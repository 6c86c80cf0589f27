import { encodeBinary } from '../../base/binary.ts'
import { sha256 } from '../../base/hash.ts'
import type { PartitionId } from '../../base/ids.ts'
import { PARTITION_COUNT } from '../partition/index.ts'
import type { Consistency } from './quorum.ts'

/**
 * The partition that holds all entries of `partitionKey`: the first 10 bits of the SHA-256 of the
 * two names, each behind its length in four bytes. `test/cluster/dht/partition.test.ts` holds the
 * vectors that every implementation must give. Those of eventual spaces come after all of the strong
 * ones: a sequence of writes keeps one promise.
 */
export function partitionOf(
  space: string,
  partitionKey: string,
  consistency: Consistency = 'strong',
): PartitionId {
  const digest = sha256(encodeBinary((writer) => writer.sizedText(space).sizedText(partitionKey)))
  const row = ((digest[0] as number) << 2) | ((digest[1] as number) >> 6)
  return (consistency === 'strong' ? row : PARTITION_COUNT + row) as PartitionId
}

/** Strong and eventual ones together. */
export const PARTITIONS_MAX = 2 * PARTITION_COUNT

/** What all spaces promise that have entries in this partition. */
export function consistencyOf(partition: PartitionId): Consistency {
  return partition < PARTITION_COUNT ? 'strong' : 'eventual'
}

/** The row of the partition table that says where this partition is. */
export function rowNumberOf(partition: PartitionId): PartitionId {
  return (partition % PARTITION_COUNT) as PartitionId
}
