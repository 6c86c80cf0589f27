/**
 * A write on its way to its primary, and what that says when it has made it. Most calls are writes, so these go without
 * msgpack:
 *
 *     write    01 partition (2) since sized(request id) sized(space) sized(partition key) count (2) { operation }
 *     written  01 version previous
 *
 * An operation is its kind (1), the kind of its condition (1), the sized sort key, the version of the condition if it has one,
 * and for a put the sized value. A version has 10 bytes: epoch and seq.
 */
import { BinaryReader, type BinaryWriter, encodeTransient } from '../../../base/binary.ts'
import type { PartitionId, RequestId } from '../../../base/ids.ts'
import type { Condition, MapOperation, Written } from '../../../base/port.ts'
import { MalformedError } from '../../wire/index.ts'
import type { MapWrite } from '../replica/index.ts'
import { readVersion, writeVersion } from '../version.ts'

/** To the primary of the partition. */
export type WriteCall = Required<MapWrite> & {
  readonly kind: 'write'
  readonly partition: PartitionId
}

/** Whether these bytes are meant as a write or as what was written: msgpack lists begin with greater ones. */
export function isWriteBytes(bytes: Uint8Array): boolean {
  return bytes[0] === MARK
}

/** Into `transientBytes`. */
export function encodeWriteCall(call: WriteCall): Uint8Array {
  return encodeTransient((writer) => {
    writer.uint8(MARK).uint16(call.partition)
    writeVersion(writer, call.since)
    writer.sizedText(call.requestId).sizedText(call.space).sizedText(call.partitionKey)
    writer.uint16(call.operations.length)
    for (const operation of call.operations) writeOperation(writer, operation)
  })
}

/** The inverse, or an exception when the bytes are no write. Values are views; limits are left to the caller. */
export function decodeWriteCall(bytes: Uint8Array): WriteCall {
  const reader = new BinaryReader(bytes.subarray(1))
  const partition = reader.uint16() as PartitionId
  const since = readVersion(reader)
  const requestId = reader.sizedText() as RequestId
  const space = reader.sizedText()
  const partitionKey = reader.sizedText()
  const operations: MapOperation[] = []
  for (let count = reader.uint16(); count > 0; count--) operations.push(readOperation(reader))
  assertEnd(reader)
  return { kind: 'write', partition, space, partitionKey, operations, requestId, since }
}

/** Into `transientBytes`. */
export function encodeWritten({ version, previous }: Written): Uint8Array {
  return encodeTransient((writer) => {
    writeVersion(writer.uint8(MARK), version)
    writeVersion(writer, previous)
  })
}

/** The inverse, or an exception. */
export function decodeWritten(bytes: Uint8Array): Written {
  const reader = new BinaryReader(bytes.subarray(1))
  const written = { version: readVersion(reader), previous: readVersion(reader) }
  assertEnd(reader)
  return written
}

const MARK = 1

const OPERATIONS = ['put', 'delete', 'check'] as const
const CONDITIONS = { none: 0, absent: 1, version: 2 } as const

function writeOperation(writer: BinaryWriter, operation: MapOperation): void {
  const { kind, condition, sortKey } = operation
  writer.uint8(OPERATIONS.indexOf(kind)).uint8(kindOf(condition)).sizedText(sortKey)
  if (typeof condition === 'object') writeVersion(writer, condition)
  if (kind === 'put') writer.sizedBytes(operation.value)
}

function kindOf(condition: Condition | undefined): number {
  if (condition === undefined) return CONDITIONS.none
  return condition === 'absent' ? CONDITIONS.absent : CONDITIONS.version
}

function readOperation(reader: BinaryReader): MapOperation {
  const kind = OPERATIONS[reader.uint8()]
  const conditionKind = reader.uint8()
  const sortKey = reader.sizedText()
  const condition = readCondition(reader, conditionKind)
  const conditions = condition === undefined ? {} : { condition }
  switch (kind) {
    case 'put':
      return { kind, sortKey, value: reader.sizedBytes(), ...conditions }
    case 'delete':
      return { kind, sortKey, ...conditions }
    case 'check':
      if (condition !== undefined) return { kind, sortKey, condition }
  }
  throw new MalformedError('an unknown kind of operation')
}

function readCondition(reader: BinaryReader, kind: number): Condition | undefined {
  switch (kind) {
    case CONDITIONS.none:
      return undefined
    case CONDITIONS.absent:
      return 'absent'
    case CONDITIONS.version:
      return readVersion(reader)
    default:
      throw new MalformedError('an unknown kind of condition')
  }
}

function assertEnd(reader: BinaryReader): void {
  if (!reader.isAtEnd) throw new MalformedError('more than was to be said')
}
