import { beforeEach, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import type { MapOperation, Version } from '../../../src/base/port.ts'
import { type Consistency, quorumsOf } from '../../../src/cluster/dht/quorum.ts'
import { BOUNDS } from '../../../src/cluster/dht/replica/bound.ts'
import type { Answer } from '../../../src/cluster/dht/replica/effect.ts'
import type { ReplicaMessage } from '../../../src/cluster/dht/replica/message.ts'
import { encodeRecord } from '../../../src/cluster/dht/replica/record.ts'
import { Takeover } from '../../../src/cluster/dht/replica/takeover.ts'
import { ReplicaNode } from './replica-node.ts'

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId]
const bounds = { ...BOUNDS, inFlight: 3, outcomeTicks: 4, repeatTicks: 1 }

let nodes: ReadonlyMap<NodeId, ReplicaNode>
let packets: { from: NodeId; to: NodeId; message: ReplicaMessage }[]
let answers: Map<number, Answer['result']>
let clientLast: number

beforeEach(() => setUp('strong'))

function setUp(consistency: Consistency): void {
  packets = []
  answers = new Map()
  clientLast = 0
  const options = { bounds, consistency }
  nodes = new Map(
    [a, b, c].map((self) => [
      self,
      new ReplicaNode({ self, ...options }, ({ self: from }, effect) => {
        if (effect.kind === 'send') packets.push({ from, to: effect.to, message: effect.message })
        else if (effect.kind === 'reply') answers.set(effect.client, effect.result)
      }),
    ]),
  )
  for (const node of nodes.values()) node.start(undefined)
}

function node(name: NodeId): ReplicaNode {
  const found = nodes.get(name)
  if (found === undefined) throw new Error(`no node ${name}`)
  return found
}

function elect(primary: NodeId, epoch: number, told: readonly NodeId[] = [a, b, c]): void {
  const placement = { epoch, primary, replicas: [a, b, c] }
  for (const name of told) node(name).step({ kind: 'configure', placement })
}

/** Everything between these nodes is delivered and made durable; what is for others is lost. */
function settle(among: readonly NodeId[] = [a, b, c]): void {
  const isBusy = () => packets.length > 0 || among.some((name) => node(name).queue.length > 0)
  while (isBusy()) {
    for (const { from, to, message } of packets.splice(0)) {
      if (among.includes(from) && among.includes(to)) {
        node(to).step({ kind: 'message', from, message })
      }
    }
    for (const name of among) {
      node(name).commit()
      node(name).notify()
      node(name).scan()
    }
  }
}

function write(name: NodeId, id: string, ...operations: MapOperation[]): number {
  const client = ++clientLast
  const requestId = id as RequestId
  const body = { space: 's', partitionKey: 'p', operations, requestId }
  node(name).step({ kind: 'write', client, write: body })
  return client
}

/** With what the partition had before the first attempt. */
function attempt(name: NodeId, id: string, since: Version, operation: MapOperation): number {
  const client = ++clientLast
  const requestId = id as RequestId
  const body = { space: 's', partitionKey: 'p', operations: [operation], requestId, since }
  node(name).step({ kind: 'write', client, write: body })
  return client
}

function read(name: NodeId): number {
  const client = ++clientLast
  const body = { space: 's', partitionKey: 'p', sortKey: 'x' }
  node(name).step({ kind: 'read', client, read: body })
  return client
}

function put(sortKey: string, value = sortKey): MapOperation {
  return { kind: 'put', sortKey, value: utf8(value) }
}

function outcome(client: number): unknown {
  const result = answers.get(client)
  return result?.ok ? `${result.value.epoch}/${result.value.seq}` : result?.error.kind
}

function take(kind: ReplicaMessage['kind'], from: NodeId) {
  const place = packets.findIndex((packet) => packet.from === from && packet.message.kind === kind)
  const [packet] = packets.splice(place, 1)
  if (place === -1 || packet === undefined) throw new Error(`${from} has sent no ${kind}`)
  return packet
}

function disksAreEqual(): void {
  for (const kind of ['01', '02'] as const) {
    expect(node(b).engine.dump(kind)).toEqual(node(a).engine.dump(kind))
    expect(node(c).engine.dump(kind)).toEqual(node(a).engine.dump(kind))
  }
}

test('a primary serves when its empty write is on a quorum, and not before', () => {
  elect(a, 1)
  expect(node(a).isServing).toBe(false)
  settle([a])
  expect(node(a).isServing).toBe(false)
  expect(outcome(write(a, 'r', put('x')))).toBe('taking-over')
  for (let i = 0; i < 2; i++) {
    node(a).step({ kind: 'tick' })
    settle([a, b])
  }
  expect(node(a).isServing).toBe(true)
})

test('a write is answered when a quorum has it durably, the primary included', () => {
  elect(a, 1)
  settle()
  const client = write(a, 'r', put('x'))
  settle([a])
  expect(outcome(client)).toBe(undefined)
  node(a).step({ kind: 'tick' })
  node(a).step({ kind: 'tick' })
  settle([a, c])
  expect(outcome(client)).toBe('1/2')
})

test('a write leaves the primary only when it is durable there', () => {
  elect(a, 1)
  settle()
  write(a, 'r', put('x'))
  expect(packets).toEqual([])
  node(a).commit()
  node(a).notify()
  expect(packets.map(({ to, message }) => [to, message.kind])).toEqual([
    [b, 'append'],
    [c, 'append'],
  ])
})

test('a repeated write is acknowledged only when it is durable', () => {
  elect(a, 1)
  settle()
  write(a, 'r', put('x'))
  node(a).commit()
  node(a).notify()
  const packet = take('append', a)
  packets = []
  node(b).step({ kind: 'message', from: a, message: packet.message })
  node(b).step({ kind: 'message', from: a, message: packet.message })
  expect(packets).toEqual([])
  node(b).commit()
  node(b).notify()
  expect(packets.map(({ message }) => message.kind)).toEqual(['appended'])
})

test('a partition bounds the writes that wait for other replicas', () => {
  elect(a, 1)
  settle()
  const clients = [1, 2, 3, 4].map((i) => write(a, `r${i}`, put('x')))
  expect(clients.map(outcome)).toEqual([undefined, undefined, undefined, 'unavailable'])
  settle()
  expect(clients.map(outcome)).toEqual(['1/2', '1/3', '1/4', 'unavailable'])
})

test('without a quorum the outcome of a write is unknown, and a retry elsewhere tells it', () => {
  elect(a, 1)
  settle()
  const client = write(a, 'r', put('x'))
  settle([a, b])
  node(a).stop()
  elect(b, 2, [b, c])
  settle([b, c])
  expect(outcome(client)).toBe('1/2')

  const lost = write(b, 'lost', put('y'))
  settle([b])
  for (let i = 0; i < bounds.outcomeTicks; i++) node(b).step({ kind: 'tick' })
  expect(outcome(lost)).toBe('outcome-unknown')
  settle([b, c])
  expect(outcome(write(b, 'lost', put('y')))).toBe('2/4')
  expect(outcome(write(b, 'r', put('x')))).toBe('1/2')
})

test('a primary that hears of a later epoch answers all who wait', () => {
  elect(a, 1)
  settle()
  const written = write(a, 'r', put('x'))
  const asked = read(a)
  elect(b, 2)
  expect([written, asked].map(outcome)).toEqual(['outcome-unknown', 'not-primary'])
  expect(outcome(write(a, 'r', put('x')))).toBe('not-primary')
})

test('a replica refuses the writes and the reads of an earlier epoch', () => {
  elect(a, 1)
  settle()
  elect(b, 2, [b])
  settle([b, c])
  write(b, 'new', put('x'))
  settle([b, c])
  const asked = read(a)
  settle([a, c])
  expect(outcome(asked)).toBe('not-primary')
  expect(node(a).isServing).toBe(false)

  setUp('strong')
  elect(a, 1)
  settle()
  elect(b, 2, [b])
  settle([b, c])
  const written = write(a, 'old', put('x'))
  settle([a, c])
  expect(outcome(written)).toBe('outcome-unknown')
})

test('a read is answered when another replica has confirmed the primary', () => {
  elect(a, 1)
  settle()
  const asked = read(a)
  expect(outcome(asked)).toBe(undefined)
  settle([a])
  expect(outcome(asked)).toBe(undefined)
  node(a).step({ kind: 'tick' })
  settle([a, b])
  expect(outcome(asked)).toBe('1/1')
})

test('the answer to an earlier question confirms no later read', () => {
  elect(a, 1)
  settle()
  read(a)
  for (const packet of packets.splice(0)) {
    node(packet.to).step({ kind: 'message', from: a, message: packet.message })
  }
  const old = take('confirmed', b)
  settle()
  const asked = read(a)
  node(a).step({ kind: 'message', from: b, message: old.message })
  expect(outcome(asked)).toBe(undefined)
})

test('reads that come while others are being confirmed share the next round', () => {
  elect(a, 1)
  settle()
  const clients = [read(a), read(a), read(a)]
  expect(packets.filter(({ message }) => message.kind === 'confirm')).toHaveLength(2)
  settle()
  expect(clients.map(outcome)).toEqual(['1/1', '1/1', '1/1'])
})

test('a read of an entry waits for the write in flight that it may have seen', () => {
  elect(a, 1)
  settle()
  write(a, 'r', put('x'))
  node(a).commit()
  node(a).notify()
  packets = packets.filter(({ message }) => message.kind !== 'append')
  const asked = read(a)
  for (const { from, to, message } of packets.splice(0)) {
    node(to).step({ kind: 'message', from, message })
  }
  for (const { from, to, message } of packets.splice(0)) {
    node(to).step({ kind: 'message', from, message })
  }
  expect(outcome(asked)).toBe(undefined)
  node(a).step({ kind: 'tick' })
  node(a).step({ kind: 'tick' })
  settle()
  expect(outcome(asked)).toBe('1/2')
})

test('a promise is durable before anybody is told of it, and refuses earlier epochs from then on', () => {
  elect(a, 1)
  settle()
  node(b).step({ kind: 'message', from: c, message: { kind: 'seal', epoch: 2 } })
  expect(packets).toEqual([])
  node(b).commit()
  node(b).notify()
  expect(take('sealed', b).message).toMatchObject({ epoch: 2, history: [{ epoch: 1, last: 1 }] })
  node(b).stop()
  node(b).start({ epoch: 1, primary: a, replicas: [a, b, c] })
  node(b).step({ kind: 'message', from: a, message: { kind: 'confirm', epoch: 1, turn: 1 } })
  expect(take('fenced', b).message).toMatchObject({ epoch: 1, by: 2 })
})

test('the history of the latest epoch is adopted, not the longest one', () => {
  elect(a, 1)
  settle()
  for (let i = 0; i < 3; i++) write(a, `lost ${i}`, put('x'))
  settle([a])
  elect(b, 2, [b, c])
  settle([b, c])
  const client = write(b, 'kept', put('x'))
  settle([b, c])
  expect(outcome(client)).toBe('2/3')
  node(b).stop()
  elect(a, 3, [a, c])
  settle([a, c])
  expect(node(a).isServing).toBe(true)
  expect(
    node(a)
      .engine.records()
      .map(({ requestId }) => requestId),
  ).toEqual(['', '', 'kept', ''])
})

test('writes that only the old primary has are dropped, byte for byte', () => {
  elect(a, 1)
  settle()
  write(a, 'both', put('x', 'old'), put('z', 'old'))
  settle()
  write(a, 'dropped', put('x', 'never'), put('y', 'never'))
  write(a, 'dropped too', { kind: 'delete', sortKey: 'z' })
  settle([a])
  elect(b, 2, [b, c])
  settle([b, c])
  write(b, 'kept', put('x', 'new'))
  settle([b, c])
  elect(b, 2, [a])
  for (let i = 0; i < 3; i++) {
    node(b).step({ kind: 'tick' })
    settle()
  }
  disksAreEqual()
})

test.each([10, BOUNDS.retained + 40])('a replica that missed %i writes is brought up', (count) => {
  elect(a, 1)
  settle()
  node(c).stop()
  for (let i = 0; i < count; i++) {
    write(a, `r${i}`, put(`x${i % 7}`, `${i}`))
    settle([a, b])
  }
  node(c).start(undefined)
  for (let i = 0; i < 4; i++) {
    node(a).step({ kind: 'tick' })
    settle()
  }
  disksAreEqual()
  expect(node(c).replica?.status()).toMatchObject({ isComplete: true, isFetching: false })
})

test('a replica knows what is committed, a little later than the primary', () => {
  elect(a, 1)
  settle()
  write(a, 'r', put('x'))
  settle()
  expect(node(a).replica?.isCommitted({ epoch: 1, seq: 2 })).toBe(true)
  expect(node(b).replica?.isCommitted({ epoch: 1, seq: 2 })).toBe(false)
  node(a).step({ kind: 'tick' })
  node(a).step({ kind: 'tick' })
  settle()
  expect(node(b).replica?.isCommitted({ epoch: 1, seq: 2 })).toBe(true)
})

test('an eventual partition answers at once, and may lose what only its primary had', () => {
  setUp('eventual')
  elect(a, 1)
  settle()
  const client = write(a, 'r', put('x'))
  settle([a])
  expect(outcome(client)).toBe('1/2')
  node(a).stop()
  elect(b, 2, [b, c])
  for (let i = 0; i < 3; i++) node(b).step({ kind: 'tick' })
  settle([b, c])
  expect(node(b).isServing).toBe(true)
  expect(node(b).engine.dump('01').size).toBe(0)
})

test('a page of an earlier epoch that waits for the disk is not written over', () => {
  elect(a, 1)
  settle()
  // The other four of five have gone on without this one: first under a, then under c.
  const history = [{ epoch: 1, first: 1, last: 1 }]
  const ask = { kind: 'append' as const, committed: { epoch: 0, seq: 0 }, write: undefined }
  write(a, 'r', put('x'))
  settle([a])
  node(b).step({
    kind: 'message',
    from: a,
    message: { ...ask, epoch: 1, history: [{ epoch: 1, first: 1, last: 2 }] },
  })
  node(a).step({ kind: 'message', from: b, message: take('pull', b).message })
  node(b).step({ kind: 'message', from: a, message: take('records', a).message })
  packets = []
  const written = { requestId: '' as RequestId, space: '', partitionKey: '', sortKeys: [] }
  const record = encodeRecord(written)
  const [version, previous] = [
    { epoch: 2, seq: 2 },
    { epoch: 1, seq: 1 },
  ]
  const runs = [...history, { epoch: 2, first: 2, last: 2 }]
  const next = {
    ...ask,
    epoch: 2,
    history: runs,
    write: { version, previous, record, written, entries: [] },
  }
  node(b).step({ kind: 'message', from: c, message: next })
  node(b).commit()
  node(b).notify()
  expect(packets.filter(({ message }) => message.kind === 'appended')).toEqual([])
  expect(
    node(b)
      .engine.records()
      .map(({ version }) => version),
  ).toEqual([previous, { epoch: 1, seq: 2 }])
})

test('a question that comes very late does not make a replica give up what it has', () => {
  elect(a, 1)
  settle()
  write(a, 'first', put('x'))
  node(a).commit()
  node(a).notify()
  const late = take('append', a)
  settle()
  for (let i = 0; i < bounds.retained + 10; i++) {
    write(a, `r${i}`, put('x'))
    settle()
  }
  for (let i = 0; i < 3; i++) {
    node(a).step({ kind: 'tick' })
    settle()
  }
  expect(node(b).replica?.status().isComplete).toBe(true)
  node(b).step({ kind: 'message', from: a, message: late.message })
  node(b).commit()
  node(b).notify()
  expect(node(b).replica?.status()).toMatchObject({ isComplete: true, isFetching: false })
})

test('an attempt is made only where all earlier ones would show, by a later primary too', () => {
  const before = { epoch: 0, seq: 0 }
  elect(a, 1)
  settle()
  const first = attempt(a, 'r', before, put('x', 'once'))
  settle()
  expect(outcome(first)).toBe('1/2')
  for (let i = 2; i < bounds.retained; i++) {
    write(a, `r${i}`, put('x', 'newer'))
    settle()
  }
  expect(outcome(attempt(a, 'r', before, put('x', 'once')))).toBe('1/2')
  expect(outcome(attempt(a, 'late', before, put('x')))).toBe(undefined)
  settle()
  write(a, 'last', put('x', 'newer'))
  settle()
  const last = bounds.retained + 2
  const forgotten = { kind: 'forgotten', committed: { epoch: 1, seq: last } }
  for (const id of ['r', 'never made']) {
    const result = answers.get(attempt(a, id, before, put('x', 'once')))
    expect(result).toEqual({ ok: false, error: forgotten })
  }
  elect(b, 2)
  settle()
  expect(outcome(attempt(b, 'r', before, put('x', 'once')))).toBe('forgotten')
  const anew = attempt(b, 'never made', { epoch: 1, seq: last }, put('x', 'once'))
  settle()
  expect(outcome(anew)).toBe(`2/${last + 2}`)
})

test('a replica that is alone says that it serves, also when it had to wait for its disk', () => {
  const roles: string[] = []
  const alone = new ReplicaNode({ self: a, bounds, consistency: 'strong' }, (_, effect) => {
    if (effect.kind === 'role') roles.push(`${effect.role} ${effect.epoch}`)
  })
  alone.start({ epoch: 1, primary: a, replicas: [a] })
  const body = {
    space: 's',
    partitionKey: 'p',
    operations: [put('x')],
    requestId: 'r' as RequestId,
  }
  alone.step({ kind: 'write', client: 1, write: body })
  alone.step({ kind: 'configure', placement: { epoch: 2, primary: a, replicas: [a] } })
  alone.commit()
  alone.notify()
  expect(roles.at(-1)).toBe('primary 2')
})

test('an empty replica that does not know the table yet does not say that nothing was ever written', () => {
  node(b).step({ kind: 'message', from: a, message: { kind: 'seal', epoch: 2 } })
  node(b).commit()
  node(b).notify()
  expect(take('sealed', b).message).toMatchObject({ epoch: 2, history: undefined })
})

test('what waits for the disk of a slow replica is bounded', () => {
  elect(a, 1)
  settle()
  for (let i = 0; i < 3 * bounds.inFlight; i++) {
    write(a, `r${i}`, put('x'))
    node(a).commit()
    node(a).notify()
    for (const { from, to, message } of packets.splice(0)) {
      node(to).step({ kind: 'message', from, message })
    }
    node(c).commit()
    node(c).notify()
    for (const { from, to, message } of packets.splice(0)) {
      node(to).step({ kind: 'message', from, message })
    }
  }
  expect(node(a).replica?.status().last.seq).toBeGreaterThan(2 * bounds.inFlight)
  expect(node(b).queue).toHaveLength(bounds.inFlight)
  for (let i = 0; i < 3; i++) {
    settle()
    node(a).step({ kind: 'tick' })
  }
  settle()
  disksAreEqual()
})

test('a partition bounds the reads that wait for other replicas', () => {
  elect(a, 1)
  settle()
  const clients = Array.from({ length: 1_025 }, () => read(a))
  expect(outcome(clients[1_023] ?? 0)).toBe(undefined)
  expect(outcome(clients[1_024] ?? 0)).toBe('unavailable')
})

test('nobody leads while a disk may be lost and an incomplete replica had more than all others', () => {
  const takeover = new Takeover(9, [a, b, c], quorumsOf(3, 'strong'))
  const sealed = { kind: 'sealed', epoch: 9 } as const
  const history = [{ epoch: 2, first: 1, last: 9 }]
  takeover.sealed(a, { ...sealed, history, had: { epoch: 2, seq: 9 } })
  takeover.sealed(b, { ...sealed, history: [], had: undefined })
  takeover.sealed(c, { ...sealed, history: undefined, had: { epoch: 2, seq: 11 } })
  expect(takeover.choose(a, 0)).toBe(undefined)
  takeover.sealed(c, { ...sealed, history: undefined, had: { epoch: 2, seq: 9 } })
  expect(takeover.choose(a, 0)).toMatchObject({ from: a })
})
