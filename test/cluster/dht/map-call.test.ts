import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { PartitionId, RequestId } from '../../../src/base/ids.ts'
import { type MapOperation, SCAN_LIMIT_MAX } from '../../../src/base/port.ts'
import { err, ok } from '../../../src/base/result.ts'
import {
  decodeAnswer,
  decodeCall,
  encodeAnswer,
  encodeCall,
  type MapCall,
} from '../../../src/cluster/dht/map/map-call.ts'
import { partitionOf } from '../../../src/cluster/dht/partition.ts'
import { Random } from '../../sim/random.ts'

const target = { partition: partitionOf('s', 'p'), space: 's', partitionKey: 'p' }
const eventual = { ...target, partition: partitionOf('s', 'p', 'eventual') }
const version = { epoch: 2, seq: 2 ** 40 }
const requestId = 'id' as RequestId
const operations: readonly MapOperation[] = [
  { kind: 'put', sortKey: 'a', value: utf8('1'), condition: 'absent' },
  { kind: 'put', sortKey: '', value: new Uint8Array() },
  { kind: 'delete', sortKey: 'b', condition: version },
  { kind: 'delete', sortKey: 'c' },
  { kind: 'check', sortKey: 'd', condition: version },
]

const calls: readonly MapCall[] = [
  { kind: 'get', ...target, sortKey: 'k' },
  { kind: 'get', ...eventual, sortKey: '' },
  { kind: 'scan', ...target, prefix: 'k', after: undefined, limit: 1 },
  { kind: 'scan', ...target, prefix: '', after: 'k', limit: SCAN_LIMIT_MAX },
  { kind: 'version', ...target },
  { kind: 'write', ...target, operations, requestId, since: version },
]

test.each(calls)('a call is decoded as it was encoded: %o', (call) => {
  expect(decodeCall(encodeCall(call))).toEqual(call)
})

test('answers are decoded as they were encoded', () => {
  const entry = { sortKey: 'k', value: utf8('1'), version }
  const roundTrip = <K extends MapCall['kind']>(
    kind: K,
    answer: Parameters<typeof encodeAnswer<K>>[1],
  ) => expect(decodeAnswer(kind, encodeAnswer(kind, answer))).toEqual(answer)
  roundTrip('get', ok({ value: utf8('1'), version }))
  roundTrip('get', ok(undefined))
  roundTrip('scan', ok({ entries: [entry], next: 'k', version }))
  roundTrip('scan', ok({ entries: [], next: undefined, version }))
  roundTrip('version', ok(version))
  roundTrip('write', ok({ version, previous: version }))
  roundTrip('write', err({ kind: 'conflict', key: 'k', current: undefined }))
  roundTrip('write', err({ kind: 'conflict', key: 'k', current: version }))
  roundTrip('write', err({ kind: 'no-space' }))
  roundTrip('write', err({ kind: 'forgotten', committed: version }))
  for (const kind of ['unavailable', 'outcome-unknown'] as const) {
    roundTrip('get', err({ kind, reason: 'so' }))
  }
  for (const kind of ['not-primary', 'taking-over'] as const) roundTrip('get', err({ kind }))
})

describe('what is beyond the limits of the port is no call', () => {
  const put = (sortKey: string, size = 1): MapOperation => {
    return { kind: 'put', sortKey, value: new Uint8Array(size) }
  }
  const write = (operations: readonly MapOperation[], id = requestId): MapCall => {
    return { kind: 'write', ...target, operations, requestId: id, since: version }
  }
  const beyond: readonly [string, MapCall][] = [
    [
      'a partition that is not the key’s',
      { kind: 'version', ...target, partition: 0 as PartitionId },
    ],
    ['no name of a space', { kind: 'version', ...target, space: 'S' }],
    ['a key too long', { kind: 'get', ...target, sortKey: 'k'.repeat(2_049) }],
    ['a page of nothing', { kind: 'scan', ...target, prefix: '', after: undefined, limit: 0 }],
    ['a page too long', { kind: 'scan', ...target, prefix: '', after: undefined, limit: 1_001 }],
    ['no operations', write([])],
    ['too many operations', write(Array.from({ length: 65 }, (_, i) => put(`${i}`)))],
    ['an entry twice', write([put('k'), put('k')])],
    ['a value too large', write([put('k', 256 * 1_024 + 1)])],
    ['values too large', write(Array.from({ length: 17 }, (_, i) => put(`${i}`, 256 * 1_024)))],
    ['no request id', write([put('k')], '' as RequestId)],
    ['a check of nothing', write([{ kind: 'check', sortKey: 'k' } as MapOperation])],
  ]
  test.each(beyond)('%s', (_, call) => {
    expect(decodeCall(encodeCall(call))).toBeUndefined()
  })
})

test('a write or an answer that goes on after its end is none', () => {
  const call = encodeCall({ kind: 'write', ...target, operations, requestId, since: version })
  const answer = encodeAnswer('write', ok({ version, previous: version }))
  expect(decodeCall(Uint8Array.of(...call, 0))).toBeUndefined()
  expect(decodeAnswer('write', Uint8Array.of(...answer, 0))).toBeUndefined()
  expect(decodeAnswer('get', answer)).toBeUndefined()
})

test('bytes that are altered or cut are refused or mean something, and never throw', () => {
  const random = new Random(7)
  const answer = encodeAnswer('scan', ok({ entries: [], next: 'k', version }))
  const written = encodeAnswer('write', ok({ version, previous: version }))
  for (const bytes of [...calls.map(encodeCall), answer, written]) {
    for (let i = 0; i < 300; i++) {
      const altered = bytes.slice(0, 1 + Math.floor(random.next() * bytes.length))
      altered[Math.floor(random.next() * altered.length)] = Math.floor(random.next() * 256)
      decodeCall(altered)
      for (const kind of ['get', 'scan', 'version', 'write'] as const) decodeAnswer(kind, altered)
    }
  }
  expect(decodeCall(answer)).toBeUndefined()
  expect(decodeAnswer('get', answer)).toBeUndefined()
  expect(decodeAnswer('get', utf8('no msgpack at all'))).toBeUndefined()
})
