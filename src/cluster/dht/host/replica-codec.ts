/** How replicas speak to each other over the network. */
import { Packr } from 'msgpackr'
import type { PartitionId } from '../../../base/ids.ts'
import { VALUE_BYTES_MAX, type Version } from '../../../base/port.ts'
import type { EngineEntry } from '../../../storage/index.ts'
import { type Field, list, MalformedError, maybe, plain, record, whole } from '../../wire/index.ts'
import { decodeEntry } from '../entry.ts'
import { ENTRY, RECORD } from '../key.ts'
import { PARTITIONS_MAX } from '../partition.ts'
import { decodeRecord, type RecordPage, type ReplicaMessage, type Run } from '../replica/index.ts'
import {
  decodeWriteMessage,
  encodeWriteMessage,
  isWriteMessage,
  isWritePayload,
  type WriteMessage,
} from './write-codec.ts'

/** A message to the replica of a partition. */
export type Parcel = { readonly partition: PartitionId; readonly message: ReplicaMessage }

/** As `write-codec.ts` has it, or the msgpack of a list of partition, kind and parts. The bytes are the caller's. */
export function encodeParcel({ partition, message }: Parcel): Uint8Array {
  if (isWriteMessage(message)) return encodeWriteMessage(partition, message)
  const field = FIELDS[message.kind] as Field<ReplicaMessage>
  return packr.pack([partition, message.kind, field.pack(message)])
}

/**
 * The inverse; undefined for anything else. Every type, range and length is checked, and that keys are of the partition: what
 * is returned may go into the core. Bytes are views of `bytes`.
 */
export function decodeParcel(bytes: Uint8Array): Parcel | undefined {
  try {
    const parcel = isWritePayload(bytes) ? ofWrite(bytes) : ofList(packr.unpack(bytes))
    return isOfPartition(parcel) ? parcel : undefined
  } catch {
    // Whatever has been sent instead, there is nothing to be done with it.
    return undefined
  }
}

function ofWrite(bytes: Uint8Array): Parcel {
  const { partition, message } = decodeWriteMessage(bytes)
  const { entries = [] } = (message.kind === 'append' && message.write) || {}
  if (!entries.every(isEntry)) throw new MalformedError('an entry that is none')
  return { partition: partitionNumber.unpack(partition), message }
}

function ofList(packed: unknown): Parcel {
  if (!Array.isArray(packed) || packed.length !== 3) throw new MalformedError('no list of 3')
  const [number, kind, parts]: unknown[] = packed
  if (!isKind(kind)) throw new MalformedError('an unknown kind of message')
  const message = { kind, ...FIELDS[kind].unpack(parts) } as ReplicaMessage
  return { partition: partitionNumber.unpack(number), message }
}

/** Lists, numbers, texts, null and bytes are all that is used of msgpack. */
const packr = new Packr({ useRecords: false })

const partitionNumber = below<PartitionId>(PARTITIONS_MAX)
const epoch = below(2 ** 32)
const seq = below(2 ** 48)
const turn = whole(0)
const version = record<Version>({ epoch, seq })

const history = list(
  record<Run>({ epoch, first: seq, last: seq }, ({ first, last }) => first <= last),
)

/** Kind, partition and what `entryPrefix` adds, at the least. */
const KEY_BYTES_MIN = 11
/** Space, partition key and sort key at their longest, and their lengths. */
const KEY_BYTES_MAX = 8_192
const RECORD_KEY_BYTES = 13

const entryKey = plain<Uint8Array>('key of an entry', isEntryKey)
const entryValue = plain<Uint8Array>('entry', isEntryValue)

const entry = record<EngineEntry>({ key: entryKey, value: entryValue })
const ENTRY_BYTES_MAX = VALUE_BYTES_MAX + 64

const recordBytes = plain<Uint8Array>('record', (packed) => {
  return packed instanceof Uint8Array && isDecoded(decodeRecord, packed)
})

const recordEntry = record<EngineEntry>({
  key: plain('key of a record', (packed) => {
    const key = packed as Uint8Array
    return isBytes(packed, RECORD_KEY_BYTES) && key[0] === RECORD && key.length === RECORD_KEY_BYTES
  }),
  value: recordBytes,
})

type ListKind = Exclude<ReplicaMessage['kind'], WriteMessage['kind']>

type Parts<K extends ListKind> = Omit<Extract<ReplicaMessage, { kind: K }>, 'kind'>

/** A kind of message that is missing here does not compile, nor does a part of one. */
const FIELDS: { readonly [K in ListKind]: Field<Parts<K>> } = {
  seal: record<Parts<'seal'>>({ epoch }),
  sealed: record<Parts<'sealed'>>({
    epoch,
    history: maybe(history, undefined),
    had: maybe(version, undefined),
  }),
  confirm: record<Parts<'confirm'>>({ epoch, turn }),
  confirmed: record<Parts<'confirmed'>>({ epoch, turn }),
  pull: record<Parts<'pull'>>({
    epoch,
    turn,
    since: maybe(version, undefined),
    keys: list(entryKey),
    oldest: seq,
    after: maybe(entryKey, undefined),
  }),
  records: record<Parts<'records'>>({
    epoch,
    turn,
    older: list(recordEntry),
    newer: list(recordEntry),
    entries: list(
      record<RecordPage['entries'][number]>({
        key: entryKey,
        value: maybe(entryValue, undefined),
      }),
    ),
  }),
  entries: record<Parts<'entries'>>({
    epoch,
    turn,
    at: version,
    entries: list(entry),
    next: maybe(entryKey, undefined),
  }),
  fenced: record<Parts<'fenced'>>({ epoch, by: epoch }),
}

function isKind(kind: unknown): kind is ListKind {
  return typeof kind === 'string' && Object.hasOwn(FIELDS, kind)
}

/** Else a node could write into a partition under the name of another. */
function isOfPartition({ partition, message }: Parcel): boolean {
  const isOwn = (key: Uint8Array) => key[1] === partition >> 8 && key[2] === (partition & 255)
  const areOwn = (entries: readonly { readonly key: Uint8Array }[] = []) =>
    entries.every(({ key }) => isOwn(key))
  switch (message.kind) {
    case 'append':
      return areOwn(message.write?.entries)
    case 'pull':
      return message.keys.every(isOwn) && (message.after === undefined || isOwn(message.after))
    case 'records':
      return areOwn(message.older) && areOwn(message.newer) && areOwn(message.entries)
    case 'entries':
      return areOwn(message.entries)
    default:
      return true
  }
}

function below<T extends number = number>(max: number): Field<T> {
  return plain(`whole number below ${max}`, (packed) => {
    return Number.isInteger(packed) && Number(packed) >= 0 && Number(packed) < max
  })
}

function isEntry({ key, value }: EngineEntry): boolean {
  return isEntryKey(key) && isEntryValue(value)
}

function isEntryKey(packed: unknown): boolean {
  const key = packed as Uint8Array
  return isBytes(packed, KEY_BYTES_MAX) && key[0] === ENTRY && key.length >= KEY_BYTES_MIN
}

function isEntryValue(packed: unknown): boolean {
  return isBytes(packed, ENTRY_BYTES_MAX) && isDecoded(decodeEntry, packed)
}

function isBytes(packed: unknown, bytesMax: number): boolean {
  return packed instanceof Uint8Array && packed.length <= bytesMax
}

function isDecoded(decode: (bytes: Uint8Array) => unknown, bytes: unknown): boolean {
  try {
    decode(bytes as Uint8Array)
    return true
  } catch {
    return false
  }
}
