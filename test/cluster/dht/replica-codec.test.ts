import { Packr } from 'msgpackr'
import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { PartitionId, RequestId } from '../../../src/base/ids.ts'
import { encodeEntry } from '../../../src/cluster/dht/entry.ts'
import { decodeParcel, encodeParcel } from '../../../src/cluster/dht/host/replica-codec.ts'
import { entryKey, entryPrefix, recordKey } from '../../../src/cluster/dht/key.ts'
import { PAGE_BYTES_MAX } from '../../../src/cluster/dht/replica/bound.ts'
import type {
  Append,
  AppendedWrite,
  ReplicaMessage,
} from '../../../src/cluster/dht/replica/message.ts'
import { encodeRecord } from '../../../src/cluster/dht/replica/record.ts'
import { PAYLOAD_BYTES_MAX } from '../../../src/cluster/wire/frame.ts'
import { Random } from '../../sim/random.ts'

const partition = 1_031 as PartitionId
const version = { epoch: 3, seq: 2 ** 40 }
const previous = { epoch: 2, seq: 2 ** 40 - 1 }
const history = [
  { epoch: 1, first: 1, last: 7 },
  { epoch: 3, first: 8, last: 2 ** 40 },
]
const key = entryKey(entryPrefix(partition, 's', 'p'), 'k')
const written = { requestId: 'r' as RequestId, space: 's', partitionKey: 'p', sortKeys: ['k'] }
const record = encodeRecord(written)
const entry = { key, value: encodeEntry({ version, value: utf8('value') }) }
const recordEntry = { key: recordKey(partition, version), value: record }
const epoch = 3

const MESSAGES: readonly ReplicaMessage[] = [
  { kind: 'append', epoch, history, committed: previous, write: undefined },
  {
    kind: 'append',
    epoch,
    history: [],
    committed: previous,
    write: { version, previous, record, written, entries: [entry] },
  },
  { kind: 'appended', epoch, version },
  { kind: 'committed', epoch, version },
  { kind: 'seal', epoch },
  { kind: 'sealed', epoch, history, had: version },
  { kind: 'sealed', epoch, history: undefined, had: version },
  { kind: 'sealed', epoch, history, had: undefined },
  { kind: 'confirm', epoch, turn: 2 ** 50 },
  { kind: 'confirmed', epoch, turn: 1 },
  { kind: 'pull', epoch, turn: 1, since: version, keys: [key], oldest: 5, after: undefined },
  { kind: 'pull', epoch, turn: 1, since: undefined, keys: [], oldest: 1, after: key },
  {
    kind: 'records',
    epoch,
    turn: 1,
    older: [recordEntry],
    newer: [recordEntry],
    entries: [entry, { key, value: undefined }],
  },
  { kind: 'entries', epoch, turn: 1, at: version, entries: [entry], next: key },
  { kind: 'fenced', epoch, by: 4 },
]

const PARCELS = MESSAGES.map((message) => ({ partition, message }))

test('whatever replicas say comes back as it was said', () => {
  for (const parcel of PARCELS) {
    expect(normal(decodeParcel(encodeParcel(parcel)))).toEqual(normal(parcel))
  }
})

test('what is of another partition is refused', () => {
  for (const { message } of PARCELS) {
    const decoded = decodeParcel(encodeParcel({ partition: 7 as PartitionId, message }))
    const names = 'keys' in message || 'entries' in message || ('write' in message && message.write)
    expect([message.kind, decoded === undefined]).toEqual([message.kind, Boolean(names)])
  }
})

const packr = new Packr({ useRecords: false })

test.each([
  ['no list', 7],
  ['a list that is too short', [7, 'seal']],
  ['an unknown kind', [7, 'toString', []]],
  ['a partition beyond the last', [2_048, 'seal', [1]]],
  ['a part too few', [7, 'seal', []]],
  ['an epoch that no version holds', [7, 'seal', [2 ** 32]]],
  ['a run that ends before it begins', [7, 'sealed', [1, [[1, 3, 2]], [1, 3]]]],
])('%s is refused', (_, packed) => {
  expect(decodeParcel(packr.pack(packed))).toBe(undefined)
})

test.each<[string, Append]>([
  ['a write after another than the one before it', append({ previous: { epoch: 2, seq: 7 } })],
  ['a record that is none', append({ record: utf8('?') })],
  ['an entry that is none', append({ entries: [{ key, value: utf8('?') }] })],
  ['a run that ends before it begins', { ...append({}), history: [{ epoch, first: 3, last: 2 }] }],
])('%s is refused of a primary', (_, message) => {
  expect(decodeParcel(encodeParcel({ partition, message }))).toBe(undefined)
})

test('a message that goes on after its end is refused', () => {
  const bytes = encodeParcel({ partition, message: { kind: 'appended', epoch, version } })
  expect(decodeParcel(Uint8Array.of(...bytes, 0))).toBe(undefined)
})

function append(parts: Partial<AppendedWrite>): Append {
  const write = { version, previous, record, written, entries: [entry], ...parts }
  return { kind: 'append', epoch, history: [], committed: previous, write }
}

test('no damage gets through as something that cannot be said', () => {
  const random = new Random(7)
  const all = PARCELS.map(encodeParcel)
  for (let i = 0; i < 3_000; i++) {
    const bytes = Uint8Array.from(random.pick(all))
    for (let j = random.int(1, 4); j > 0; j--) {
      bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
    }
    const decoded = decodeParcel(bytes.subarray(0, random.int(0, bytes.length)))
    if (decoded !== undefined) expect(decodeParcel(encodeParcel(decoded))).toBeDefined()
  }
})

test('the largest page fits its frame', () => {
  const value = encodeEntry({ version, value: new Uint8Array(200_000) })
  const entries = Array.from({ length: Math.floor(PAGE_BYTES_MAX / value.length) }, () => ({
    key,
    value,
  }))
  const message = { kind: 'records', epoch, turn: 1, older: [], newer: [], entries } as const
  expect(encodeParcel({ partition, message }).length).toBeLessThan(PAYLOAD_BYTES_MAX)
})

/** Bytes come back as views of a buffer; they are compared as numbers. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, normal(part)]))
}
