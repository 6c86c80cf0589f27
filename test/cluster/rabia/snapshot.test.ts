import { expect, test } from 'vitest'
import { text, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { decodeSnapshot, electorate, type LogRecord } from '../../../src/cluster/rabia/index.ts'
import { Peers } from '../../../src/cluster/rabia/peers.ts'
import { a, b, Cluster, c } from './fixture.ts'

const FEW = { decisions: 8 }

/** One slot after the other. */
function write(cluster: Cluster, node: NodeId, count: number): void {
  const before = cluster.applied(node).length
  for (let i = before; i < before + count; i++) {
    cluster.request(node, `client ${i}`, `command ${i}`)
    cluster.settle()
  }
}

function saves(cluster: Cluster, node: NodeId): readonly number[] {
  return cluster.effects.flatMap(({ node: by, effect }) =>
    by === node && effect.kind === 'save' ? [effect.snapshot.slot] : [],
  )
}

test('a snapshot is taken when half of the kept decisions are new, and the log behind it let go', () => {
  const cluster = new Cluster([a], { limits: FEW })
  write(cluster, a, 9)
  expect(saves(cluster, a)).toEqual([4, 8])
  const trims = cluster.effects.flatMap(({ effect }) =>
    effect.kind === 'trim' ? [effect.below] : [],
  )
  expect(trims).toEqual([5, 9])
  expect(cluster.host(a).durable.every(({ slot }) => slot >= 8)).toBe(true)
  expect(cluster.host(a).rabia.status().snapshot).toBe(8)
})

test('what a node has applied is forgotten when it connects anew: it may have another disk', () => {
  const cluster = new Cluster([a, b])
  write(cluster, a, 3)
  const { rabia } = cluster.host(a)
  expect(rabia.status().applied.get(b)).toBeGreaterThan(0)
  rabia.step({ kind: 'connected', peer: b })
  expect(rabia.status().applied.has(b)).toBe(false)
})

test('a snapshot is also taken when half of the kept units are new', () => {
  const cluster = new Cluster([a], { limits: { decisionUnits: 40 } })
  write(cluster, a, 5)
  expect(saves(cluster, a)).toEqual([3])
})

test('nodes that have applied the same have equal snapshots, also when one of them began with a snapshot', () => {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  write(cluster, a, 6)
  cluster.crash(c)
  write(cluster, b, 14)
  cluster.start(c)
  cluster.heal()
  write(cluster, c, 20)
  const bySlot = new Map<number, string>()
  let compared = 0
  for (const { effect } of cluster.effects) {
    if (effect.kind !== 'save') continue
    const { slot, digest, bytes } = effect.snapshot
    const content = `${digest} ${text(bytes)}`
    if (bySlot.has(slot)) compared++
    expect(bySlot.get(slot) ?? content).toBe(content)
    bySlot.set(slot, content)
    expect(decodeSnapshot(bytes)).toMatchObject({ slot, digest })
  }
  expect(compared).toBeGreaterThan(5)
})

test('a node goes on from its snapshot and the log behind it, whichever of the two is older', () => {
  const cluster = new Cluster([a], { limits: FEW })
  write(cluster, a, 7)
  cluster.tick()
  cluster.settle()
  const untrimmed: readonly LogRecord[] = [...cluster.host(a).written]
  const { digest } = cluster.host(a).rabia.status()
  const applied = cluster.applied(a)
  for (const log of [untrimmed, untrimmed.filter(({ slot }) => slot > 4)]) {
    cluster.crash(a)
    cluster.host(a).durable = [...log]
    cluster.start(a)
    expect(cluster.applied(a)).toEqual(applied)
    expect(cluster.host(a).rabia.status()).toMatchObject({ digest, slot: 8, snapshot: 4 })
    cluster.request(a, 'client 6', 'command 6')
    expect(cluster.replies('client 6').at(-1)).toMatchObject({ outcome: { result: '7' } })
  }
})

test('a log that begins too late after the snapshot is damaged', () => {
  const cluster = new Cluster([a], { limits: FEW })
  write(cluster, a, 7)
  cluster.crash(a)
  const { durable } = cluster.host(a)
  cluster.host(a).durable = durable.filter(({ slot }) => slot > 5)
  expect(() => cluster.start(a)).toThrow('goes on with slot 6, where slot 5 should follow')
})

test('a ballot said after the snapshot holds after a restart, whether the disk told of the snapshot or not', () => {
  for (const isTold of [true, false]) {
    const cluster = new Cluster([a, b, c], { limits: FEW })
    write(cluster, a, 3)
    cluster.request(a, 'last', 'the fourth')
    const { host } = { host: cluster.host(a) }
    while (!host.saving) {
      for (const node of [a, b, c]) cluster.sync(node)
      cluster.deliver()
    }
    cluster.request(a, 'next', 'the fifth')
    while (!host.written.some(({ kind, slot }) => kind === 'ballot' && slot === 5)) {
      for (const node of [a, b, c]) cluster.sync(node)
      cluster.deliver()
    }
    cluster.save(a, isTold)
    const said = host.written.filter((record) => record.kind === 'ballot' && record.slot === 5)
    cluster.restart(a)
    expect(host.rabia.status()).toMatchObject({ slot: 5, snapshot: 4 })
    const [repeated] = cluster.effects
      .filter(({ node, effect }) => node === a && effect.kind === 'send')
      .map(({ effect }) => effect.kind === 'send' && effect.message)
      .filter((message) => message && message.kind === 'ballots' && message.repeats)
      .slice(-1)
    expect(repeated).toMatchObject({
      slot: 5,
      ballots: said.map((record) => record.kind === 'ballot' && record.ballot),
    })
    cluster.heal()
    expect(cluster.applied(a)).toContain('the fifth')
  }
})

test('one snapshot is saved at a time, and a refused one comes again later', () => {
  const cluster = new Cluster([a], { limits: FEW })
  for (let i = 0; i < 20; i++) {
    cluster.request(a, `client ${i}`, `command ${i}`)
    cluster.sync(a)
  }
  expect(saves(cluster, a)).toEqual([4])
  expect(cluster.host(a).rabia.status().kept).toBe(16)
  cluster.host(a).saving = undefined
  cluster.input(a, { kind: 'not-saved', slot: 4 })
  cluster.tick()
  expect(saves(cluster, a)).toEqual([4])
  for (let i = 0; i < 50; i++) cluster.tick()
  expect(saves(cluster, a)).toEqual([4, 20])
  cluster.settle()
  expect(cluster.host(a).rabia.status()).toMatchObject({ kept: 8, snapshot: 20 })
})

test('the log goes no further than what n − f members are known to have applied', () => {
  const peers = new Peers()
  const members = electorate(1, [a, b, c])
  expect(peers.appliedByQuorum(members, a, 9)).toBe(0)
  peers.hasReached(b, 4)
  expect(peers.appliedByQuorum(members, a, 9)).toBe(4)
  peers.hasReached(b, 3)
  expect(peers.appliedByQuorum(members, a, 9)).toBe(4)
  peers.hasReached(c, 7)
  expect(peers.appliedByQuorum(members, a, 9)).toBe(7)
  peers.hasApplied(c, 2)
  expect(peers.appliedByQuorum(members, a, 9)).toBe(4)
  expect(peers.appliedByQuorum(electorate(2, [a]), a, 9)).toBe(9)
})

test('a member that is ahead keeps its log until others are known to have applied it', () => {
  const cluster = new Cluster([a, b, c], { limits: FEW })
  cluster.settle()
  // All a hears of their progress is that they take part in the slot after it.
  cluster.link = ({ to, message }) => to !== a || message.kind !== 'fetch'
  write(cluster, a, 4)
  const { snapshot } = cluster.host(a).rabia.status()
  expect(snapshot).toBe(4)
  const trims = () =>
    cluster.effects.filter(({ node, effect }) => node === a && effect.kind === 'trim')
  expect(trims()).toMatchObject([{ effect: { below: 4 } }])
  cluster.link = () => true
  write(cluster, b, 1)
  cluster.tick()
  expect(trims()).toMatchObject([{ effect: { below: 4 } }, { effect: { below: 5 } }])
})

test('a snapshot of another format is not read', () => {
  expect(() => decodeSnapshot(utf8('{"format":2,"slot":1}\n'))).toThrow('format 2')
})
