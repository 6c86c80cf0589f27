import { encodeBinary } from '../../base/binary.ts'
import { sha256 } from '../../base/hash.ts'
import type { PartitionId } from '../../base/ids.ts'

export { PARTITION_COUNT } from '../partition/index.ts'

/**
 * The partition that holds all entries of `partitionKey`: the first 10 bits of the SHA-256 of the
 * two names, each behind its length in four bytes. `test/cluster/dht/partition.test.ts` holds the
 * vectors that every implementation must give.
 */
export function partitionOf(space: string, partitionKey: string): PartitionId {
  const digest = sha256(encodeBinary((writer) => writer.sizedText(space).sizedText(partitionKey)))
  return (((digest[0] as number) << 2) | ((digest[1] as number) >> 6)) as PartitionId
}
