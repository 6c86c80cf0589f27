/** Crashes and disks: scenarios of the failure list by number, on several seeds each, under load and with all checkers. */
import { describe, expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { Ballot } from '../../src/cluster/rabia/index.ts'
import { HEADER_BYTES, SECTOR_BYTES } from '../../src/storage/log-frame.ts'
import type { Observer } from './cluster.ts'
import {
  appliedBy,
  ballotIn,
  ballotSaid,
  bounce,
  cut,
  editDisk,
  fileOf,
  lastSegment,
  n1,
  n2,
  n3,
  n4,
  n5,
  onSeeds,
} from './fixture.ts'
import { logOf } from './machine.ts'
import type { Stage } from './stage.ts'

const STAGES = ['proposal', 'state', 'vote'] as const

/** Counts what it is shown and answers true for every `n`th of it. */
function every(n: number): { hits: number; of(matches: boolean): boolean } {
  let seen = 0
  return {
    hits: 0,
    of(matches) {
      if (!matches || ++seen % n !== 0) return false
      this.hits++
      return true
    },
  }
}

/** Three members that hear each other decide by their proposals alone (R17). */
function reach(play: Stage, stage: (typeof STAGES)[number]): void {
  if (stage === 'proposal') return
  cut(play, [n3], [n1, n2])
  cut(play, [n1, n2], [n3])
}

describe.each(STAGES)('with the own %s', (stage) => {
  test('1: a node that loses power before it is durable may say something else afterwards', () => {
    onSeeds({ nodes: 3 }, (play) => {
      reach(play, stage)
      const fault = every(5)
      let forgotten: Ballot | undefined
      let kept = 0
      let lost = 0
      play.cluster.observers.push({
        effect(node, effect) {
          if (node !== n1 || effect.kind !== 'persist') return
          const ballot = ballotIn(effect.records)
          if (!fault.of(ballot?.stage === stage)) return
          forgotten = ballot
          play.world.schedule(play.world.random.int(1, 900), () => bounce(play, n1, 'losePower'))
        },
        started(node, { replayed }) {
          if (node !== n1 || forgotten === undefined) return
          if (sameBallot(ballotIn(replayed.slice(-1)), forgotten)) kept++
          else lost++
          forgotten = undefined
        },
      })
      play.run(12)
      play.close()
      expect(fault.hits).toBeGreaterThan(10)
      expect(lost).toBeGreaterThan(3)
      expect(kept + lost).toBeGreaterThan(10)
    })
  })

  test('2: a node killed between its sync and its send says the same thing afterwards', () => {
    onSeeds({ nodes: 3 }, (play) => {
      reach(play, stage)
      const fault = every(5)
      let promised: Ballot | undefined
      let kept = 0
      play.cluster.observers.push({
        persisted(node, records) {
          if (node !== n1) return
          const ballot = ballotIn(records)
          if (!fault.of(ballot?.stage === stage)) return
          promised = ballot
          bounce(play, n1, fault.hits % 2 === 0 ? 'kill' : 'losePower')
        },
        started(node, { replayed }) {
          if (node !== n1 || promised === undefined) return
          expect(replayed.some((record) => sameBallot(ballotIn([record]), promised))).toBe(true)
          kept++
          promised = undefined
        },
      })
      play.run(12)
      play.close()
      expect(kept).toBeGreaterThan(10)
    })
  })

  test('3: a node killed right after its send goes on, and nothing happens twice', () => {
    onSeeds({ nodes: 3 }, (play) => {
      reach(play, stage)
      const fault = every(5)
      play.cluster.observers.push({
        effect(node, effect) {
          if (node === n1 && fault.of(ballotSaid(effect)?.stage === stage))
            play.world.schedule(0, () => bounce(play, n1, 'losePower'))
        },
      })
      play.run(12)
      play.close()
      expect(fault.hits).toBeGreaterThan(10)
    })
  })
})

test('4: a log torn at any offset of its last frame is cut back, and its node rejoins', () => {
  onSeeds({ nodes: 3 }, (play, random) => {
    const header = Array.from({ length: HEADER_BYTES / 4 }, (_, i) => i * 4)
    const body = Array.from({ length: 20 }, () => random.int(HEADER_BYTES, SECTOR_BYTES - 1))
    let torn = 0
    for (const offset of [...header, ...body]) {
      play.run(0.1)
      const syncing = untilUnsynced(play, n1)
      play.cluster.machine(n1).kill()
      const start = Math.floor((fileOf(play, n1, syncing).sizeBytes - 1) / SECTOR_BYTES)
      editDisk(play, n1, syncing, (bytes) => bytes.slice(0, start * SECTOR_BYTES + offset))
      torn++
      play.cluster.machine(n1).start()
      expect(play.cluster.machine(n1).state).toBe('up')
    }
    play.close()
    expect(torn).toBe(42)
  })
})

/** Runs until the node has written a frame and not synced it; gives its segment. */
function untilUnsynced(play: Stage, node: NodeId): number {
  let sizeBytes = 0
  let segment = 0
  play.run(5, () => {
    if (play.cluster.machine(node).state !== 'up') return false
    const last = lastSegment(play, node)
    const grown = last === segment && fileOf(play, node, last).sizeBytes > sizeBytes
    segment = last
    sizeBytes = fileOf(play, node, last).sizeBytes
    return grown && play.cluster.process(node)?.isSyncing === true
  })
  return segment
}

test('5: a bit flipped in the middle of the log keeps its node out for good; the others go on', () => {
  onSeeds({ nodes: 3, limits: { decisions: 1_000 } }, (play, random) => {
    play.run(3)
    play.cluster.machine(n2).kill()
    const [oldest] = [...logOf(play.cluster.machine(n2)).entries.keys()].map(Number)
    const offset = random.int(0, 10) * SECTOR_BYTES + random.int(0, HEADER_BYTES + 20)
    editDisk(play, n2, oldest!, (bytes) => bytes.with(offset, bytes[offset]! ^ 4))
    play.checker.expectRefusal(n2, 'data-damaged')
    const before = appliedBy(play, [n1, n3])
    for (let i = 0; i < 3; i++) {
      play.cluster.machine(n2).start()
      expect(play.cluster.machine(n2).state).toBe('down')
      play.run(1)
    }
    expect(appliedBy(play, [n1, n3])).toBeGreaterThan(before + 20)
    play.close([n1, n3])
    expect(play.checker.refusals).toBeGreaterThanOrEqual(3)
  })
})

test('6: a failed sync stops the node although the next one would succeed, and no answer rests on it', () => {
  onSeeds({ nodes: 3 }, (play) => {
    let stops = 0
    let afterStop = 0
    const watching: Observer = {
      stopped: () => stops++,
      persisted(node) {
        if (play.cluster.machine(node).state === 'down') afterStop++
      },
    }
    play.cluster.observers.push(watching)
    for (const node of [n1, n2, n3, n1]) {
      play.run(0.5)
      play.cluster.machine(node).disk.isBroken = true
      play.run(1.5)
      // What the failed sync left behind is only in memory: this takes it away, after the node has acted on it.
      bounce(play, node, 'losePower')
    }
    play.run(1)
    play.close()
    expect(stops).toBe(4)
    expect(afterStop).toBe(0)
  })
})

test('7: power lost everywhere at once loses nothing that was answered', () => {
  onSeeds({ nodes: 3 }, (play, random) => {
    for (let i = 0; i < 12; i++) {
      play.run(0.3 + random.next() / 4)
      for (const machine of play.cluster.machines) machine.losePower()
      for (const machine of random.shuffled(play.cluster.machines))
        play.world.schedule(random.int(0, 200_000), () => machine.start())
    }
    play.run(3)
    play.close()
    expect(play.cluster.machines.map((machine) => machine.life)).toEqual([13, 13, 13])
    expect(play.workload.replies.applied).toBeGreaterThan(50)
  })
})

test('8: a majority that loses power in the second phase or later comes back to the same decision', () => {
  let hits = 0
  onSeeds({ nodes: 5 }, (play) => {
    for (const from of play.cluster.roster)
      for (const to of play.cluster.roster)
        if (from !== to) Object.assign(play.cluster.network.link(from, to), { disorder: 0.3 })
    let slot = 0
    play.cluster.observers.push({
      effect(_, effect) {
        if (effect.kind !== 'send' || effect.message.kind !== 'ballots') return
        const phase = ballotSaid(effect)?.phase ?? 0
        if (phase < 2 || effect.message.slot === slot) return
        slot = effect.message.slot
        hits++
        play.world.schedule(100, () => {
          for (const node of [n1, n2, n3]) bounce(play, node, 'losePower')
        })
      },
    })
    const before = hits
    play.run(10, () => hits === before + 2)
    play.close()
  })
  expect(hits).toBeGreaterThanOrEqual(2)
})

test('46: three of five start in any order after an outage, one of them with an older state', () => {
  onSeeds({ nodes: 5 }, (play, random) => {
    play.run(2)
    play.cluster.machine(n5).kill()
    play.run(2)
    const old = appliedBy(play, [n1])
    for (const machine of play.cluster.machines) machine.losePower()
    const some = random.shuffled([n5, n1, random.pick([n2, n3, n4])])
    for (const node of some) {
      play.cluster.machine(node).start()
      play.run(random.next())
    }
    play.run(2)
    expect(appliedBy(play, some)).toBeGreaterThan(old)
    play.close()
  })
})

test('48: a disk whose syncs lie is found out after the next power loss', () => {
  let found = 0
  onSeeds({ nodes: 3 }, (play) => {
    play.cluster.machine(n1).disk.isLying = true
    play.run(3)
    play.checker.expectRefusal(n1, 'data-damaged')
    try {
      bounce(play, n1, 'losePower')
      play.run(3)
    } catch (error) {
      expect(error).toMatchObject({ property: 'log-before-send' })
      found++
    }
    found += play.checker.refusals
  })
  expect(found).toBe(2)
})

function sameBallot(a: Ballot | undefined, b: Ballot | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
