import { Packr } from 'msgpackr'
import { isDigest } from '../../base/ids.ts'
import { err, ok, type Result } from '../../base/result.ts'
import {
  type Ballot,
  type Batch,
  type BatchId,
  CHUNK_BYTES_MAX,
  decodeBatch,
  encodeBatch,
  type Message,
} from '../rabia/index.ts'
import {
  blob,
  choice,
  type Field,
  flag,
  list,
  MalformedError,
  maybe,
  plain,
  record,
  whole,
  word,
} from './field.ts'
import { PAYLOAD_BYTES_MAX } from './frame.ts'

/** The bytes of a payload are no message of this protocol; another node sent them in good faith or not. */
export type Malformed = { readonly kind: 'malformed'; readonly reason: string }

/** One message as the msgpack of a list: its kind and its parts. The bytes are the caller's. */
export function encodeMessage(message: Message): Uint8Array {
  const field = FIELDS[message.kind] as Field<Message>
  return packr.pack([message.kind, field.pack(message)])
}

/** The inverse. Every type, range and length is checked: what is returned may go into the core. */
export function decodeMessage(bytes: Uint8Array): Result<Message, Malformed> {
  try {
    const packed: unknown = packr.unpack(bytes)
    const [kind, parts] = Array.isArray(packed) && packed.length === 2 ? packed : []
    if (!isKind(kind)) return err({ kind: 'malformed', reason: 'an unknown kind of message' })
    return ok({ kind, ...FIELDS[kind].unpack(parts) } as Message)
  } catch (error) {
    const reason = error instanceof MalformedError ? error.message : 'no msgpack'
    return err({ kind: 'malformed', reason })
  }
}

/**
 * Lists, numbers, texts, booleans, null and bytes are all that is used of msgpack. Bytes are copied out, since a replica
 * that gathers a snapshot would otherwise keep the frames they came in.
 */
const packr = new Packr({ useRecords: false, copyBuffers: true })

/** Node ids are shorter; so are the names that a replica makes of one, its boot and a count. */
const NAME_UNITS_MAX = 512

const slot = whole(0)
/** Slot 0 is the state before the first command: nobody votes on it. */
const votedSlot = whole(1)
const epoch = whole(0)
const name = word<string>(1, NAME_UNITS_MAX)

const digest = plain<string>('digest', (packed) => typeof packed === 'string' && isDigest(packed))
const batchId = word<BatchId>(1, NAME_UNITS_MAX)

/** The bytes that its origin has made, and that the log of each node keeps. */
const batch: Field<Batch> = {
  pack: encodeBatch,
  unpack(packed) {
    const batch = decodeBatch(blob(PAYLOAD_BYTES_MAX).unpack(packed))
    if (batch === undefined) throw new MalformedError('no batch')
    return batch
  },
}

const ballot = record<Ballot>(
  {
    stage: choice(['proposal', 'state', 'vote']),
    phase: whole(0),
    value: choice([0, 1, '?']),
    batch: maybe(batchId, undefined),
  },
  ({ stage, phase, value, batch }) =>
    (stage === 'proposal') === (phase === 0) &&
    (stage === 'vote' || value !== '?') &&
    (value === 0) === (batch === undefined),
)

type Parts<K extends Message['kind']> = Omit<Extract<Message, { kind: K }>, 'kind'>

/** A kind of message that is missing here does not compile, nor does a part of one. */
const FIELDS: { readonly [K in Message['kind']]: Field<Parts<K>> } = {
  ballots: record<Parts<'ballots'>>(
    {
      epoch,
      slot: votedSlot,
      ballots: list(ballot),
      batch: maybe(batch, undefined),
      repeats: flag,
    },
    ({ ballots, batch }) =>
      batch === undefined ||
      ballots.some(({ stage, batch: id }) => stage === 'proposal' && id === batch.id),
  ),
  decided: record<Parts<'decided'>>(
    { first: slot, decisions: list(maybe(batch, null)), end: slot },
    ({ first, decisions, end }) => first + decisions.length <= end,
  ),
  forward: record<Parts<'forward'>>({ batch }),
  fetch: record<Parts<'fetch'>>({ slot }),
  offer: record<Parts<'offer'>>({ slot, sizeBytes: whole(0), sha256: digest }),
  'snapshot-fetch': record<Parts<'snapshot-fetch'>>({ slot, sha256: digest, offset: whole(0) }),
  'snapshot-chunk': record<Parts<'snapshot-chunk'>>({
    slot,
    sha256: digest,
    offset: whole(0),
    bytes: blob(CHUNK_BYTES_MAX),
  }),
  'mark-query': record<Parts<'mark-query'>>({ round: name }),
  mark: record<Parts<'mark'>>({ round: name, slot }),
  recall: record<Parts<'recall'>>({ boot: name }),
  witness: record<Parts<'witness'>>(
    { boot: name, slot, ballot: maybe(ballot, undefined) },
    ({ slot, ballot }) => (slot === 0) === (ballot === undefined),
  ),
}

function isKind(kind: unknown): kind is Message['kind'] {
  return typeof kind === 'string' && Object.hasOwn(FIELDS, kind)
}
