/**
 * What a replica has promised and admitted besides its records, each under a key of its own so that
 * neither is ever written on the word of the other. A partition that has only ever been on one node
 * has neither.
 *
 *     sealed      03 partition → format, epoch in 4 bytes
 *     incomplete  04 partition → format, epoch in 4 bytes, seq in 6
 */
import { BinaryReader, encodeBinary } from '../../../base/binary.ts'
import type { PartitionId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { EngineOperation } from '../../../storage/index.ts'
import { assertFormat } from '../entry.ts'
import { readVersion, writeVersion } from '../version.ts'

const SEALED = 0x03
const INCOMPLETE = 0x04
const FORMAT = 1

/** The promise to accept nothing of epochs before this one. */
export function sealOperation(partition: PartitionId, epoch: number): EngineOperation {
  const value = encodeBinary((writer) => writer.uint8(FORMAT).uint32(epoch))
  return { kind: 'put', key: sealedKey(partition), value }
}

/** The admission that this replica is incomplete and had everything up to `had`; undefined takes it back. */
export function incompleteOperation(
  partition: PartitionId,
  had: Version | undefined,
): EngineOperation {
  const key = incompleteKey(partition)
  if (had === undefined) return { kind: 'delete', key }
  const value = encodeBinary((writer) => writeVersion(writer.uint8(FORMAT), had))
  return { kind: 'put', key, value }
}

/** What the engine has of both. */
export function readPromise(
  partition: PartitionId,
  view: (key: Uint8Array) => Uint8Array | undefined,
): Promised {
  const sealed = view(sealedKey(partition))
  const incomplete = view(incompleteKey(partition))
  return {
    epoch: sealed === undefined ? 0 : readerOf(sealed).uint32(),
    had: incomplete === undefined ? undefined : readVersion(readerOf(incomplete)),
  }
}

/** `epoch` is 0 when none was promised. Without `had` the replica is complete. */
export type Promised = { readonly epoch: number; readonly had: Version | undefined }

function readerOf(bytes: Uint8Array): BinaryReader {
  const reader = new BinaryReader(bytes)
  assertFormat(reader.uint8(), FORMAT)
  return reader
}

function sealedKey(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(SEALED).uint16(partition))
}

function incompleteKey(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(INCOMPLETE).uint16(partition))
}
