/**
 * What a replica has promised and admitted besides its records, each under a key of its own so that
 * neither is ever written on the word of the other. A partition that has only ever been on one node
 * has neither.
 *
 *     sealed      03 partition → format, epoch in 4 bytes
 *     incomplete  04 partition → format
 */
import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import type { PartitionId } from '../../base/ids.ts'
import type { EngineOperation } from '../../storage/index.ts'
import { assertFormat } from './entry.ts'

const SEALED = 0x03
const INCOMPLETE = 0x04
const FORMAT = 1

/** The promise to accept nothing of epochs before this one. */
export function sealOperation(partition: PartitionId, epoch: number): EngineOperation {
  const value = encodeBinary((writer) => writer.uint8(FORMAT).uint32(epoch))
  return { kind: 'put', key: sealedKey(partition), value }
}

/** The admission that this replica lacks some of the writes up to its last, or its taking back. */
export function incompleteOperation(partition: PartitionId, isComplete: boolean): EngineOperation {
  const key = incompleteKey(partition)
  return isComplete ? { kind: 'delete', key } : { kind: 'put', key, value: Uint8Array.of(FORMAT) }
}

/** What the engine has of both. */
export function readPromise(
  partition: PartitionId,
  view: (key: Uint8Array) => Uint8Array | undefined,
): Promised {
  const sealed = view(sealedKey(partition))
  const incomplete = view(incompleteKey(partition))
  if (incomplete !== undefined) assertFormat(incomplete[0] ?? 0, FORMAT)
  if (sealed === undefined) return { epoch: 0, isComplete: incomplete === undefined }
  const reader = new BinaryReader(sealed)
  assertFormat(reader.uint8(), FORMAT)
  return { epoch: reader.uint32(), isComplete: incomplete === undefined }
}

/** `epoch` is 0 when none was promised. */
export type Promised = { readonly epoch: number; readonly isComplete: boolean }

function sealedKey(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(SEALED).uint16(partition))
}

function incompleteKey(partition: PartitionId): Uint8Array {
  return encodeBinary((writer) => writer.uint8(INCOMPLETE).uint16(partition))
}
