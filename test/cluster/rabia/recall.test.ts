import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { type Ballot, electorate, Rabia } from '../../../src/cluster/rabia/index.ts'
import { Recall } from '../../../src/cluster/rabia/recall.ts'
import { a, b, Cluster, c, d, e, ListMachine } from './fixture.ts'

function ballotsOf(cluster: Cluster, node: NodeId): number {
  return cluster.effects.filter(
    ({ node: by, effect }) =>
      by === node && effect.kind === 'send' && effect.message.kind === 'ballots',
  ).length
}

function fatal(cluster: Cluster): readonly NodeId[] {
  return cluster.effects.filter(({ effect }) => effect.kind === 'fatal').map(({ node }) => node)
}

test('n − f members have to answer, the own node among them', () => {
  const needed = [[a], [a, b], [a, b, c], [a, b, c, d], [a, b, c, d, e]].map((members) => {
    const recall = new Recall(a, '1')
    const witness = { kind: 'witness', boot: '1', slot: 0, ballot: undefined } as const
    const now = { slot: 1, own: [] }
    const all = electorate(1, members)
    let answers = 0
    for (const peer of members.slice(1)) {
      if (recall.isDone(all)) break
      expect(recall.hear(peer, witness, now)).toBe(true)
      answers++
    }
    expect(recall.isDone(all)).toBe(true)
    return answers
  })
  expect(needed).toEqual([0, 1, 1, 2, 2])
})

test('a started member says nothing new, and no mark, before enough members have told what they remember', () => {
  const cluster = new Cluster([a, b, c])
  for (const node of [b, c]) cluster.crash(node)
  cluster.request(a, 'client', 'hello')
  cluster.input(a, { kind: 'message', from: b, message: { kind: 'mark-query', round: 'x' } })
  for (let i = 0; i < 40; i++) cluster.tick()
  cluster.settle()
  expect(cluster.host(a).durable).toEqual([])
  expect(cluster.host(a).rabia.status()).toMatchObject({ isVoter: true, isRecalled: false })
  const marks = cluster.effects.filter(
    ({ effect }) => effect.kind === 'send' && effect.message.kind === 'mark',
  )
  expect(marks).toEqual([])
  cluster.start(b)
  cluster.heal()
  expect(cluster.applied(b)).toEqual(['hello'])
})

test('answers to an earlier start do not count', () => {
  const cluster = new Cluster([a, b, c])
  for (const node of [b, c]) cluster.crash(node)
  const witness = { kind: 'witness', boot: 'boot0', slot: 0, ballot: undefined } as const
  cluster.input(a, { kind: 'message', from: b, message: witness })
  expect(cluster.host(a).rabia.status().isRecalled).toBe(false)
})

test.each(['in this slot', 'in a later slot'])(
  'a node whose log has been set back is told so and stops: its ballots %s are remembered',
  (where) => {
    const cluster = new Cluster([a, b, c])
    cluster.settle()
    if (where === 'in a later slot') {
      cluster.request(a, 'first', 'first')
      cluster.settle()
    }
    cluster.request(a, 'client', 'hello')
    const inSlot = where === 'in this slot' ? 1 : 2
    cluster.settle()
    cluster.crash(a)
    cluster.crash(c)
    const before = cluster.host(b).rabia.status().slot
    expect(before).toBe(inSlot + 1)
    // b forgets nothing of what it has heard as long as it runs.
    cluster.host(a).durable = []
    const said = ballotsOf(cluster, a)
    cluster.start(a)
    cluster.settle()
    expect(fatal(cluster)).toEqual([a])
    cluster.request(a, 'other', 'nothing comes of it')
    for (let i = 0; i < 20; i++) {
      cluster.tick()
      cluster.settle()
    }
    expect(ballotsOf(cluster, a)).toBe(said)
  },
)

test('a member that comes back as it was is not suspected, in the middle of a slot or between slots', () => {
  const cluster = new Cluster([a, b, c])
  for (let i = 0; i < 20; i++) {
    cluster.request(b, `client ${i}`, `command ${i}`)
    for (let step = 0; step < i * 3; step++) {
      for (const node of [a, b, c]) cluster.sync(node)
      cluster.deliver()
    }
    cluster.restart(a, i % 2)
    cluster.heal()
  }
  expect(fatal(cluster)).toEqual([])
})

test('a ballot that differs from what is remembered is a rollback too', () => {
  const cluster = new Cluster([a, b, c])
  cluster.crash(c)
  cluster.settle()
  cluster.request(a, 'client', 'hello')
  cluster.sync(a)
  const ballot: Ballot = { stage: 'proposal', phase: 0, value: 0, batch: undefined }
  const witness = { kind: 'witness', boot: 'boot1', slot: 1, ballot } as const
  cluster.input(a, { kind: 'message', from: b, message: witness })
  expect(fatal(cluster)).toEqual([a])
})

test('a node that only has the name of a voter does not vote', () => {
  const machine = new ListMachine([a])
  let isSelf = false
  const options = { self: a, cluster: 'test', boot: '1', machine, isSelf: () => isSelf }
  const rabia = new Rabia(options)
  rabia.step({ kind: 'start' })
  const request = { client: 'client', seq: 1, command: 'members a' }
  expect(rabia.step({ kind: 'request', request })).toEqual([])
  expect(rabia.status().isVoter).toBe(false)
  isSelf = true
  const other = new Rabia(options)
  other.step({ kind: 'start' })
  expect(other.step({ kind: 'request', request })).toMatchObject([{ kind: 'persist' }])
})

test('a member without others decides by its own proposal alone, when it is durable (R17)', () => {
  const cluster = new Cluster([a])
  const [persist] = cluster.request(a, 'client', 'hello')
  expect(persist).toMatchObject({ records: [{ ballot: { stage: 'proposal' } }] })
  const learner = { kind: 'connected', peer: b } as const
  const told = cluster.input(a, learner).map((effect) => effect.kind === 'send' && effect.message)
  expect(told).not.toContainEqual(expect.objectContaining({ kind: 'ballots' }))
  expect(cluster.applied(a)).toEqual([])
  cluster.sync(a)
  expect(cluster.applied(a)).toEqual(['hello'])
  expect(cluster.host(a).unsynced).toEqual([])
})
