/** Disks that are lost, and members that change: scenarios of the failure list by number, under load and with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { Ballot, Ballots } from '../../src/cluster/rabia/index.ts'
import { Cluster } from './cluster.ts'
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
  n6,
  n7,
  onSeeds,
} from './fixture.ts'
import { imageOf } from './machine.ts'
import type { Retirement } from './process.ts'
import { Random } from './random.ts'
import { DONE, encodeChange } from './register.ts'
import type { Stage } from './stage.ts'
import { SECOND, World } from './world.ts'

/** Why nodes have stopped, in order. */
function retirements(play: Stage): { readonly node: NodeId; readonly reason: Retirement }[] {
  const seen: { readonly node: NodeId; readonly reason: Retirement }[] = []
  play.cluster.observers.push({ retired: (node, reason) => seen.push({ node, reason }) })
  return seen
}

/** Runs until everything that was asked of the operator has happened. */
function settle(play: Stage): void {
  play.run(20, () => play.operator.isIdle)
  expect(play.operator.isIdle, 'the change of the members comes to an end').toBe(true)
}

test('23: a node that comes back without its disk is refused until it is added as a new one', () => {
  onSeeds({ nodes: 3 }, (play) => {
    const { cluster, operator } = play
    play.run(2)
    const seen = retirements(play)
    const before = operator.incarnationOf(n3)
    const slots = appliedBy(play, [n1, n2])
    expect(before).toBe(cluster.process(n3)?.incarnation)
    cluster.machine(n3).replaceDisk()
    cluster.start(n3)
    play.run(4)
    expect(seen.length).toBeGreaterThan(1)
    for (const each of seen) expect(each).toEqual({ node: n3, reason: 'other-incarnation' })
    expect(appliedBy(play, [n1, n2])).toBeGreaterThan(slots + 20)
    operator.replace(n3)
    settle(play)
    expect(operator.incarnationOf(n3)).not.toBe(before)
    expect(operator.voters).toEqual([n1, n2, n3])
    play.close()
  })
})

test('23: a node that is to join takes part in nothing before it is added', () => {
  onSeeds({ nodes: 1, spares: 1 }, (play) => {
    play.cluster.enlist(n2)
    play.run(3)
    const { epoch, slot } = play.cluster.process(n2)?.status() ?? {}
    expect({ epoch, slot }).toEqual({ epoch: 0, slot: 0 })
    expect(play.cluster.process(n1)?.fence.refusals).toBeGreaterThan(10)
    expect(appliedBy(play, [n1])).toBeGreaterThan(10)
    play.operator.join(n2)
    settle(play)
    expect(play.operator.voters).toEqual([n1, n2])
    play.close()
  })
})

test('24: a node whose disk was rolled back is found out by what others have heard, and says nothing more', () => {
  onSeeds({ nodes: 3 }, (play) => {
    const { cluster, operator, checker } = play
    play.run(2)
    const seen = retirements(play)
    const image = imageOf(cluster.machine(n3).root)
    const old = appliedBy(play, [n3])
    play.run(1)
    expect(appliedBy(play, [n3]), 'it has promised more since').toBeGreaterThan(old + 5)
    checker.expectAmnesia(n3)
    checker.expectRefusal(n3, 'membership-lost')
    cluster.machine(n3).replaceDisk(image)
    let said = 0
    cluster.observers.push({
      effect(node, effect) {
        if (node === n3 && ballotSaid(effect)) said++
      },
    })
    cluster.start(n3)
    play.run(3)
    expect(seen).toEqual([{ node: n3, reason: 'rolled-back' }])
    // It refuses to start from now on, even when those who have heard it have forgotten.
    expect(checker.refusals).toBe(1)
    for (const node of [n1, n2]) {
      bounce(play, node, 'kill')
      play.run(1)
    }
    cluster.start(n3)
    play.run(2)
    expect(checker.refusals).toBe(2)
    expect(seen).toHaveLength(1)
    expect(said).toBe(0)
    operator.replace(n3)
    settle(play)
    play.close()
  })
})

test('25: two of five are lost for good and replaced one by one, and nothing that was answered is lost', () => {
  onSeeds({ nodes: 5, spares: 2 }, (play) => {
    const { cluster, operator } = play
    play.run(2)
    for (const node of [n4, n5]) cluster.machine(node).kill()
    const lost = [cluster.process(n4), cluster.process(n5)]
    expect(lost).toEqual([undefined, undefined])
    for (const [old, fresh] of [
      [n4, n6],
      [n5, n7],
    ] as const) {
      operator.leave(old)
      settle(play)
      operator.join(fresh)
      settle(play)
    }
    expect(operator.voters).toEqual([n1, n2, n3, n6, n7])
    // Everybody who saw the beginning goes too, but one.
    for (const node of [n1, n2]) {
      operator.leave(node)
      settle(play)
    }
    expect(play.checker.adoptions).toBeGreaterThanOrEqual(2)
    play.close()
  })
})

test('30: 1, 2, 3 and 5 members and back to 1, under load and with one voter down where that is allowed', () => {
  onSeeds({ nodes: 1, spares: 4 }, (play) => {
    const { cluster, operator, checker } = play
    const sizes: number[] = []
    cluster.observers.push({
      changed(_, __, { epoch }) {
        if (epoch === operator.epoch) sizes.push(operator.voters.length)
      },
    })
    play.run(1)
    for (const node of [n2, n3]) {
      operator.join(node)
      settle(play)
    }
    const slots = checker.slots
    cluster.machine(n2).kill()
    for (const node of [n4, n5]) {
      operator.join(node)
      settle(play)
    }
    expect(operator.voters).toEqual([n1, n2, n3, n4, n5])
    expect(checker.slots).toBeGreaterThan(slots + 10)
    operator.leave(n1)
    settle(play)
    cluster.start(n2)
    for (const node of [n5, n3, n4]) {
      operator.leave(node)
      settle(play)
    }
    expect(operator.voters).toEqual([n2])
    expect(new Set(sizes)).toEqual(new Set([1, 2, 3, 4, 5]))
    play.run(1)
    play.close()
  })
})

test('30: a member is replaced by another one while messages are lost and a voter comes and goes', () => {
  onSeeds({ nodes: 3, spares: 1 }, (play) => {
    const { operator, cluster } = play
    play.run(1)
    everyLink(play, { loss: 0.1, disorder: 0.2 })
    operator.join(n4)
    for (let i = 0; i < 5; i++) {
      play.run(0.5)
      bounce(play, n2, 'losePower')
    }
    settle(play)
    operator.leave(n1)
    for (let i = 0; i < 5; i++) {
      play.run(0.5)
      bounce(play, n2, 'losePower')
    }
    settle(play)
    expect(operator.voters).toEqual([n2, n3, n4])
    expect(cluster.network.counts.lost).toBeGreaterThan(100)
    play.close()
  })
})

test('31: of two changes of the members at one time one takes place', () => {
  onSeeds({ nodes: 3, spares: 2 }, (play) => {
    const { cluster, operator } = play
    play.run(1)
    for (const node of [n4, n5]) cluster.enlist(node)
    play.run(1)
    const outcomes = new Map<string, string>()
    cluster.observers.push({
      effect(_, effect) {
        if (effect.kind === 'reply' && effect.outcome.kind === 'applied')
          if (effect.client.startsWith('rival')) outcomes.set(effect.client, effect.outcome.result)
      },
    })
    const { epoch } = operator
    for (const [through, node] of [
      [n1, n4],
      [n2, n5],
    ] as const) {
      const client = `rival ${node}`
      const incarnation = cluster.process(node)?.incarnation ?? ''
      const change = { kind: 'add', epoch, node, incarnation, address: node } as const
      const request = { client, seq: 1, command: encodeChange(client, change) }
      cluster.machine(through).input({ kind: 'request', request })
    }
    play.run(2)
    expect([...outcomes.values()].sort()).toEqual([DONE, 'other-epoch'])
    expect(operator.members).toHaveLength(4)
    const loser = operator.members.includes(n4) ? n5 : n4
    operator.join(loser)
    settle(play)
    play.close()
  })
})

test('31: cut in two while they form a cluster, the founders that are fewer than a quorum do not form another one', () => {
  onSeeds({ nodes: 5 }, (play) => {
    cut(play, [n1, n2], [n3, n4, n5])
    cut(play, [n3, n4, n5], [n1, n2])
    play.run(3)
    expect(play.checker.slots).toBeGreaterThan(10)
    expect(appliedBy(play, [n1])).toBe(0)
    expect(appliedBy(play, [n2])).toBe(0)
    cut(play, [n1, n2], [n3, n4, n5], false)
    cut(play, [n3, n4, n5], [n1, n2], false)
    // Time for the two to have their disks bound.
    play.run(2)
    play.close()
    expect(play.operator.members.map((node) => play.operator.incarnationOf(node))).not.toContain(
      undefined,
    )
  })
})

test('31: of two formations whose rosters overlap the one with a majority succeeds, and the other never mixes with it', () => {
  for (const seed of [1, 2]) {
    const world = new World(new Random(seed))
    const cluster = new Cluster(world, { nodes: 3, spares: 1, limits: {} })
    for (const node of [n3, n4]) cluster.mislead(node, [n1, n2, n3, n4])
    for (const node of cluster.roster) cluster.start(node)
    world.runUntil(3 * SECOND)
    expect(cluster.process(n1)?.status()?.slot).toBeGreaterThan(2)
    expect(cluster.isLevel([n1, n2])).toBe(true)
    for (const node of [n3, n4]) expect(cluster.process(node)?.status()?.slot).toBe(1)
    for (const node of cluster.roster)
      expect(cluster.process(node)?.fence.refusals).toBeGreaterThan(0)
  }
})

test('32: what a removed node goes on saying is not let in, and changes nothing when it is', () => {
  onSeeds({ nodes: 4 }, (play, random) => {
    const { cluster, operator } = play
    play.run(1)
    const others = [n1, n2, n3]
    const { epoch } = operator
    cut(play, others, [n4])
    operator.leave(n4)
    settle(play)
    expect(operator.voters).toEqual(others)
    const seen = retirements(play)
    let stale = 0
    for (let i = 0; i < 100; i++) {
      play.run(0.02)
      const slot = appliedBy(play, [n1]) + 1
      const to = random.pick(others)
      const message = staleBallots(epoch, slot, random.pick([0, 1]))
      cluster.machine(to).input({ kind: 'message', from: n4, message })
      stale++
    }
    expect(stale).toBe(100)
    const refused = others.map((node) => cluster.process(node)?.fence.refusals ?? 0)
    expect(Math.max(...refused)).toBeGreaterThan(0)
    cut(play, others, [n4], false)
    play.run(3)
    expect(seen.at(-1)).toEqual({ node: n4, reason: 'removed' })
    play.close()
  })
})

function staleBallots(epoch: number, slot: number, value: 0 | 1): Ballots {
  const batch = value === 1 ? ('n4/1/1' as Ballot['batch']) : undefined
  const ballots = (['state', 'vote'] as const).map((stage) => ({ stage, phase: 1, value, batch }))
  return { kind: 'ballots', epoch, slot, ballots, batch: undefined, repeats: false }
}
