/** Logs that are compacted, nodes that catch up by snapshot: scenarios of the failure list by number, with all checkers. */
import { describe, expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { SlotNumber } from '../../src/cluster/rabia/index.ts'
import { appliedBy, bounce, n1, n2, n3, n4, n5, onSeeds } from './fixture.ts'
import { REPLACE_STEPS } from './hosted-file.ts'
import { encodeCommand } from './register.ts'
import type { Stage } from './stage.ts'

const DECISIONS = 20
const limits = { decisions: DECISIONS }

/** A value that makes a snapshot of several of them more than one message. */
const LARGE_UNITS = 60_000

/** Takes the node down until nobody has the decisions any more that it lacks; gives the last slot that it has applied. */
function leaveBehind(play: Stage, node: NodeId): SlotNumber {
  const { cluster, checker } = play
  const others = cluster.roster.filter((other) => other !== node)
  const slot = appliedBy(play, [node])
  cluster.machine(node).kill()
  const isFar = () =>
    others.every((other) => {
      const snapshot = cluster.process(other)?.status()?.snapshot ?? 0
      return snapshot > slot && checker.slots > slot + 3 * DECISIONS
    })
  play.run(30, isFar)
  expect(isFar(), 'the others have compacted their logs').toBe(true)
  return slot
}

describe.each(['kill', 'losePower'] as const)('with a crash by %s', (how) => {
  test.each(REPLACE_STEPS)(
    '27: a node whose log is too old takes over a snapshot, also when it crashes after it was %s',
    (step) => {
      onSeeds({ nodes: 3, limits }, (play) => {
        play.run(1)
        const slot = leaveBehind(play, n3)
        let crashes = 0
        let taken = 0
        play.cluster.observers.push({
          saving(node, done, snapshot) {
            if (node !== n3 || done !== step || crashes === 2 || snapshot.slot <= slot + DECISIONS)
              return
            crashes++
            bounce(play, n3, how)
          },
          effect(node, effect) {
            if (node === n3 && effect.kind === 'restored' && effect.slot > slot) taken++
          },
        })
        play.cluster.start(n3)
        play.run(4)
        expect(crashes).toBe(2)
        expect(taken).toBeGreaterThan(0)
        expect(appliedBy(play, [n3])).toBeGreaterThan(slot + 3 * DECISIONS)
        play.close()
      })
    },
  )
})

/** Fills the state with values of so many units in all. */
function fill(play: Stage, units: number): void {
  const value = 'v'.repeat(LARGE_UNITS)
  for (let i = 0; i < units / LARGE_UNITS; i++) {
    const client = `large ${i}`
    const command = encodeCommand(client, { kind: 'put', key: client, value })
    play.cluster.machine(n1).input({ kind: 'request', request: { client, seq: 1, command } })
    play.run(0.1)
  }
}

test('27: a node that crashes between two pieces of a large snapshot begins again and gets it whole', () => {
  onSeeds({ nodes: 3, limits }, (play) => {
    const { cluster } = play
    play.run(0.5)
    fill(play, 12 * LARGE_UNITS)
    leaveBehind(play, n3)
    let pieces = 0
    let crashes = 0
    cluster.observers.push({
      effect(_, effect) {
        if (effect.kind !== 'send' || effect.message.kind !== 'snapshot-chunk') return
        if (effect.message.offset === 0) return
        pieces++
        if (crashes === 2) return
        crashes++
        bounce(play, n3, crashes === 1 ? 'kill' : 'losePower')
      },
    })
    cluster.start(n3)
    play.run(4)
    expect(crashes).toBe(2)
    expect(pieces).toBeGreaterThan(3)
    expect(cluster.process(n3)?.registers.read('large 11')).toHaveLength(LARGE_UNITS)
    play.close()
  })
})

test('27: a disk without room for the snapshot keeps its node back, and no longer than that', () => {
  onSeeds({ nodes: 3, limits }, (play) => {
    play.run(1)
    fill(play, LARGE_UNITS)
    const slot = leaveBehind(play, n3)
    const { disk, root } = play.cluster.machine(n3)
    // Room for a new segment of the log, with which every start begins, and not for the large value.
    disk.capacityBytes = root.sizeBytes() + 50_000
    let tried = 0
    play.cluster.observers.push({
      effect(node, effect) {
        if (node === n3 && effect.kind === 'save' && effect.snapshot.slot > slot) tried++
      },
    })
    play.cluster.start(n3)
    play.run(3)
    expect(tried, 'the disk was asked, and asked again').toBeGreaterThan(1)
    expect(appliedBy(play, [n3])).toBeLessThanOrEqual(slot)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    play.run(3)
    expect(appliedBy(play, [n3])).toBeGreaterThan(slot + 3 * DECISIONS)
    play.close()
  })
})

test('28: a snapshot that comes from a node which lags, or too late, takes nobody back', () => {
  let late = 0
  let stage: Stage | undefined
  function watch(line: string): void {
    const [, link = '', kind, slot] = line.split(' ')
    if (kind !== 'snapshot-chunk' && kind !== 'offer') return
    const to = link.split('>')[1] as NodeId
    const applied = (stage?.cluster.process(to)?.status()?.slot ?? 0) - 1
    if (Number(slot) < applied) late++
  }
  onSeeds({ nodes: 3, limits, watch }, (play) => {
    stage = play
    const { cluster, checker } = play
    const { network } = cluster
    play.run(1)
    const fetched: NodeId[] = []
    cluster.observers.push({
      effect(node, effect) {
        if (node !== n3 || effect.kind !== 'send') return
        if (effect.message.kind !== 'snapshot-fetch' || fetched.length === 2) return
        // The one that was asked is silent, so that in the end the other one is.
        const [to] = effect.to
        if (to === undefined || fetched.includes(to)) return
        fetched.push(to)
        network.link(to, n3).isClogged = fetched.length === 1
      },
    })
    leaveBehind(play, n3)
    cluster.start(n3)
    play.run(10, () => fetched.length === 2 && appliedBy(play, [n3]) > checker.slots - DECISIONS)
    expect(fetched).toHaveLength(2)
    const before = appliedBy(play, [n3])
    expect(before).toBeGreaterThan(checker.slots - DECISIONS)
    for (const node of fetched) network.unclog(node, n3)
    // As if one of them had fallen behind: it says what it would have said long ago.
    const old = { kind: 'offer', slot: 1, sizeBytes: 100, sha256: '0'.repeat(64) } as const
    cluster.machine(n3).input({ kind: 'message', from: n1, message: old })
    play.run(1)
    expect(appliedBy(play, [n3])).toBeGreaterThanOrEqual(before)
    play.close()
  })
  expect(late).toBeGreaterThan(1)
})

test('29: a rolling restart under load fails no operation', () => {
  onSeeds({ nodes: 5, limits }, (play) => {
    const { cluster, workload } = play
    play.run(1)
    for (const node of cluster.roster) {
      const slots = play.checker.slots
      bounce(play, node, 'kill')
      play.run(5, () => appliedBy(play, [node]) > slots + 5)
      expect(appliedBy(play, [node])).toBeGreaterThan(slots + 5)
    }
    play.close()
    expect(cluster.machines.map(({ life }) => life)).toEqual([2, 2, 2, 2, 2])
    expect(workload.replies.unknown).toBe(0)
    expect(workload.replies.applied).toBeGreaterThan(50)
  })
})

test('46: three of five start in any order after an outage, and one of them has missed what is compacted', () => {
  onSeeds({ nodes: 5, limits }, (play, random) => {
    const { cluster } = play
    play.run(1)
    leaveBehind(play, n5)
    const old = appliedBy(play, [n1])
    for (const machine of cluster.machines) machine.losePower()
    const some = random.shuffled([n5, n1, random.pick([n2, n3, n4])])
    for (const node of some) {
      cluster.start(node)
      play.run(random.next())
    }
    play.run(3)
    expect(appliedBy(play, some)).toBeGreaterThan(old)
    play.close()
  })
})
