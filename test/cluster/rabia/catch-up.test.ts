import { expect, test } from 'vitest'
import { hex, utf8 } from '../../../src/base/bytes.ts'
import { sha256 } from '../../../src/base/hash.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { genesis, type Message, type Snapshot } from '../../../src/cluster/rabia/index.ts'
import { a, b, Cluster, c, ListMachine } from './fixture.ts'

const FEW = { decisions: 8 }

/** Enough for a snapshot of several chunks. */
const LONG = 'x'.repeat(200_000)

/** a and b have gone on for so long without c that only a snapshot helps it. */
function leaveBehind(command = 'command', slots = 12): Cluster {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  cluster.settle()
  cluster.crash(c)
  write(cluster, a, slots, command)
  return cluster
}

function write(cluster: Cluster, node: NodeId, count: number, command = 'command'): void {
  const before = cluster.applied(node).length
  for (let i = before; i < before + count; i++) {
    cluster.request(node, `client ${i}`, `${command} ${i}`)
    cluster.settle()
    // Whoever has just been cut off is waited for.
    for (let tick = 0; tick < 2 && cluster.applied(node).length <= i; tick++) {
      cluster.tick([node])
      cluster.settle()
    }
  }
}

function jumps(cluster: Cluster, node: NodeId): readonly number[] {
  return cluster.effects.flatMap(({ node: by, effect }) =>
    by === node && effect.kind === 'restored' && effect.slot > 0 ? [effect.slot] : [],
  )
}

function sent(cluster: Cluster, kind: Message['kind']): number {
  return cluster.effects.filter(
    ({ effect }) => effect.kind === 'send' && effect.message.kind === kind,
  ).length
}

test('a member for which the decisions are no longer kept jumps to a snapshot, and takes the rest one by one', () => {
  const cluster = leaveBehind()
  write(cluster, a, 2)
  cluster.start(c)
  cluster.heal()
  expect(jumps(cluster, c)).toEqual([12])
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  cluster.crash(b)
  write(cluster, c, 1)
  expect(cluster.applied(c)).toHaveLength(15)
})

test('a snapshot comes in pieces, one at a time', () => {
  const cluster = leaveBehind(LONG)
  cluster.start(c)
  let inFlight = 0
  cluster.link = ({ message }) => {
    const pieces = cluster.packets.filter((packet) => packet.message.kind === 'snapshot-chunk')
    inFlight = Math.max(inFlight, pieces.length)
    if (message.kind === 'snapshot-chunk') {
      expect(message.bytes.length).toBeLessThanOrEqual(256 * 1_024)
    }
    return true
  }
  cluster.heal()
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  expect(sent(cluster, 'snapshot-chunk')).toBeGreaterThan(8)
  expect(inFlight).toBeLessThanOrEqual(1)
})

test('pieces that are lost, repeated and out of order make the same snapshot', () => {
  const cluster = leaveBehind(LONG)
  cluster.start(c)
  let pieces = 0
  const late: Cluster['packets'][number][] = []
  cluster.link = (packet) => {
    if (packet.message.kind !== 'snapshot-chunk') return true
    pieces++
    late.push(packet)
    const again = late[Math.floor(late.length / 2)]!
    cluster.input(c, { kind: 'message', from: again.from, message: again.message })
    cluster.input(c, { kind: 'message', from: packet.from, message: packet.message })
    return pieces % 3 > 0
  }
  cluster.heal()
  expect(pieces).toBeGreaterThan(8)
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
})

test('another node goes on with the snapshot where the first has fallen silent', () => {
  const cluster = leaveBehind(LONG)
  cluster.start(c)
  const served = new Map<NodeId, number>()
  cluster.link = ({ from, message }) => {
    if (message.kind !== 'snapshot-chunk') return true
    const [first = from] = served.keys()
    const count = (served.get(from) ?? 0) + 1
    served.set(from, count)
    return from !== first || count < 4
  }
  cluster.heal(400)
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  expect(served.size).toBe(2)
  const [, second = 0] = [...served.values()]
  expect(second).toBeLessThan(8)
})

test('a snapshot of a peer that lags behind is not taken, whenever it was asked for', () => {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  write(cluster, a, 5)
  const old = cluster.host(a).snapshot as Snapshot
  cluster.packets.length = 0
  const offer = {
    kind: 'offer',
    slot: 4,
    sizeBytes: old.bytes.length,
    sha256: 'ab'.repeat(32),
  } as const
  expect(cluster.input(c, { kind: 'message', from: a, message: offer })).toEqual([])
  expect(cluster.host(c).rabia.status().slot).toBe(6)
  expect(jumps(cluster, c)).toEqual([])
})

test('a node that has come further by itself while a snapshot was written stays where it is', () => {
  const cluster = leaveBehind()
  const early = cluster.host(a).snapshot as Snapshot
  cluster.start(c)
  while (!cluster.host(c).saving) {
    cluster.deliver()
    for (const node of [a, b]) cluster.sync(node)
  }
  expect(cluster.host(c).saving?.slot).toBe(early.slot)
  const decisions = cluster.effects.flatMap(({ node, effect }) =>
    node === a && effect.kind === 'applied' ? [effect.batch] : [],
  )
  const bodies = cluster
    .host(a)
    .written.flatMap((record) => (record.kind === 'ballot' && record.batch) || [])
  const learned = decisions.map((id) => bodies.find((body) => body.id === id)!)
  const message = {
    kind: 'decided',
    first: 1,
    decisions: learned,
    end: learned.length + 1,
  } as const
  cluster.input(c, { kind: 'message', from: a, message })
  expect(cluster.host(c).rabia.status().slot).toBe(13)
  cluster.save(c)
  expect(jumps(cluster, c)).toEqual([])
  expect(cluster.host(c).rabia.status()).toMatchObject({ slot: 13, snapshot: 12 })
})

test.each([
  'before the snapshot is on the disk',
  'after, without having heard of it',
  'after the jump',
])('a crash while a snapshot is installed, %s, is survived', (moment) => {
  const cluster = leaveBehind()
  const host = cluster.host(c)
  cluster.start(c)
  while (!host.saving) {
    cluster.deliver()
    for (const node of [a, b, c]) cluster.sync(node)
  }
  if (moment.startsWith('after')) cluster.save(c, moment.endsWith('jump'))
  cluster.restart(c)
  expect(host.rabia.status().slot).toBe(moment.startsWith('before') ? 1 : 13)
  cluster.heal()
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  cluster.restart(c)
  cluster.heal()
  cluster.crash(b)
  write(cluster, c, 1)
  expect(cluster.applied(c)).toHaveLength(13)
})

test('ballots of before the jump that are still in the log do no harm', () => {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  cluster.settle()
  // c has said something in slot 1 when it is cut off, and is told of no slot until only a snapshot is left.
  cluster.link = ({ to, message }) => to !== c || message.kind === 'forward'
  cluster.request(a, 'client 0', 'command 0')
  cluster.settle()
  write(cluster, a, 12)
  expect(cluster.host(c).durable).not.toHaveLength(0)
  cluster.link = () => true
  cluster.heal()
  expect(jumps(cluster, c)).not.toHaveLength(0)
  cluster.restart(c)
  cluster.heal()
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
})

test('requests that wait are answered from the snapshot when it has them, and agreed on when it has not', () => {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  cluster.settle()
  cluster.link = ({ to }) => to !== c
  cluster.request(c, 'of c', 'known to all')
  cluster.settle()
  expect(cluster.replies('of c')).toHaveLength(0)
  write(cluster, a, 12)
  expect(cluster.applied(a)).toContain('known to all')
  cluster.link = ({ from }) => from !== c
  cluster.request(c, 'late', 'known to c')
  cluster.link = () => true
  cluster.heal()
  expect(jumps(cluster, c)).not.toHaveLength(0)
  const result = String(cluster.applied(a).indexOf('known to all') + 1)
  expect(cluster.replies('of c')).toMatchObject([{ outcome: { kind: 'applied', result } }])
  expect(cluster.replies('late')).toMatchObject([{ outcome: { kind: 'applied' } }])
  for (const node of [a, b, c]) {
    expect(cluster.applied(node).filter((command) => command === 'known to all')).toHaveLength(1)
  }
})

test('a snapshot whose bytes are not those offered is thrown away, and the sender reported', () => {
  const cluster = leaveBehind()
  cluster.start(c)
  let isDamaged = false
  cluster.link = ({ to, from, message }) => {
    if (message.kind !== 'snapshot-chunk' || isDamaged) return true
    isDamaged = true
    const bytes = message.bytes.slice()
    bytes[20] = (bytes[20] as number) ^ 1
    cluster.input(to, { kind: 'message', from, message: { ...message, bytes } })
    return false
  }
  cluster.heal()
  const violations = cluster.effects.filter(({ effect }) => effect.kind === 'violation')
  expect(violations).toMatchObject([{ node: c }])
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
})

test('a snapshot that a newer program has made is not taken, and fetched only once', () => {
  const cluster = leaveBehind()
  cluster.start(c)
  const bytes = utf8('{"format":2}')
  const about = { slot: 12, sha256: hex(sha256(bytes)) }
  const tell = (message: Message) => cluster.input(c, { kind: 'message', from: b, message })
  expect(tell({ kind: 'offer', ...about, sizeBytes: bytes.length })).toHaveLength(1)
  expect(tell({ kind: 'snapshot-chunk', ...about, offset: 0, bytes })).toMatchObject([
    { kind: 'stalled', slot: 1 },
  ])
  expect(tell({ kind: 'offer', ...about, sizeBytes: bytes.length })).toEqual([])
})

test('a node that begins with nothing is given the genesis, and takes part when it gets a vote', () => {
  const cluster = new Cluster([a], { nodes: [a, b], joiners: [b], limits: FEW })
  cluster.request(b, 'early', 'refused')
  expect(cluster.replies('early')).toMatchObject([
    { outcome: { kind: 'busy', reason: 'this node has not joined its cluster yet' } },
  ])
  expect(cluster.host(b).rabia.status()).toMatchObject({ slot: 0, isVoter: false })
  cluster.heal()
  expect(cluster.host(b).snapshot).toEqual(genesis(new ListMachine([a])))
  write(cluster, a, 3)
  cluster.heal()
  expect(cluster.applied(b)).toHaveLength(3)
  cluster.request(a, 'admin', 'members a,b')
  cluster.heal()
  cluster.crash(a)
  cluster.request(b, 'alone', 'one of two')
  cluster.settle()
  expect(cluster.replies('alone')).toHaveLength(0)
  cluster.start(a)
  cluster.heal()
  expect(cluster.replies('alone')).toHaveLength(1)
})

test('a node without a vote says no ballot, keeps up tick by tick, and has its requests carried out', () => {
  const cluster = new Cluster([a, c], { nodes: [a, b, c], joiners: [b], limits: FEW })
  cluster.heal()
  for (let i = 0; i < 30; i++) {
    cluster.request(a, `client ${i}`, `command ${i}`)
    cluster.settle()
    cluster.tick([b])
    cluster.settle()
    expect(cluster.applied(b)).toHaveLength(i + 1)
  }
  cluster.request(b, 'of b', 'by a learner')
  cluster.heal()
  expect(cluster.replies('of b')).toHaveLength(1)
  cluster.tick([b])
  cluster.settle()
  const ballots = cluster.effects.filter(
    ({ node, effect }) => node === b && effect.kind === 'send' && effect.message.kind === 'ballots',
  )
  expect(ballots).toHaveLength(0)
  const known = [a, c].map((node) => cluster.host(node).rabia.status().applied.get(b) ?? 0)
  expect(Math.max(...known)).toBe(cluster.applied(b).length)
})
