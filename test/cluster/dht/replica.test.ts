import { beforeEach, expect, test } from 'vitest'
import { hex, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, PartitionId, RequestId } from '../../../src/base/ids.ts'
import type { Condition, MapOperation, Version } from '../../../src/base/port.ts'
import { ok } from '../../../src/base/result.ts'
import type { ReplicaEffect } from '../../../src/cluster/dht/replica/effect.ts'
import { RECORDS_RETAINED } from '../../../src/cluster/dht/replica/history.ts'
import { Replica } from '../../../src/cluster/dht/replica/replica.ts'
import type { EngineOperation } from '../../../src/storage/index.ts'

const partition = 3 as PartitionId
const noSpace = { ok: false, error: { kind: 'no-space' } }

let disk: Map<string, Uint8Array>
let replica: Replica
let clientLast: number
/** What the replica wants to have persisted, oldest first. */
let persists: { operations: readonly EngineOperation[]; token: number }[]
let replies: [client: number, result: unknown][]

beforeEach(() => {
  disk = new Map()
  persists = []
  replies = []
  clientLast = 0
  const self = 'a' as NodeId
  replica = new Replica({ partition, self, view: (key) => disk.get(hex(key)) }, [])
  const placement = { epoch: 1, primary: self, replicas: [self] }
  expect(replica.step({ kind: 'configure', placement })).toEqual([
    { kind: 'role', role: 'primary', epoch: 1 },
  ])
})

function take(effects: readonly ReplicaEffect[]): void {
  for (const effect of effects) {
    if (effect.kind === 'persist') persists.push(effect)
    else if (effect.kind === 'reply') replies.push([effect.client, effect.result])
  }
}

/** Gives the client's number. */
function write(id: string, ...operations: MapOperation[]): number {
  const client = ++clientLast
  const requestId = id as RequestId
  const body = { space: 's', partitionKey: 'p', operations, requestId }
  take(replica.step({ kind: 'write', client, write: body }))
  return client
}

function put(sortKey: string, condition?: Condition): MapOperation {
  const operation = { kind: 'put' as const, sortKey, value: utf8(`value of ${sortKey}`) }
  return condition === undefined ? operation : { ...operation, condition }
}

function persistNext(): void {
  const { operations, token } = persists.shift()!
  for (const operation of operations) {
    if (operation.kind === 'put') disk.set(hex(operation.key), operation.value)
    else disk.delete(hex(operation.key))
  }
  take(replica.step({ kind: 'persisted', token }))
}

function refuseNext(): void {
  const { token } = persists[0]!
  persists = []
  take(replica.step({ kind: 'refused', token }))
}

function at(seq: number): Version {
  return { epoch: 1, seq }
}

test('answers a write when it is persisted, not before', () => {
  const client = write('r1', put('a'))
  expect(replies).toEqual([])
  persistNext()
  expect(replies).toEqual([[client, ok(at(1))]])
})

test('a condition sees the writes in flight', () => {
  const creator = write('r1', put('a', 'absent'))
  const changer = write('r2', put('a', at(1)))
  const remover = write('r3', { kind: 'delete', sortKey: 'a', condition: at(2) })
  const again = write('r4', put('a', 'absent'))
  while (persists.length > 0) persistNext()
  expect(replies).toEqual([
    [creator, ok(at(1))],
    [changer, ok(at(2))],
    [remover, ok(at(3))],
    [again, ok(at(4))],
  ])
})

test('a conflict with a write in flight is told only when that write is persisted', () => {
  const winner = write('r1', put('a', 'absent'))
  const loser = write('r2', put('a', 'absent'))
  expect(replies).toEqual([])
  persistNext()
  const conflict = { kind: 'conflict', key: 'a', current: at(1) }
  expect(replies).toEqual([
    [winner, ok(at(1))],
    [loser, { ok: false, error: conflict }],
  ])
  expect(persists).toEqual([])
})

test('a conflict with a committed entry is told at once, and nothing of the write happens', () => {
  write('r1', put('a'))
  persistNext()
  write('r2', put('b'), { kind: 'check', sortKey: 'a', condition: at(9) }, put('c'))
  expect(replies.at(-1)).toEqual([
    2,
    { ok: false, error: { kind: 'conflict', key: 'a', current: at(1) } },
  ])
  expect(persists).toEqual([])
})

test('the retry of a write in flight gets the first answer, when that is due', () => {
  const first = write('r1', put('a', 'absent'))
  const retry = write('r1', put('a', 'absent'))
  expect(replies).toEqual([])
  expect(persists).toHaveLength(1)
  persistNext()
  expect(replies).toEqual([
    [first, ok(at(1))],
    [retry, ok(at(1))],
  ])
  expect(write('r1', put('a'))).toBe(3)
  expect(replies.at(-1)).toEqual([3, ok(at(1))])
})

test('a failed condition is not remembered under its request id', () => {
  write('r1', put('a', at(7)))
  write('r1', put('a', 'absent'))
  persistNext()
  expect(replies.at(-1)).toEqual([2, ok(at(1))])
})

test('a refused write takes along what was ordered after it, and all of it can be tried again', () => {
  write('r1', put('a'))
  persistNext()
  write('r2', put('a', at(1)))
  write('r3', put('a', at(2)))
  write('r4', put('a', at(1)))
  refuseNext()
  expect(replies.slice(1)).toEqual([
    [2, noSpace],
    [3, noSpace],
    [4, noSpace],
  ])
  write('r3', put('a', at(1)))
  persistNext()
  expect(replies.at(-1)).toEqual([5, ok(at(2))])
})

test('a refusal keeps what was ordered before', () => {
  write('r1', put('a'))
  write('r2', put('a', at(1)))
  const kept = persists[0]!
  take(replica.step({ kind: 'refused', token: persists[1]!.token }))
  persists = [kept]
  const third = write('r3', put('a', at(1)))
  persistNext()
  persistNext()
  expect(replies.slice(1)).toEqual([
    [1, ok(at(1))],
    [third, ok(at(2))],
  ])
})

test('keeps the records of the latest writes, also when one at the edge is refused', () => {
  const records = () => [...disk.keys()].filter((key) => key.startsWith('02')).length
  for (let i = 1; i <= RECORDS_RETAINED; i++) write(`r${i}`, put('a'))
  while (persists.length > 0) persistNext()
  write('refused', put('a'))
  write('refused too', put('a'))
  refuseNext()
  expect(records()).toBe(RECORDS_RETAINED)

  const edge = write('r1', put('a'))
  expect(replies.at(-1)).toEqual([edge, ok(at(1))])
  for (let i = 1; i <= 3; i++) write(`more ${i}`, put('a'))
  while (persists.length > 0) persistNext()
  expect(records()).toBe(RECORDS_RETAINED)
  const forgotten = write('r3', put('a'))
  persistNext()
  expect(replies.at(-1)).toEqual([forgotten, ok(at(RECORDS_RETAINED + 4))])
})

test('the version is that of the state that the view shows', () => {
  write('r1', put('a'))
  write('r2', put('a'))
  expect(replica.version()).toEqual({ epoch: 0, seq: 0 })
  const [first] = persists
  for (const operation of first!.operations) {
    if (operation.kind === 'put') disk.set(hex(operation.key), operation.value)
  }
  expect(replica.version()).toEqual(at(1))
  persistNext()
  expect(replica.version()).toEqual(at(1))
})

test('the version is right when more writes became visible at once than are retained', () => {
  for (let i = 1; i <= RECORDS_RETAINED + 2; i++) write(`r${i}`, put('a'))
  const [first, ...rest] = persists.map(({ token }) => token)
  for (const { operations } of persists) {
    for (const operation of operations) {
      if (operation.kind === 'put') disk.set(hex(operation.key), operation.value)
      else disk.delete(hex(operation.key))
    }
  }
  expect(replica.version()).toEqual(at(RECORDS_RETAINED + 2))
  take(replica.step({ kind: 'persisted', token: first! }))
  expect(replica.version()).toEqual(at(RECORDS_RETAINED + 2))
  for (const token of rest) take(replica.step({ kind: 'persisted', token }))
  expect(replica.version()).toEqual(at(RECORDS_RETAINED + 2))
})

test('the version of a partition key changes with its own writes, seldom with those of others', () => {
  const others = (count: number) => {
    for (let i = 0; i < count; i++) {
      write(`other ${i} ${clientLast}`, put('b'))
      persistNext()
    }
  }
  const seen = new Set<number>()
  expect(replica.versionOf('s', 'q')).toEqual({ epoch: 0, seq: 0 })
  for (let round = 0; round < 2 * RECORDS_RETAINED; round++) {
    others(1)
    expect(replica.versionOf('s', 'p')).toEqual(at(clientLast))
    seen.add(replica.versionOf('s', 'q').seq)
  }
  expect([...seen]).toEqual([0, 64, 128])

  const body = {
    space: 's',
    partitionKey: 'q',
    operations: [put('a')],
    requestId: 'q' as RequestId,
  }
  take(replica.step({ kind: 'write', client: ++clientLast, write: body }))
  expect(replica.versionOf('s', 'q').seq).toBe(128)
  expect(replica.orderedVersionOf('s', 'q')).toEqual(at(clientLast))
  persistNext()
  const own = clientLast
  expect(replica.versionOf('s', 'q')).toEqual(at(own))
  others(RECORDS_RETAINED - 1)
  expect(replica.versionOf('s', 'q')).toEqual(at(own))
  others(1)
  expect(replica.versionOf('s', 'q').seq).toBeGreaterThan(own)
})

test('an entry is pending while a write to it is in flight', () => {
  write('r1', put('a'))
  write('r2', put('a'))
  persistNext()
  expect(replica.isPending('s/1/pa')).toBe(true)
  persistNext()
  expect(replica.isPending('s/1/pa')).toBe(false)
})

test('a partition with one replica writes nothing but entries and records', () => {
  write('r1', put('a'))
  expect(persists.map(({ operations }) => operations.length)).toEqual([2])
  persistNext()
  expect([...disk.keys()].map((key) => key.slice(0, 2))).toEqual(['01', '02'])
})

test('to be told of a commit that was never asked for is a bug', () => {
  expect(() => replica.step({ kind: 'persisted', token: 1 })).toThrow(
    'becomes durable in its order',
  )
})
