/**
 * Where things lie in the engine. The first byte tells the kind, the next two the partition, so
 * that a partition's entries and records are two ranges that can be scanned, moved and deleted
 * whole.
 *
 *     entry   01 partition sized(space) sized(partitionKey) sortKey    → entry.ts
 *     record  02 partition epoch seq                                   → record.ts
 *             03 and 04                                                → promise.ts
 *
 * Every part but the last has a known size or carries it, so no two keys encode alike; the sort key
 * is last and bare, so that entries lie in the order of its UTF-8 bytes.
 */
import { assert } from '../../base/assert.ts'
import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import { concat, text } from '../../base/bytes.ts'
import type { PartitionId } from '../../base/ids.ts'
import type { Version } from '../../base/port.ts'

/** The first byte of an entry's key. */
export const ENTRY = 0x01
/** The first byte of a record's key. */
export const RECORD = 0x02

/** What the keys of all entries of one partition key begin with. */
export function entryPrefix(
  partition: PartitionId,
  space: string,
  partitionKey: string,
): Uint8Array {
  return encodeBinary((writer) =>
    writer.uint8(ENTRY).uint16(partition).sizedText(space).sizedText(partitionKey),
  )
}

/** What the keys of all entries of a space in one partition begin with. */
export function spacePrefix(partition: PartitionId, space: string): Uint8Array {
  return encodeBinary((writer) => writer.uint8(ENTRY).uint16(partition).sizedText(space))
}

/** What the keys of all entries of a partition begin with. */
export function partitionPrefix(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(ENTRY).uint16(partition))
}

/** The engine key of an entry, `prefix` being its `entryPrefix`. */
export function entryKey(prefix: Uint8Array, sortKey: string): Uint8Array {
  return encodeBinary((writer) => writer.bytes(prefix).text(sortKey))
}

/** The sort key within an engine key that begins with the `entryPrefix` `prefix`. */
export function sortKeyOf(prefix: Uint8Array, key: Uint8Array): string {
  return text(key.subarray(prefix.length))
}

/**
 * A name of an entry that no other entry has, for tables in memory. Space names have no slash and
 * the length ends at the next one, so the parts cannot run into each other.
 */
export function entryName(space: string, partitionKey: string, sortKey: string): string {
  return `${space}/${partitionKey.length}/${partitionKey}${sortKey}`
}

/** The engine key of the record of the write `version`. */
export function recordKey(partition: PartitionId, version: Version): Uint8Array {
  const { epoch, seq } = version
  return encodeBinary((writer) => writer.bytes(recordPrefix(partition)).uint32(epoch).uint48(seq))
}

/** The version in an engine key made by `recordKey`. */
export function recordVersion(key: Uint8Array): Version {
  const reader = new BinaryReader(key.subarray(3))
  return { epoch: reader.uint32(), seq: reader.uint48() }
}

/** What the keys of all records of a partition begin with. */
export function recordPrefix(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(RECORD).uint16(partition))
}

/** The least key greater than all that begin with `prefix`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex((byte) => byte !== 0xff)
  assert(last !== -1, 'a prefix of 0xff bytes has no end')
  const end = prefix.slice(0, last + 1)
  end[last] = (end[last] as number) + 1
  return end
}

/** The least key greater than `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concat([key, Uint8Array.of(0)])
}
