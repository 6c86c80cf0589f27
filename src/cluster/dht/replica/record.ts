import { BinaryReader, encodeTransient } from '../../../base/binary.ts'
import type { RequestId } from '../../../base/ids.ts'
import { assertFormat } from '../entry.ts'

/**
 * One write, as its partition's sequence keeps it. It names the entries the write put or deleted;
 * their values and tombstones are in the entries themselves
 * (`docs/decisions/006-record-format.md`).
 */
export type WriteRecord = {
  readonly requestId: RequestId
  readonly space: string
  readonly partitionKey: string
  readonly sortKeys: readonly string[]
}

/**
 * Layout: format, sized request id, sized space, sized partition key, count in 2 bytes, sized sort
 * keys.
 */
export function encodeRecord(record: WriteRecord): Uint8Array {
  const { requestId, space, partitionKey, sortKeys } = record
  return encodeTransient((writer) => {
    writer.uint8(FORMAT).sizedText(requestId).sizedText(space).sizedText(partitionKey)
    writer.uint16(sortKeys.length)
    for (const sortKey of sortKeys) writer.sizedText(sortKey)
  })
}

/** Throws `data-format-newer` when a newer Aether wrote it. */
export function decodeRecord(bytes: Uint8Array): WriteRecord {
  const reader = new BinaryReader(bytes)
  assertFormat(reader.uint8(), FORMAT)
  const requestId = reader.sizedText() as RequestId
  const space = reader.sizedText()
  const partitionKey = reader.sizedText()
  const sortKeys = Array.from({ length: reader.uint16() }, () => reader.sizedText())
  return { requestId, space, partitionKey, sortKeys }
}

const FORMAT = 1
