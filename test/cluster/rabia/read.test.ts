import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { a, b, Cluster, c, d } from './fixture.ts'

/** The reads that the node may answer now. */
function readable(cluster: Cluster, node: NodeId): number[] {
  return cluster.effects.flatMap((it) =>
    it.node === node && it.effect.kind === 'readable' ? [it.effect.id] : [],
  )
}

test('a read writes nothing and waits for an answer of a quorum (R14)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  const written = cluster.host(a).durable.length
  cluster.input(a, { kind: 'read', id: 7 })
  expect(readable(cluster, a)).toEqual([])
  cluster.settle()
  expect(readable(cluster, a)).toEqual([7])
  expect(cluster.host(a).durable).toHaveLength(written)
})

test('a node alone reads at once', () => {
  const cluster = new Cluster([a])
  cluster.input(a, { kind: 'read', id: 1 })
  expect(readable(cluster, a)).toEqual([1])
})

test('a read on a node that missed a write waits until it has it (R14)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.link = ({ to, message }) => to !== c || !['ballots', 'decided'].includes(message.kind)
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  expect(cluster.replies('client')).toHaveLength(1)
  cluster.input(c, { kind: 'read', id: 1 })
  cluster.settle()
  expect(readable(cluster, c)).toEqual([])
  cluster.link = () => true
  cluster.heal()
  expect(cluster.applied(c)).toEqual(['hello'])
  expect(readable(cluster, c)).toEqual([1])
})

test('a voter that has not decided yet tells of the slot it votes in (R14)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.link = ({ from, to, message }) => {
    if (to === c) return from === b && message.kind === 'mark'
    return message.kind !== 'ballots' || from !== a || message.ballots[0]?.stage !== 'vote'
  }
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  expect(cluster.replies('client')).toHaveLength(1)
  expect(cluster.applied(b)).toEqual([])
  cluster.input(c, { kind: 'read', id: 1 })
  cluster.settle()
  expect(readable(cluster, c)).toEqual([])
  cluster.link = () => true
  cluster.heal()
  expect(cluster.applied(c)).toEqual(['hello'])
})

test('a minority reads nothing (R14)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.link = ({ from, to }) => from !== c && to !== c
  cluster.input(c, { kind: 'read', id: 1 })
  for (let i = 0; i < 10; i++) {
    cluster.tick()
    cluster.settle()
  }
  expect(readable(cluster, c)).toEqual([])
  cluster.link = () => true
  cluster.tick()
  cluster.settle()
  expect(readable(cluster, c)).toEqual([1])
})

test('a read that comes while others are asked waits for the next round', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.input(a, { kind: 'read', id: 1 })
  cluster.input(a, { kind: 'read', id: 2 })
  // The first answer ends the first round, and asks for the second.
  cluster.deliver()
  cluster.deliver()
  cluster.deliver()
  expect(readable(cluster, a)).toEqual([1])
  cluster.settle()
  expect(readable(cluster, a)).toEqual([1, 2])
})

test('an answer that was meant for an earlier life of the node does not count', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.input(c, { kind: 'read', id: 1 })
  while (cluster.packets.some(({ message }) => message.kind === 'mark-query')) cluster.deliver()
  const stale = cluster.packets.splice(0)
  expect(stale).toMatchObject([{ message: { kind: 'mark' } }, { message: { kind: 'mark' } }])
  cluster.restart(c)
  cluster.settle()
  cluster.link = ({ to }) => to !== c
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  cluster.input(c, { kind: 'read', id: 2 })
  cluster.settle()
  cluster.link = () => true
  cluster.packets.push(...stale)
  cluster.deliver()
  cluster.deliver()
  expect(readable(cluster, c)).toEqual([])
})

test('a read that meets a change of the electorate asks again (R14)', () => {
  const cluster = new Cluster([a, b, c], { nodes: [a, b, c, d] })
  cluster.settle()
  const asked = new Set<string>()
  let isCutOff = true
  cluster.link = ({ from, to, message }) => {
    if (from === c && message.kind === 'mark-query') asked.add(message.round)
    return !isCutOff || to !== c || message.kind === 'mark'
  }
  cluster.request(a, 'admin', 'members a,b,c,d')
  cluster.settle()
  cluster.input(c, { kind: 'read', id: 1 })
  cluster.settle()
  expect(asked.size).toBe(1)
  isCutOff = false
  for (let i = 0; i < 5; i++) {
    cluster.tick()
    cluster.settle()
  }
  expect(readable(cluster, c)).toEqual([1])
  expect(asked.size).toBe(2)
})
