import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  type Ballot,
  type Batch,
  batchId,
  decodeRecord,
  type Effect,
  encodeRecord,
  type LogRecord,
  type Stage,
  type Value,
} from '../../../src/cluster/rabia/index.ts'
import { a, b, Cluster, c } from './fixture.ts'

/** What the node has told others of its ballots, in order and without repetitions. */
function said(cluster: Cluster, node: NodeId): string[] {
  const ballots = cluster.effects.flatMap(({ node: from, effect }) =>
    from === node && effect.kind === 'send' && effect.message.kind === 'ballots'
      ? effect.message.ballots.map(
          (ballot) =>
            `${effect.message.kind === 'ballots' && effect.message.slot} ${JSON.stringify(ballot)}`,
        )
      : [],
  )
  return [...new Set(ballots)]
}

function recorded(records: readonly LogRecord[]): string[] {
  return records.flatMap((record) =>
    record.kind === 'ballot' ? [`${record.slot} ${JSON.stringify(record.ballot)}`] : [],
  )
}

test('every ballot is on the disk before it is sent', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  for (let i = 0; i < 10; i++) {
    cluster.request([a, b, c][i % 3]!, `client ${i}`, `command ${i}`)
    for (let step = 0; step < 300; step++) {
      if (step % 3 === 0) cluster.sync([a, b, c][step % 9 === 0 ? 0 : step % 9 === 3 ? 1 : 2]!)
      else if (cluster.packets.length > 0) cluster.deliver()
      for (const node of [a, b, c]) {
        const durable = recorded(cluster.host(node).durable)
        expect(durable).toEqual(expect.arrayContaining(said(cluster, node)))
      }
    }
  }
  expect(said(cluster, a).length).toBeGreaterThan(9)
})

test.each(['proposal', 'state', 'vote'])(
  'a crash before the %s is durable, after, and after it was sent, keeps all promises',
  (stage) => {
    for (const moment of ['before', 'after', 'sent']) {
      const cluster = new Cluster([a, b, c])
      cluster.settle()
      cluster.request(b, 'client', 'hello')
      // The others must not be ahead: their votes alone would decide.
      while (!isAbout(cluster.host(a).unsynced, stage)) {
        for (const node of [c, b, a]) {
          if (cluster.packets.length > 0) cluster.deliver()
          else cluster.sync(node)
          if (isAbout(cluster.host(a).unsynced, stage)) break
        }
      }
      const before = said(cluster, a)
      if (moment === 'sent') cluster.sync(a)
      const promised = recorded(cluster.host(a).durable)
      cluster.restart(a, moment === 'before' ? 0 : 1)
      cluster.heal()
      const after = said(cluster, a)
      expect(after).toEqual(expect.arrayContaining([...before, ...promised]))
      const rounds = after.map((ballot) => ballot.replace(/"value".*/, ''))
      expect(new Set(rounds).size).toBe(rounds.length)
      for (const node of [a, b, c]) expect(cluster.applied(node)).toEqual(['hello'])
    }
  },
)

function isAbout(
  unsynced: readonly Extract<Effect, { kind: 'persist' }>[],
  stage: string,
): boolean {
  return unsynced.some(({ records }) =>
    records.some((record) => record.kind === 'ballot' && record.ballot.stage === stage),
  )
}

test('all nodes restart at once and still hold what was acknowledged', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  for (let i = 0; i < 5; i++) cluster.request(a, `client ${i}`, `command ${i}`)
  cluster.settle()
  const acknowledged = [...cluster.applied(a)]
  for (const node of [a, b, c]) cluster.crash(node)
  for (const node of [a, b, c]) cluster.start(node)
  cluster.heal()
  for (const node of [a, b, c]) expect(cluster.applied(node)).toEqual(acknowledged)
})

test('a decision that was not written is found again from the ballots', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  expect(cluster.replies('client')).toHaveLength(1)
  expect(cluster.host(a).durable.filter(({ kind }) => kind === 'decision')).toHaveLength(0)
  cluster.restart(a)
  expect(cluster.applied(a)).toEqual(['hello'])
})

test('an idle node writes its last decision when time passes', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  cluster.tick()
  cluster.settle()
  expect(cluster.host(a).durable.at(-1)).toMatchObject({ kind: 'decision', slot: 1 })
})

test('a restarted client session remembers its last result', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  cluster.restart(a)
  cluster.request(a, 'client', 'hello')
  expect(cluster.replies('client').at(-1)).toMatchObject({ outcome: { result: '1' } })
  expect(cluster.applied(a)).toEqual(['hello'])
})

test('a restarted member that decides a batch it does not know waits for its body', () => {
  const cluster = new Cluster([a, b, c])
  for (const node of [a, b, c]) cluster.crash(node)
  const requests = [{ client: 'client', seq: 1, command: 'hello' }]
  const batch: Batch = { id: batchId(b, 'boot1', 1), origin: b, seq: 1, stamp: 1, requests }
  const say = (stage: Stage, phase: number, value: Value): Ballot => ({
    stage,
    phase,
    value,
    batch: value === 0 ? undefined : batch.id,
  })
  for (const ballot of [say('proposal', 0, 0), say('state', 1, 0), say('vote', 1, '?')]) {
    cluster.host(a).durable.push({ kind: 'ballot', epoch: 1, slot: 1, ballot, batch: undefined })
  }
  cluster.start(a)
  const witness = { kind: 'witness', boot: 'boot2', slot: 0, ballot: undefined } as const
  cluster.input(a, { kind: 'message', from: b, message: witness })
  const hear = (ballots: readonly Ballot[], body?: Batch): void => {
    const about = { kind: 'ballots', epoch: 1, slot: 1, repeats: body !== undefined } as const
    cluster.input(a, { kind: 'message', from: b, message: { ...about, ballots, batch: body } })
    cluster.sync(a)
  }
  hear([say('vote', 1, 1)])
  hear([say('state', 2, 1)])
  hear([say('vote', 2, 1)])
  expect(cluster.host(a).rabia.status().slot).toBe(1)
  hear([say('proposal', 0, 1)], batch)
  expect(cluster.applied(a)).toEqual(['hello'])
})

test('a full disk holds the ballot back, refuses requests, and goes on when there is room', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'client', 'hello')
  const { token } = cluster.host(a).unsynced.shift()!
  expect(cluster.input(a, { kind: 'no-space', token })).toEqual([])
  cluster.request(a, 'other', 'refused')
  expect(cluster.replies('other')).toMatchObject([
    { outcome: { kind: 'busy', reason: 'the disk is full' } },
  ])
  expect(said(cluster, a)).toEqual([])
  const [again] = cluster.input(a, { kind: 'tick' })
  expect(again).toMatchObject({ kind: 'persist', token })
  cluster.settle()
  expect(cluster.applied(a)).toEqual(['hello'])
})

test('what a full disk refused is written again in order', () => {
  const cluster = new Cluster([a])
  cluster.request(a, 'one', 'first')
  cluster.settle()
  cluster.tick()
  cluster.request(a, 'two', 'second')
  const tokens = cluster
    .host(a)
    .unsynced.splice(0)
    .map(({ token }) => token)
  expect(tokens).toHaveLength(2)
  for (const token of tokens) cluster.input(a, { kind: 'no-space', token })
  const again = cluster.input(a, { kind: 'tick' }).filter(({ kind }) => kind === 'persist')
  expect(again).toMatchObject(tokens.map((token) => ({ token })))
  cluster.settle()
  cluster.restart(a)
  expect(cluster.applied(a)).toEqual(['first', 'second'])
})

test('a node whose disk does not keep up stops learning before its memory fills', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.crash(c)
  for (let i = 0; i < 2_000; i++) {
    cluster.request(a, `client ${i}`, `command ${i}`)
    cluster.settle()
  }
  cluster.start(c)
  for (let i = 0; i < 200; i++) {
    cluster.tick([c])
    while (cluster.packets.length > 0) cluster.deliver()
  }
  expect(cluster.host(c).rabia.status().slot).toBeLessThan(1_200)
  cluster.heal()
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
})

test('records keep their content through the disk, and another format is refused', () => {
  const cluster = new Cluster([a, b, c])
  cluster.request(a, 'client', 'höllo')
  cluster.settle()
  cluster.tick()
  cluster.settle()
  const { durable } = cluster.host(a)
  expect(durable.map(encodeRecord).map(decodeRecord)).toEqual(JSON.parse(JSON.stringify(durable)))
  expect(() => decodeRecord(Uint8Array.of(9))).toThrow('format 9')
})
