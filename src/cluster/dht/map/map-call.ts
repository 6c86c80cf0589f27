/** What one node asks another one's primaries, and what it is told: msgpack lists, strictly checked. */
import { Packr } from 'msgpackr'
import type { PartitionId, RequestId } from '../../../base/ids.ts'
import {
  type Condition,
  type Conflict,
  KEY_BYTES_MAX,
  type MapOperation,
  type NoSpace,
  OPERATIONS_MAX,
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
  choice,
  type Field,
  list,
  MalformedError,
  maybe,
  record,
  whole,
  word,
} from '../../wire/index.ts'
import { isKey, isSpaceName, REQUEST_ID_BYTES_MAX, writeFault } from '../limit.ts'
import { consistencyOf, partitionOf } from '../partition.ts'
import type { Forgotten, MapWrite, NotServing } from '../replica/index.ts'

/** Of one partition, to its primary. */
export type MapCall =
  | (Target & { readonly kind: 'get'; readonly sortKey: string })
  | (Target & { readonly kind: 'scan' } & ScanRange)
  | (Target & { readonly kind: 'version' })
  | (Target & { readonly kind: 'write' } & Required<Omit<MapWrite, 'space' | 'partitionKey'>>)

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
  const field = CALLS[call.kind] as Field<MapCall>
  return packr.pack([call.kind, field.pack(call)])
}

/** The inverse; undefined for bytes that are no call, and for calls beyond the limits of the port. */
export function decodeCall(bytes: Uint8Array): MapCall | undefined {
  return attempt(() => {
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
  if (answer.ok) return packr.pack(['ok', ANSWERS[kind].pack(answer.value)])
  const field = REFUSALS[answer.error.kind] as Field<MapRefusal>
  return packr.pack([answer.error.kind, field.pack(answer.error)])
}

/** The inverse; undefined for bytes that are no answer to a call of this kind. */
export function decodeAnswer<K extends MapCall['kind']>(
  kind: K,
  bytes: Uint8Array,
): Result<MapAnswers[K], MapRefusal> | undefined {
  return attempt(() => {
    const packed: unknown = packr.unpack(bytes)
    const [outcome, parts] = Array.isArray(packed) && packed.length === 2 ? packed : []
    if (outcome === 'ok') return ok(ANSWERS[kind].unpack(parts))
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

const condition: Field<Condition> = {
  pack: (held) => (held === 'absent' ? held : version.pack(held)),
  unpack: (packed) => (packed === 'absent' ? packed : version.unpack(packed)),
}

type PackedOperation = {
  readonly kind: MapOperation['kind']
  readonly sortKey: string
  readonly value: Uint8Array | undefined
  readonly condition: Condition | undefined
}

const packedOperation = record<PackedOperation>(
  {
    kind: choice(['put', 'delete', 'check']),
    sortKey: key,
    value: maybe(value, undefined),
    condition: maybe(condition, undefined),
  },
  (operation) =>
    (operation.kind === 'put') === (operation.value !== undefined) &&
    (operation.kind !== 'check' || operation.condition !== undefined),
)

const operation: Field<MapOperation> = {
  pack: (held) => {
    const { kind, sortKey, condition } = held
    const value = kind === 'put' ? held.value : undefined
    return packedOperation.pack({ kind, sortKey, condition, value })
  },
  unpack(packed) {
    const { kind, sortKey, value, condition } = packedOperation.unpack(packed)
    return {
      kind,
      sortKey,
      ...(value !== undefined && { value }),
      ...(condition !== undefined && { condition }),
    } as MapOperation
  },
}

type Parts<K extends MapCall['kind']> = Omit<Extract<MapCall, { kind: K }>, 'kind'>

const CALLS: { readonly [K in MapCall['kind']]: Field<Parts<K>> } = {
  get: record<Parts<'get'>>({ ...target, sortKey: key }, isPlaced),
  scan: record<Parts<'scan'>>(
    { ...target, prefix: key, after: maybe(key, undefined), limit: whole(1) },
    (scan) => isPlaced(scan) && scan.limit <= SCAN_LIMIT_MAX,
  ),
  version: record<Parts<'version'>>(target, isPlaced),
  write: record<Parts<'write'>>(
    {
      ...target,
      operations: checked(list(operation), ({ length }) => length <= OPERATIONS_MAX),
      requestId: word<RequestId>(1, REQUEST_ID_BYTES_MAX),
      since: version,
    },
    (write) => isPlaced(write) && writeFault(write) === undefined,
  ),
}

const entry = record<Page['entries'][number]>({ sortKey: key, value, version })

const ANSWERS: { readonly [K in MapCall['kind']]: Field<MapAnswers[K]> } = {
  get: maybe(versioned, undefined),
  scan: record<Page>({ entries: list(entry), next: maybe(key, undefined), version }),
  version,
  write: record<Written>({ version, previous: version }),
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

function isKind(kind: unknown): kind is MapCall['kind'] {
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
