/**
 * What one node asks another one's primaries, and what it is told, strictly checked: msgpack lists, but for writes, which
 * `write-call.ts` has.
 */
import { Packr } from 'msgpackr'
import type { PartitionId } from '../../../base/ids.ts'
import {
  type Conflict,
  KEY_BYTES_MAX,
  type NoSpace,
  type OutcomeUnknown,
  type Page,
  SCAN_LIMIT_MAX,
  type Unavailable,
  VALUE_BYTES_MAX,
  type Version,
  type Versioned,
  type Written,
} from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import {
  blob,
  type Field,
  list,
  MalformedError,
  maybe,
  record,
  whole,
  word,
} from '../../wire/index.ts'
import { isKey, isSpaceName, writeFault } from '../limit.ts'
import { consistencyOf, partitionOf } from '../partition.ts'
import type { Forgotten, NotServing } from '../replica/index.ts'
import {
  decodeWriteCall,
  decodeWritten,
  encodeWriteCall,
  encodeWritten,
  isWriteBytes,
  type WriteCall,
} from './write-call.ts'

/** Of one partition, to its primary. */
export type MapCall =
  | (Target & { readonly kind: 'get'; readonly sortKey: string })
  | (Target & { readonly kind: 'scan' } & ScanRange)
  | (Target & { readonly kind: 'version' })
  | WriteCall

export type Target = {
  readonly partition: PartitionId
  readonly space: string
  readonly partitionKey: string
}

export type ScanRange = {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

/** What the answer to each kind of call holds. */
export type MapAnswers = {
  readonly get: Versioned | undefined
  readonly scan: Page
  readonly version: Version
  readonly write: Written
}

/** Why a primary does not do what it is asked. */
export type MapRefusal = Conflict | NoSpace | Unavailable | OutcomeUnknown | NotServing | Forgotten

/** The bytes are the caller's. */
export function encodeCall(call: MapCall): Uint8Array {
  if (call.kind === 'write') return encodeWriteCall(call)
  const field = CALLS[call.kind] as Field<MapCall>
  return packr.pack([call.kind, field.pack(call)])
}

/** The inverse; undefined for bytes that are no call, and for calls beyond the limits of the port. Values written are views. */
export function decodeCall(bytes: Uint8Array): MapCall | undefined {
  return attempt(() => {
    if (isWriteBytes(bytes)) return checkedWrite(decodeWriteCall(bytes))
    const packed: unknown = packr.unpack(bytes)
    const [kind, parts] = Array.isArray(packed) && packed.length === 2 ? packed : []
    if (!isKind(kind)) throw new MalformedError('an unknown kind of call')
    return { kind, ...CALLS[kind].unpack(parts) } as MapCall
  })
}

/** The bytes are the caller's. */
export function encodeAnswer<K extends MapCall['kind']>(
  kind: K,
  answer: Result<MapAnswers[K], MapRefusal>,
): Uint8Array {
  if (answer.ok) return ANSWERS[kind].encode(answer.value)
  const field = REFUSALS[answer.error.kind] as Field<MapRefusal>
  return packr.pack([answer.error.kind, field.pack(answer.error)])
}

/** The inverse; undefined for bytes that are no answer to a call of this kind. */
export function decodeAnswer<K extends MapCall['kind']>(
  kind: K,
  bytes: Uint8Array,
): Result<MapAnswers[K], MapRefusal> | undefined {
  return attempt(() => {
    const made = ANSWERS[kind].decode(bytes)
    if (made !== undefined) return made
    const packed: unknown = packr.unpack(bytes)
    const [outcome, parts] = Array.isArray(packed) && packed.length === 2 ? packed : []
    if (!isRefusal(outcome)) throw new MalformedError('an unknown kind of answer')
    return err({ kind: outcome, ...REFUSALS[outcome].unpack(parts) } as MapRefusal)
  })
}

const packr = new Packr({ useRecords: false })

/** Reasons are sentences of this program. */
const REASON_UNITS_MAX = 1_024

const key = checked(word<string>(0, KEY_BYTES_MAX), isKey)
const view = blob(VALUE_BYTES_MAX)
/** Copied out: an entry may be kept for long, and must not keep the frame it came in. */
const value: Field<Uint8Array> = {
  pack: view.pack,
  unpack: (packed) => new Uint8Array(view.unpack(packed)),
}
const version = record<Version>({ epoch: whole(0), seq: whole(0) })
const versioned = record<Versioned>({ value, version })

const target = {
  partition: whole(0) as Field<PartitionId>,
  space: checked(word<string>(1, 64), isSpaceName),
  partitionKey: key,
}

type ListKind = Exclude<MapCall['kind'], 'write'>

type Parts<K extends ListKind> = Omit<Extract<MapCall, { kind: K }>, 'kind'>

const CALLS: { readonly [K in ListKind]: Field<Parts<K>> } = {
  get: record<Parts<'get'>>({ ...target, sortKey: key }, isPlaced),
  scan: record<Parts<'scan'>>(
    { ...target, prefix: key, after: maybe(key, undefined), limit: whole(1) },
    (scan) => isPlaced(scan) && scan.limit <= SCAN_LIMIT_MAX,
  ),
  version: record<Parts<'version'>>(target, isPlaced),
}

const entry = record<Page['entries'][number]>({ sortKey: key, value, version })

const ANSWERS: { readonly [K in MapCall['kind']]: AnswerCodec<MapAnswers[K]> } = {
  get: answers(maybe(versioned, undefined)),
  scan: answers(record<Page>({ entries: list(entry), next: maybe(key, undefined), version })),
  version: answers(version),
  write: {
    encode: encodeWritten,
    decode: (bytes) => (isWriteBytes(bytes) ? ok(decodeWritten(bytes)) : undefined),
  },
}

/** What a primary says when it has done what it was asked; `decode` gives undefined when it says something else. */
type AnswerCodec<T> = {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): Result<T, never> | undefined
}

function answers<T>(field: Field<T>): AnswerCodec<T> {
  return {
    encode: (value) => packr.pack(['ok', field.pack(value)]),
    decode(bytes) {
      const packed: unknown = packr.unpack(bytes)
      const [outcome, parts] = Array.isArray(packed) && packed.length === 2 ? packed : []
      return outcome === 'ok' ? ok(field.unpack(parts)) : undefined
    },
  }
}

const nothing = record<object>({})
const reason = record<{ reason: string }>({ reason: word(0, REASON_UNITS_MAX) })

const REFUSALS: { readonly [K in MapRefusal['kind']]: Field<object> } = {
  conflict: record<Omit<Conflict, 'kind'>>({ key, current: maybe(version, undefined) }),
  'no-space': nothing,
  unavailable: reason,
  'outcome-unknown': reason,
  'not-primary': nothing,
  'taking-over': nothing,
  forgotten: record<Omit<Forgotten, 'kind'>>({ committed: version }),
}

/** Two nodes that do not agree on where a key belongs must not write to each other. */
function isPlaced({ partition, space, partitionKey }: Target): boolean {
  return partition === partitionOf(space, partitionKey, consistencyOf(partition))
}

function checked<T>(field: Field<T>, isValid: (value: T) => boolean): Field<T> {
  return {
    pack: field.pack,
    unpack(packed) {
      const value = field.unpack(packed)
      if (!isValid(value)) throw new MalformedError('beyond what may be asked')
      return value
    },
  }
}

/** As `checked`, of a write. */
function checkedWrite(write: WriteCall): WriteCall {
  const isValid = isSpaceName(write.space) && isPlaced(write) && writeFault(write) === undefined
  if (!isValid) throw new MalformedError('beyond what may be asked')
  return write
}

function isKind(kind: unknown): kind is ListKind {
  return typeof kind === 'string' && Object.hasOwn(CALLS, kind)
}

function isRefusal(kind: unknown): kind is MapRefusal['kind'] {
  return typeof kind === 'string' && Object.hasOwn(REFUSALS, kind)
}

/** What the decoder throws at bytes that are no msgpack means the same as what the fields throw. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
