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

test('27: a node that crashes between two pieces of a large snapshot begins again and gets it whole', () => {
  const value = 'v'.repeat(60_000)
  onSeeds({ nodes: 3, limits }, (play) => {
    const { cluster } = play
    play.run(0.5)
    for (let i = 0; i < 12; i++) {
      const client = `large ${i}`
      const command = encodeCommand(client, { kind: 'put', key: client, value })
      cluster.machine(n1).input({ kind: 'request', request: { client, seq: 1, command } })
      play.run(0.1)
    }
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
    expect(cluster.process(n3)?.registers.read('large 11')).toBe(value)
    play.close()
  })
})

test('27: a disk without room for the snapshot keeps its node back, and no longer than that', () => {
  onSeeds({ nodes: 3, limits }, (play) => {
    play.run(1)
    const slot = leaveBehind(play, n3)
    const { disk, root } = play.cluster.machine(n3)
    disk.capacityBytes = root.sizeBytes() + 5_000
    play.cluster.start(n3)
    play.run(3)
    expect(appliedBy(play, [n3])).toBe(slot)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    play.run(3)
    expect(appliedBy(play, [n3])).toBeGreaterThan(slot + 3 * DECISIONS)
    play.close()
  })
})

test('28: a snapshot that comes from a node which lags, or too late, takes nobody back', () => {
  onSeeds({ nodes: 3, limits }, (play) => {
    const { cluster } = play
    play.run(1)
    leaveBehind(play, n3)
    const { network } = cluster
    let asked = 0
    let late = 0
    cluster.observers.push({
      effect(node, effect) {
        if (node === n3 && effect.kind === 'send' && effect.message.kind === 'snapshot-fetch') {
          asked++
          // From now on the one that was asked is silent, until the snapshot has come from the other one.
          for (const to of effect.to) network.link(to, n3).isClogged = true
          const [other] = [n1, n2].filter((each) => !effect.to.includes(each))
          if (other !== undefined) network.unclog(other, n3)
        }
      },
    })
    cluster.start(n3)
    play.run(10, () => asked > 1 && appliedBy(play, [n3]) > play.checker.slots - DECISIONS)
    const before = appliedBy(play, [n3])
    const snapshots = cluster.network.counts.clogged
    expect(snapshots).toBeGreaterThan(0)
    cluster.observers.push({
      effect(node, effect) {
        if (node === n3 && effect.kind === 'restored') late++
      },
    })
    for (const node of [n1, n2]) network.unclog(node, n3)
    play.run(1)
    expect(late).toBe(0)
    expect(appliedBy(play, [n3])).toBeGreaterThanOrEqual(before)
    play.close()
  })
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
