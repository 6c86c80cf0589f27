/** Networks: scenarios of the failure list by number, on several seeds each, under load and with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { Message } from '../../src/cluster/rabia/index.ts'
import {
  appliedBy,
  ballotSaid,
  bounce,
  cut,
  everyLink,
  n1,
  n2,
  n3,
  n4,
  n5,
  onSeeds,
} from './fixture.ts'
import { encodeCommand } from './register.ts'
import type { Stage } from './stage.ts'
import { MILLISECOND, SECOND } from './world.ts'

/** Answers that clients get from each node. */
function answers(play: Stage): Map<NodeId, number> {
  const counts = new Map<NodeId, number>(play.cluster.roster.map((node) => [node, 0]))
  play.cluster.observers.push({
    effect(node, effect) {
      const isAnswer =
        effect.kind === 'readable' || (effect.kind === 'reply' && effect.outcome.kind === 'applied')
      if (isAnswer) counts.set(node, counts.get(node)! + 1)
    },
  })
  return counts
}

for (const [minority, majority] of [
  [[n1], [n2, n3]],
  [
    [n1, n2],
    [n3, n4, n5],
  ],
] as const)
  test(`9: cut off from ${majority.length} others, ${minority.length} of ${minority.length + majority.length} answer nothing, and the others go on`, () => {
    onSeeds({ nodes: minority.length + majority.length }, (play) => {
      play.run(1)
      cut(play, minority, majority)
      cut(play, majority, minority)
      const before = appliedBy(play, majority)
      const counts = answers(play)
      play.run(4)
      for (const node of minority) expect(counts.get(node)).toBe(0)
      for (const node of majority) expect(counts.get(node)).toBeGreaterThan(5)
      expect(appliedBy(play, majority)).toBeGreaterThan(before + 20)
      expect(play.cluster.network.counts.cut).toBeGreaterThan(100)
      play.close()
    })
  })

test('10: with any one direction of a link lost, slots go on being decided', () => {
  onSeeds({ nodes: 3 }, (play) => {
    for (const [from, to] of [
      [n1, n2],
      [n2, n1],
      [n1, n3],
      [n3, n1],
      [n2, n3],
      [n3, n2],
    ] as const) {
      const lost = play.cluster.network.counts.cut
      const before = play.checker.slots
      cut(play, [from], [to])
      play.run(1)
      expect(play.cluster.network.counts.cut).toBeGreaterThan(lost)
      expect(play.checker.slots).toBeGreaterThan(before + 5)
      cut(play, [from], [to], false)
    }
    play.close()
  })
})

test('11: two sides that see each other only through a bridge go on', () => {
  onSeeds({ nodes: 5 }, (play) => {
    cut(play, [n1, n2], [n4, n5])
    cut(play, [n4, n5], [n1, n2])
    play.run(3)
    expect(appliedBy(play, [n1, n2, n3, n4, n5])).toBeGreaterThan(30)
    expect(play.cluster.network.counts.cut).toBeGreaterThan(100)
    play.close()
  })
})

test('12: flapping links and swizzled clogs are lived through in bounded memory', () => {
  onSeeds({ nodes: 5 }, (play, random) => {
    const { roster, network } = play.cluster
    for (let i = 0; i < 12; i++) {
      const [from, to] = random.shuffled(roster) as [NodeId, NodeId]
      const isCut = !network.link(from, to).isCut
      cut(play, [from], [to], isCut)
      cut(play, [to], [from], isCut)
      const links = roster.flatMap((a) => roster.filter((b) => b !== a).map((b) => [a, b] as const))
      const some = random.shuffled(links).slice(0, 8)
      for (const [a, b] of some) network.link(a, b).isClogged = true
      play.run(random.next() / 2)
      for (const [a, b] of random.shuffled(some)) {
        network.unclog(a, b)
        play.run(random.next() / 20)
      }
    }
    expect(network.counts.clogged).toBeGreaterThan(100)
    expect(network.counts.cut).toBeGreaterThan(100)
    play.close()
  })
})

test('13: every message arrives twice or more, also those of earlier connections and lives', () => {
  onSeeds({ nodes: 3 }, (play, random) => {
    everyLink(play, { duplication: 1, slowness: 20 })
    for (let i = 0; i < 15; i++) {
      play.run(0.3)
      const node = random.pick(play.cluster.roster)
      if (random.chance(0.5)) bounce(play, node, 'losePower')
      else play.cluster.reconnect(node)
    }
    const { sent, duplicated, stale } = play.cluster.network.counts
    expect(duplicated).toBeGreaterThanOrEqual(sent)
    expect(stale).toBeGreaterThan(10)
    play.close()
  })
})

test('14: votes before states before proposals, and decisions of slots to come, do no harm', () => {
  let overtaken = 0
  let ahead = 0
  let stage: Stage | undefined
  const newest = new Map<string, number>()
  function watch(line: string): void {
    const [, link = '', kind, slot = '', name = '', phase] = line.split(' ')
    if (kind === 'ballots') {
      const round = Number(phase) * 2 + ['state', 'proposal', 'vote'].indexOf(name)
      const key = `${link} ${slot}`
      if (round < (newest.get(key) ?? -1)) overtaken++
      newest.set(key, Math.max(round, newest.get(key) ?? -1))
    } else if (kind === 'decided') {
      const to = link.split('>')[1] as NodeId
      const at = stage?.cluster.process(to)?.status()?.slot ?? Number.POSITIVE_INFINITY
      if (Number.parseInt(slot, 10) > at) ahead++
    }
  }
  onSeeds({ nodes: 3, watch }, (play) => {
    stage = play
    everyLink(play, { disorder: 1 })
    play.run(5)
    for (let i = 0; i < 10; i++) {
      cut(play, [n2, n3], [n1])
      play.run(0.3)
      cut(play, [n2, n3], [n1], false)
      // As if it had asked for later slots than the one it is at: true decisions, too early.
      const slot = appliedBy(play, [n1]) + 3
      const message: Message = { kind: 'fetch', slot }
      play.cluster.machine(n2).input({ kind: 'message', from: n1, message })
      play.run(0.1)
    }
    expect(play.cluster.network.counts.reordered).toBeGreaterThan(500)
    play.close()
  })
  expect(overtaken).toBeGreaterThan(50)
  expect(ahead).toBeGreaterThan(10)
})

for (const loss of [0.1, 0.5])
  test(`15: a network that loses ${100 * loss} % of all messages for a minute delays answers, and no more`, () => {
    const slow = { clients: 3, thinkUs: [200 * MILLISECOND, 2 * SECOND] } as const
    onSeeds({ nodes: 3, workload: slow }, (play) => {
      everyLink(play, { loss })
      play.run(60)
      const { lost, sent } = play.cluster.network.counts
      expect(lost / sent).toBeGreaterThan(loss * 0.8)
      expect(play.workload.replies.applied).toBeGreaterThan(60)
      play.close()
    })
  })

test('16: requests that a dead proxy left with different nodes are decided although no node is spare', () => {
  onSeeds({ nodes: 3, workload: { clients: 0 } }, (play) => {
    const { cluster } = play
    play.run(0.53)
    /** The proxy hands the request to one node only, and says nothing more. */
    function leaveWith(node: NodeId, other: NodeId, client: string): void {
      cut(play, [n3], [other])
      cut(play, [node], [other])
      cut(play, [other], [node])
      const command = encodeCommand(client, { kind: 'put', key: client, value: '1' })
      cluster.machine(n3).input({ kind: 'request', request: { client, seq: 1, command } })
      play.run(0.0006)
      cut(play, [n3], [other], false)
    }
    const proposed = new Map<NodeId, Set<string | undefined>>()
    cluster.observers.push({
      effect(node, effect) {
        const ballot = ballotSaid(effect)
        if (ballot?.stage !== 'proposal') return
        proposed.set(node, (proposed.get(node) ?? new Set()).add(ballot.batch))
      },
    })
    for (const machine of cluster.machines) machine.disk.slowness = 50
    const { slots, forfeited } = play.checker
    leaveWith(n1, n2, 'left')
    bounce(play, n3, 'kill')
    play.run(1, () => cluster.process(n3)?.isOpen === true)
    leaveWith(n2, n1, 'right')
    cluster.machine(n3).kill()
    play.run(0.3)
    const heads = [n1, n2].map((node) => [...(proposed.get(node) ?? [])])
    expect(heads, 'the fault: two nodes, two proposals').toEqual([['n3/1/2'], ['n3/2/1']])
    expect(play.checker.slots).toBe(slots)
    cut(play, [n1], [n2], false)
    cut(play, [n2], [n1], false)
    for (const machine of cluster.machines) machine.disk.slowness = 1
    play.run(5)
    for (const node of [n1, n2])
      for (const key of ['left', 'right'])
        expect(cluster.process(node)?.registers.read(key), `${key} on ${node}`).toBe('1')
    expect(play.checker.forfeited).toBeLessThanOrEqual(forfeited + 1)
    play.close()
  })
})
