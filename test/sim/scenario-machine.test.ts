/** Schedules, clocks, slow and full machines: scenarios of the failure list by number, with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import { type Coin, commonCoin } from '../../src/cluster/rabia/coin.ts'
import { type Ballot, electorate } from '../../src/cluster/rabia/index.ts'
import { Slot, type SlotEffect } from '../../src/cluster/rabia/slot.ts'
import { appliedBy, n1, n2, n3, onSeeds } from './fixture.ts'
import { encodeCommand } from './register.ts'
import { MILLISECOND, SECOND } from './world.ts'

const members = [n1, n2, n3] as const
const batch = 'x/1/1' as NonNullable<Ballot['batch']>

/** Three members of one slot whose messages arrive only when the adversary says so. */
class Puppets {
  readonly slots: readonly Slot[]
  readonly said = new Map<Slot, Ballot[]>()
  readonly decisions = new Map<Slot, string | undefined>()

  constructor(coin: Coin) {
    this.slots = members.map((self) => {
      const slot = new Slot({ self, electorate: electorate(1, members), number: 1, coin })
      this.said.set(slot, [])
      return slot
    })
  }

  propose(of: number, value: Ballot['batch']): void {
    this.#perform(of, this.slots[of]!.step({ kind: 'propose', batch: value }))
  }

  /** What `from` said last in this round reaches `to`. */
  deliver(from: number, to: number, stage: Ballot['stage'], phase: number): void {
    const ballot = this.said
      .get(this.slots[from]!)!
      .find((said) => said.stage === stage && said.phase === phase)
    if (ballot === undefined) return
    const source = { from: members[from]!, epoch: 1, slot: 1 }
    this.#perform(to, this.slots[to]!.step({ kind: 'ballot', ...source, ballot }))
    this.#perform(to, this.slots[to]!.step({ kind: 'hurry' }))
  }

  #perform(of: number, effects: readonly SlotEffect[]): void {
    const slot = this.slots[of]!
    for (const effect of effects) {
      if (effect.kind === 'send') this.said.get(slot)!.push(effect.ballot)
      if (effect.kind === 'decided') this.decisions.set(slot, effect.batch)
      if (effect.kind === 'persist') this.#perform(of, slot.step({ kind: 'persisted' }))
    }
  }
}

/** The coin of a cluster that falls 0, 1, 0, 1 for so many phases: what an adversary waits for. */
function alternatingCoin(phases: number): Coin {
  for (let i = 0; ; i++) {
    const coin = commonCoin(`cluster ${i}`)
    const flips = Array.from({ length: phases }, (_, p) => coin(1, 1, p + 1))
    if (flips.every((flip, p) => flip === p % 2)) return coin
  }
}

test('17: an adversary that knows the coin drives a slot through ten phases and more, and it still ends in agreement', () => {
  const puppets = new Puppets(alternatingCoin(12))
  const { slots, said } = puppets
  puppets.propose(0, batch)
  puppets.propose(1, batch)
  puppets.propose(2, undefined)
  puppets.deliver(1, 0, 'proposal', 0)
  puppets.deliver(0, 1, 'proposal', 0)
  puppets.deliver(0, 2, 'proposal', 0)
  let phase = 1
  for (; phase <= 12 && puppets.decisions.size === 0; phase++) split(puppets, phase)
  expect(phase).toBeGreaterThan(10)
  for (let round = phase - 1; round < phase + 8; round++)
    for (const stage of ['state', 'vote'] as const)
      for (const [from, to] of [
        [0, 1],
        [0, 2],
        [1, 0],
        [1, 2],
        [2, 0],
        [2, 1],
      ] as const)
        puppets.deliver(from, to, stage, round)
  // Two are enough: the log above the slot tells the decision to a member that they left behind.
  expect(puppets.decisions.size).toBeGreaterThanOrEqual(2)
  expect(new Set(puppets.decisions.values()).size).toBe(1)
  expect(said.get(slots[0]!)!.length).toBeGreaterThan(20)
})

/** One member votes for what two of the three states are; the other two see one of each, vote '?', and flip the coin. */
function split(puppets: Puppets, phase: number): void {
  const states = puppets.slots.map((slot) => stateOf(puppets, slot, phase))
  const odd = states.findIndex((state) => states.filter((other) => other === state).length === 1)
  const [loner, other] = [0, 1, 2].filter((place) => place !== odd) as [number, number]
  puppets.deliver(other, loner, 'state', phase)
  puppets.deliver(odd, other, 'state', phase)
  puppets.deliver(other, odd, 'state', phase)
  puppets.deliver(odd, other, 'vote', phase)
  puppets.deliver(other, odd, 'vote', phase)
  puppets.deliver(odd, loner, 'vote', phase)
}

function stateOf(puppets: Puppets, slot: Slot, phase: number): Ballot['value'] | undefined {
  return puppets.said.get(slot)!.find((said) => said.stage === 'state' && said.phase === phase)
    ?.value
}

test('18: clocks that jump by hours and years, drift and are stepped change no answer', () => {
  onSeeds({ nodes: 3 }, (play, random) => {
    const { machines } = play.cluster
    let jumps = 0
    for (let i = 0; i < 12; i++) {
      const machine = random.pick(machines)
      machine.clockRate = random.pick([0.99, 1.01, 0.5, 2])
      machine.wallOffsetUs +=
        random.pick([-1, 1]) * random.pick([1, 24 * 365 * 10]) * 3_600 * SECOND
      for (let burst = random.int(0, 200); burst > 0; burst--) machine.input({ kind: 'tick' })
      jumps++
      play.run(0.4)
    }
    expect(jumps).toBe(12)
    expect(machines.some((machine) => Math.abs(machine.wallOffsetUs) > 3_000 * SECOND)).toBe(true)
    expect(play.checker.forfeited).toBeLessThan(play.checker.slots / 4)
    play.close()
  })
})

test('19: a node stopped for 30 s is not waited for, and its old messages do no harm afterwards', () => {
  const slow = { clients: 3, thinkUs: [200 * MILLISECOND, SECOND] } as const
  onSeeds({ nodes: 3, workload: slow }, (play) => {
    for (const node of [n1, n2]) {
      play.run(0.5)
      play.cluster.machine(node).pause()
      const before = play.checker.slots
      play.run(30)
      expect(play.checker.slots).toBeGreaterThan(before + 40)
      expect(play.cluster.process(node)?.status()?.slot).toBeLessThanOrEqual(before + 2)
      play.cluster.machine(node).resume()
      play.run(3)
    }
    play.close()
  })
})

test('20: one disk with syncs of a second slows nobody down; two of three slow the cluster, in bounded memory', () => {
  onSeeds({ nodes: 3 }, (play) => {
    play.run(1)
    play.cluster.machine(n1).disk.slowness = 3_000
    const before = play.checker.slots
    play.run(4)
    const withOne = play.checker.slots - before
    expect(withOne).toBeGreaterThan(40)
    expect(appliedBy(play, [n2])).toBeGreaterThan(before + 40)
    play.cluster.machine(n2).disk.slowness = 3_000
    play.run(12)
    const withTwo = play.checker.slots - before - withOne
    expect(withTwo).toBeGreaterThan(0)
    expect(withTwo).toBeLessThan(withOne / 2)
    play.close()
  })
})

test('21: a node whose disk is full promises nothing until there is space, then catches up', () => {
  onSeeds({ nodes: 3 }, (play) => {
    let refusals = 0
    let promises = 0
    let full: NodeId | undefined
    play.cluster.observers.push({
      refusedSpace: () => refusals++,
      persisted: (node) => {
        if (node === full) promises++
      },
    })
    for (const node of [n1, n2]) {
      play.run(1)
      const { disk, root } = play.cluster.machine(node)
      disk.capacityBytes = root.sizeBytes() + 2_000
      play.run(0.2)
      full = node
      promises = 0
      const before = play.checker.slots
      play.run(2)
      expect(promises).toBe(0)
      expect(play.checker.slots).toBeGreaterThan(before + 10)
      full = undefined
      disk.capacityBytes = Number.POSITIVE_INFINITY
      play.run(1)
      expect(appliedBy(play, [node])).toBeGreaterThan(before + 10)
    }
    expect(refusals).toBeGreaterThan(4)
    play.close()
  })
})

test('21: with every disk full nobody is answered and nothing is lost; with space again everybody is', () => {
  onSeeds({ nodes: 3 }, (play) => {
    play.run(1)
    for (const { disk, root } of play.cluster.machines) disk.capacityBytes = root.sizeBytes()
    play.run(0.3)
    const before = play.workload.replies.applied
    play.run(3)
    expect(play.workload.replies.applied).toBe(before)
    expect(play.workload.replies.busy).toBeGreaterThan(0)
    for (const { disk } of play.cluster.machines) disk.capacityBytes = Number.POSITIVE_INFINITY
    play.run(2)
    expect(play.workload.replies.applied).toBeGreaterThan(before + 10)
    play.close()
  })
})

test('44: a flood of large requests is answered busy beyond the limits, and what was taken is carried out', () => {
  const limits = { requests: 40, requestUnits: 400_000 }
  onSeeds({ nodes: 3, limits }, (play) => {
    play.run(0.5)
    const outcomes = new Map<string, string>()
    play.cluster.observers.push({
      effect(_, effect) {
        if (effect.kind === 'reply' && effect.client.startsWith('flood'))
          outcomes.set(effect.client, effect.outcome.kind)
      },
    })
    const value = 'v'.repeat(30_000)
    for (let i = 0; i < 300; i++) {
      const client = `flood${i}`
      const command = encodeCommand(client, { kind: 'put', key: client, value })
      play.cluster.machine(n1).input({ kind: 'request', request: { client, seq: 1, command } })
      play.checker.checkMemory()
      if (i % 30 === 0) play.run(0.02)
    }
    play.run(3)
    const applied = [...outcomes].filter(([, outcome]) => outcome === 'applied')
    const busy = [...outcomes].filter(([, outcome]) => outcome === 'busy')
    expect(applied.length + busy.length).toBe(300)
    expect(busy.length).toBeGreaterThan(100)
    expect(applied.length).toBeGreaterThan(20)
    for (const [client] of applied)
      expect(play.cluster.process(n2)?.registers.read(client)).toHaveLength(30_000)
    play.close()
  })
})

test('45: ballots of strangers, of other epochs and of far slots change nothing', () => {
  const stranger = 'stranger' as NodeId
  onSeeds({ nodes: 3 }, (play, random) => {
    let sent = 0
    for (let i = 0; i < 100; i++) {
      play.run(0.02)
      const slot = Math.max(1, appliedBy(play, [n1]) + random.pick([0, 1, 2, 1_000_000]))
      const now = play.cluster.process(n1)?.status()?.epoch ?? 0
      const epoch = now + random.pick([-1, 0, 1])
      // What a member is heard to say it has said: only what nobody can have said is put into its mouth.
      const from = epoch >= now ? stranger : random.pick([stranger, n2])
      const stage = random.pick(['state', 'vote'] as const)
      const ballot = { stage, phase: random.int(1, 3), value: 0, batch: undefined } as const
      const ballots = { epoch, slot, ballots: [ballot], batch: undefined, repeats: false }
      play.cluster
        .machine(n1)
        .input({ kind: 'message', from, message: { kind: 'ballots', ...ballots } })
      sent++
    }
    expect(sent).toBe(100)
    play.close()
  })
})

test('47: event loops that stall for two seconds, one after the other, cost time and nothing else', () => {
  onSeeds({ nodes: 3 }, (play) => {
    for (const node of [n1, n2, n3]) {
      play.run(0.5)
      const before = play.checker.slots
      play.cluster.machine(node).pause()
      play.run(2)
      expect(play.cluster.machine(node).state).toBe('paused')
      expect(play.checker.slots).toBeGreaterThan(before + 10)
      play.cluster.machine(node).resume()
    }
    play.close()
  })
})
