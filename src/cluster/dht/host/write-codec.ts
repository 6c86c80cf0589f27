/**
 * The three messages that every write takes. A node says and hears thousands of them in a second, so they go without msgpack:
 *
 *     append     01 partition epoch committed count { run } flag [ version previous sized(record) count { entry } ]
 *     appended   02 partition epoch version
 *     committed  03 partition epoch version
 *
 * A partition has 2 bytes, an epoch 4, a version 10 (epoch and seq), a run 16 (epoch, first and last seq), a count 2, an
 * entry is sized(key) sized(value), and a size has 4.
 */
import { BinaryReader, type BinaryWriter, encodeTransient } from '../../../base/binary.ts'
import type { PartitionId } from '../../../base/ids.ts'
import { MalformedError } from '../../wire/index.ts'
import {
  type Append,
  type AppendedWrite,
  decodeRecord,
  type ReplicaMessage,
  type Run,
} from '../replica/index.ts'
import { readVersion, writeVersion } from '../version.ts'

/** A message that `encodeWriteMessage` takes. */
export type WriteMessage = Extract<ReplicaMessage, { kind: 'append' | 'appended' | 'committed' }>

export function isWriteMessage(message: ReplicaMessage): message is WriteMessage {
  const { kind } = message
  return kind === 'append' || kind === 'appended' || kind === 'committed'
}

/** Whether these bytes are meant as such a message: msgpack lists begin with greater bytes. */
export function isWritePayload(bytes: Uint8Array): boolean {
  const [kind = 0] = bytes
  return kind === APPEND || kind === APPENDED || kind === COMMITTED
}

/** Into `transientBytes`. */
export function encodeWriteMessage(partition: PartitionId, message: WriteMessage): Uint8Array {
  return encodeTransient((writer) => {
    writer.uint8(KINDS[message.kind]).uint16(partition).uint32(message.epoch)
    if (message.kind === 'append') writeAppend(writer, message)
    else writeVersion(writer, message.version)
  })
}

/**
 * The inverse, or an exception when the bytes are no such message. Lengths and the order of versions are checked, and that
 * the record is one; partition, keys and values are left to the caller. Bytes are views.
 */
export function decodeWriteMessage(bytes: Uint8Array): {
  readonly partition: number
  readonly message: WriteMessage
} {
  const reader = new BinaryReader(bytes)
  const kind = reader.uint8()
  const partition = reader.uint16()
  const epoch = reader.uint32()
  const message = kind === APPEND ? readAppend(reader, epoch) : readPoint(reader, kind, epoch)
  if (!reader.isAtEnd) throw new MalformedError('more than a message')
  return { partition, message }
}

const APPEND = 1
const APPENDED = 2
const COMMITTED = 3
const KINDS = { append: APPEND, appended: APPENDED, committed: COMMITTED } as const

function writeAppend(writer: BinaryWriter, { committed, history, write }: Append): void {
  writeVersion(writer, committed)
  writer.uint16(history.length)
  for (const { epoch, first, last } of history) writer.uint32(epoch).uint48(first).uint48(last)
  writer.uint8(write === undefined ? 0 : 1)
  if (write === undefined) return
  writeVersion(writer, write.version)
  writeVersion(writer, write.previous)
  writer.sizedBytes(write.record).uint16(write.entries.length)
  for (const { key, value } of write.entries) writer.sizedBytes(key).sizedBytes(value)
}

function readPoint(reader: BinaryReader, kind: number, epoch: number): WriteMessage {
  if (kind !== APPENDED && kind !== COMMITTED) throw new MalformedError('an unknown kind')
  return { kind: kind === APPENDED ? 'appended' : 'committed', epoch, version: readVersion(reader) }
}

function readAppend(reader: BinaryReader, epoch: number): Append {
  const committed = readVersion(reader)
  const history: Run[] = []
  for (let count = reader.uint16(); count > 0; count--) history.push(readRun(reader))
  const flag = reader.uint8()
  if (flag > 1) throw new MalformedError('a flag of more than a bit')
  return { kind: 'append', epoch, history, committed, write: flag ? readWrite(reader) : undefined }
}

function readRun(reader: BinaryReader): Run {
  const run = { epoch: reader.uint32(), first: reader.uint48(), last: reader.uint48() }
  if (run.first > run.last) throw new MalformedError('a run that ends before it begins')
  return run
}

function readWrite(reader: BinaryReader): AppendedWrite {
  const version = readVersion(reader)
  const previous = readVersion(reader)
  const isNext = version.seq === previous.seq + 1 && version.epoch >= previous.epoch
  if (!isNext) throw new MalformedError('a write after another than the one before it')
  const record = reader.sizedBytes()
  const written = decodeRecord(record)
  const entries: { key: Uint8Array; value: Uint8Array }[] = []
  for (let count = reader.uint16(); count > 0; count--) {
    entries.push({ key: reader.sizedBytes(), value: reader.sizedBytes() })
  }
  return { version, previous, record, written, entries }
}
