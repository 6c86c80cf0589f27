import { expect, test } from 'vitest'
import type { Batch, BatchId, Message } from '../../../src/cluster/rabia/index.ts'
import { a, b, Cluster, c, d, e } from './fixture.ts'

test.each([[[a]], [[a, b]], [[a, b, c]], [[a, b, c, d, e]]])(
  '%j agree on a request and answer it',
  (members) => {
    const cluster = new Cluster(members)
    cluster.request(a, 'client', 'hello')
    cluster.settle()
    for (const node of members) expect(cluster.applied(node)).toEqual(['hello'])
    expect(cluster.replies('client')).toMatchObject([{ outcome: { kind: 'applied', result: '1' } }])
  },
)

test('requests to all nodes are applied in one order', () => {
  const cluster = new Cluster([a, b, c])
  for (let i = 0; i < 30; i++) cluster.request([a, b, c][i % 3]!, `client ${i}`, `command ${i}`)
  cluster.settle()
  expect(cluster.applied(a)).toHaveLength(30)
  expect(cluster.applied(b)).toEqual(cluster.applied(a))
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
})

test('requests that come while a batch is open share the next ones', () => {
  const cluster = new Cluster([a, b, c], { limits: { batchRequests: 10, batchUnits: 1_000 } })
  for (let i = 0; i < 21; i++) cluster.request(a, `client ${i}`, `command ${i}`)
  cluster.settle()
  expect(cluster.applied(c)).toHaveLength(21)
  expect(cluster.host(a).rabia.status().slot).toBe(4)
})

test('a batch has a bounded size, and a request beyond it has a batch of its own', () => {
  const cluster = new Cluster([a], { limits: { batchRequests: 10, batchUnits: 100 } })
  for (const [i, size] of [1, 60, 60, 500, 1].entries()) {
    cluster.request(a, `client ${i}`, 'x'.repeat(size))
  }
  cluster.settle()
  expect(cluster.applied(a).map((command) => command.length)).toEqual([1, 60, 60, 500, 1])
  expect(cluster.host(a).rabia.status().slot).toBe(6)
})

test('a node that hears of its slot takes part, with nothing to propose if it knows nothing (R6)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.crash(c)
  cluster.link = ({ message }) => message.kind !== 'forward'
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  expect(cluster.applied(b)).toEqual(['hello'])
  const state: Message = {
    kind: 'ballots',
    epoch: 1,
    slot: cluster.host(b).rabia.status().slot,
    ballots: [{ stage: 'state', phase: 1, value: 0, batch: undefined }],
    batch: undefined,
    repeats: false,
  }
  const effects = cluster.input(b, { kind: 'message', from: a, message: state })
  expect(effects).toMatchObject([
    { kind: 'persist', records: [{}, { ballot: { stage: 'proposal', value: 0 } }] },
  ])
})

test('queues that begin with different batches grow alike while f nodes are down (R2)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.crash(c)
  cluster.link = ({ message }) => message.kind !== 'forward'
  cluster.request(a, 'one', 'from a')
  cluster.request(b, 'two', 'from b')
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['from a', 'from b'])
  expect(cluster.host(a).rabia.status().slot).toBeLessThan(6)
})

test.each(['ballots', 'forward', 'everything'])(
  'a slot goes on after all %s were lost, by repetition (R4)',
  (what) => {
    const cluster = new Cluster([a, b, c])
    cluster.settle()
    cluster.link = ({ message }) => what !== 'everything' && message.kind !== what
    cluster.request(a, 'client', 'hello')
    cluster.settle()
    cluster.link = () => true
    cluster.heal()
    expect(cluster.applied(c)).toEqual(['hello'])
  },
)

test('a connection that comes back is told everything at once (R4)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.crash(c)
  cluster.settle()
  cluster.link = () => false
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  cluster.link = () => true
  cluster.input(a, { kind: 'connected', peer: b })
  cluster.settle()
  expect(cluster.applied(b)).toEqual(['hello'])
})

test('one exchange of proposals and one sync decide, once all members have taken part in a slot (R17)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.request(a, 'client', 'first')
  cluster.settle()
  const before = cluster.effects.length
  cluster.request(a, 'client', 'second', 2)
  cluster.settle()
  const effects = cluster.effects.slice(before).map(({ effect }) => effect)
  expect(effects.filter(({ kind }) => kind === 'persist')).toHaveLength(3)
  const sent = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []))
  const ballots = sent.flatMap((message) => (message.kind === 'ballots' ? message.ballots : []))
  expect(ballots.map(({ stage }) => stage)).toEqual(['proposal', 'proposal', 'proposal'])
  for (const node of [a, b, c]) expect(cluster.applied(node)).toEqual(['first', 'second'])
})

test('a slot waits for a member that took part in the one before, but not for long', () => {
  const cluster = new Cluster([a, b, c])
  cluster.request(a, 'client', 'first')
  cluster.settle()
  cluster.crash(c)
  cluster.request(a, 'client', 'second', 2)
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['first'])
  for (let i = 0; i < 2; i++) cluster.tick()
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['first', 'second'])
  cluster.request(a, 'client', 'third', 3)
  cluster.settle()
  expect(cluster.applied(b)).toEqual(['first', 'second', 'third'])
})

test('the body of a batch goes around once, and again after a slot was forfeited for the lack of it (R2)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  const carriers: string[] = []
  cluster.link = ({ to, message }) => {
    if ('batch' in message && message.batch) carriers.push(`${message.kind} to ${to}`)
    return message.kind !== 'forward' || carriers.length <= 2
  }
  cluster.request(a, 'client', 'first')
  cluster.settle()
  expect(carriers).toEqual(['forward to b', 'forward to c'])
  cluster.request(a, 'client', 'second', 2)
  cluster.settle()
  expect(carriers.slice(4, 6)).toEqual(['ballots to b', 'ballots to c'])
  expect(cluster.applied(c)).toEqual(['first', 'second'])
})

test('batches that were sent around ahead of a proposal share the next slot', () => {
  const cluster = new Cluster([a, b, c])
  cluster.request(a, 'first', 'first')
  cluster.settle()
  cluster.request(a, 'second', 'second')
  // Nobody's proposal has left yet.
  while (cluster.packets.length > 0) cluster.deliver()
  for (const node of [a, b, c]) {
    for (let i = 0; i < 2; i++) cluster.request(node, `${node}${i}`, `of ${node}`)
  }
  cluster.settle()
  const sizes = cluster.effects.flatMap(({ node, effect }) =>
    node === c && effect.kind === 'applied' ? [effect.requests] : [],
  )
  expect(sizes).toEqual([1, 1, 6])
  for (const node of [a, b, c]) {
    expect(cluster.applied(node)).toHaveLength(8)
    expect(cluster.host(node).rabia.status()).toMatchObject({ queued: 0, waiting: 0 })
  }
})

test('who has decided helps the last undecided member (R5)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.link = ({ to, message }) => to !== c || message.kind !== 'ballots'
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['hello'])
  expect(cluster.applied(c)).toEqual([])
  cluster.tick([c])
  cluster.tick([c])
  cluster.settle()
  expect(cluster.applied(c)).toEqual(['hello'])
})

test('a member that has missed a thousand slots gets them in bounded pieces (R5)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.crash(c)
  for (let i = 0; i < 1_000; i++) {
    cluster.request(a, `client ${i}`, `command ${i}`)
    cluster.settle()
  }
  cluster.start(c)
  let pieces = 0
  cluster.link = ({ message }) => {
    if (message.kind === 'decided') {
      pieces++
      expect(message.decisions.length).toBeLessThanOrEqual(64)
    }
    return true
  }
  cluster.settle()
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  expect(pieces).toBeGreaterThan(10)
})

test('a decision of a later slot is not applied before those between (R7)', () => {
  const cluster = new Cluster([a, b, c])
  const batch = (seq: number): Batch => ({
    id: `b/1/${seq}` as BatchId,
    origin: b,
    seq,
    stamp: 1,
    requests: [{ client: `client ${seq}`, seq: 1, command: `command ${seq}` }],
  })
  const decided = (first: number, ...seqs: number[]): Message => ({
    kind: 'decided',
    first,
    decisions: seqs.map(batch),
    end: 4,
  })
  cluster.input(a, { kind: 'message', from: b, message: decided(2, 2, 3) })
  expect(cluster.applied(a)).toEqual([])
  cluster.input(a, { kind: 'message', from: b, message: decided(1, 1, 2) })
  cluster.input(a, { kind: 'message', from: b, message: decided(2, 2, 3) })
  expect(cluster.applied(a)).toEqual(['command 1', 'command 2', 'command 3'])
})

test('one of three alone decides nothing, whoever it can see (R9)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.crash(b)
  cluster.crash(c)
  cluster.request(a, 'client', 'hello')
  for (let i = 0; i < 50; i++) {
    cluster.tick()
    cluster.settle()
  }
  expect(cluster.applied(a)).toEqual([])
})

test('a request is applied once, though it comes twice and through two nodes (R12)', () => {
  const cluster = new Cluster([a, b, c])
  cluster.request(a, 'client', 'hello')
  cluster.request(a, 'client', 'hello')
  cluster.request(b, 'client', 'hello')
  cluster.settle()
  expect(cluster.applied(c)).toEqual(['hello'])
  cluster.request(c, 'client', 'hello')
  cluster.settle()
  expect(cluster.applied(c)).toEqual(['hello'])
  const outcomes = cluster.replies('client').map(({ outcome }) => outcome)
  expect(outcomes).toEqual(outcomes.map(() => ({ kind: 'applied', result: '1' })))
  expect(outcomes.length).toBe(3)
})

test('a client that has gone on gets no answer to an older request (R12)', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'client', 'one', 1)
  cluster.settle()
  cluster.request(a, 'client', 'three', 3)
  cluster.settle()
  cluster.request(a, 'client', 'two', 2)
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['one', 'three'])
  expect(cluster.replies('client').at(-1)).toMatchObject({ outcome: { kind: 'superseded' } })
})

test('a copy of a batch whose sessions are forgotten changes nothing (R12)', () => {
  const cluster = new Cluster([a, b, c], { limits: { sessions: 5, decisions: 5 } })
  cluster.settle()
  const copies: Message[] = []
  cluster.link = ({ message }) => {
    if (message.kind === 'forward' && copies.length === 0) copies.push(message)
    return true
  }
  for (let i = 0; i < 20; i++) {
    cluster.request(a, `client ${i}`, `command ${i}`)
    cluster.settle()
  }
  cluster.input(b, { kind: 'message', from: a, message: copies[0]! })
  cluster.settle()
  expect(cluster.host(b).rabia.status()).toMatchObject({ slot: 23, sessions: 5 })
  for (const node of [a, b, c]) expect(cluster.applied(node)).toHaveLength(20)
})

test('a client whose session is forgotten is told so rather than served twice (R12)', () => {
  const cluster = new Cluster([a], { limits: { sessions: 2 } })
  for (const client of ['old', 'x', 'y', 'z']) {
    cluster.request(a, client, client)
    cluster.settle()
  }
  cluster.request(a, 'old', 'again', 2)
  cluster.settle()
  expect(cluster.replies('old').at(-1)).toMatchObject({ outcome: { kind: 'expired' } })
})

test('more requests than the queue holds are refused with the reason', () => {
  const cluster = new Cluster([a, b, c], { limits: { requests: 5, requestUnits: 1_000 } })
  cluster.crash(b)
  cluster.crash(c)
  for (let i = 0; i < 6; i++) cluster.request(a, `client ${i}`, 'x')
  expect(cluster.replies('client 5')).toMatchObject([
    { outcome: { kind: 'busy', reason: '5 requests wait for agreement' } },
  ])
  const large = new Cluster([a, b, c], { limits: { requests: 5, requestUnits: 1_000 } })
  large.request(a, 'client', 'x'.repeat(1_001))
  expect(large.replies('client')).toMatchObject([
    { outcome: { kind: 'busy', reason: expect.stringContaining('1000 units') } },
  ])
})

test('a command that the program does not know stops the node, not the cluster', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  for (const node of [a, b]) cluster.host(node).machine.isNewer = true
  cluster.request(a, 'one', '?')
  cluster.settle()
  cluster.request(a, 'two', 'after')
  cluster.settle()
  for (let i = 0; i < 2; i++) cluster.tick()
  cluster.settle()
  expect(cluster.applied(b)).toEqual(['?', 'after'])
  expect(cluster.applied(c)).toEqual([])
  expect(cluster.host(c).rabia.status().slot).toBe(1)
  expect(cluster.effects.filter(({ effect }) => effect.kind === 'stalled')).toHaveLength(1)
  cluster.request(c, 'three', 'refused')
  expect(cluster.replies('three')).toMatchObject([
    { outcome: { kind: 'busy', reason: 'not known here' } },
  ])
})

test('a node that has stopped at a command applies nothing of what it is told of later slots', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  for (const node of [a, b]) cluster.host(node).machine.isNewer = true
  cluster.crash(c)
  for (const [client, command] of Object.entries({ one: '?', two: 'after' })) {
    cluster.request(a, client, command)
    cluster.settle()
  }
  for (let starts = 0; starts < 2; starts++) {
    cluster.restart(c)
    for (let i = 0; i < 20; i++) {
      cluster.tick()
      cluster.settle()
    }
    expect(cluster.applied(c)).toEqual([])
    expect(cluster.host(c).rabia.status()).toMatchObject({ slot: 1, digest: '' })
  }
})

test('requests gather while another batch is ahead, and go into one', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.request(a, 'first', 'alone')
  cluster.deliver(cluster.packets.findIndex(({ to }) => to === b))
  for (const client of ['second', 'third', 'fourth']) cluster.request(b, client, client)
  cluster.settle()
  expect(cluster.applied(c)).toEqual(['alone', 'second', 'third', 'fourth'])
  const sizes = cluster.effects.flatMap(({ node, effect }) =>
    node === c && effect.kind === 'applied' ? [effect.requests] : [],
  )
  expect(sizes).toEqual([1, 3])
})
