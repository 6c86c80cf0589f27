import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import type { Ballot, Stage, Value } from '../../../src/cluster/rabia/ballot.ts'
import type { BatchId } from '../../../src/cluster/rabia/batch.ts'
import { commonCoin } from '../../../src/cluster/rabia/coin.ts'
import { electorate } from '../../../src/cluster/rabia/electorate.ts'
import { emptySlot, Slot, type SlotEffect } from '../../../src/cluster/rabia/slot.ts'
import { a, b, c, d, e } from './fixture.ts'

const m = 'm' as BatchId
const x = 'x' as BatchId

function ballot(stage: Stage, phase: number, value: Value, batch?: BatchId): Ballot {
  return { stage, phase, value, batch }
}

const proposal = (batch?: BatchId): Ballot => ballot('proposal', 0, batch ? 1 : 0, batch)
const state = (phase: number, batch?: BatchId): Ballot =>
  ballot('state', phase, batch ? 1 : 0, batch)
const vote = (phase: number, batch?: BatchId): Ballot => ballot('vote', phase, batch ? 1 : 0, batch)
const unsure = (phase: number, batch: BatchId): Ballot => ballot('vote', phase, '?', batch)

/** A slot of node a, its disk written at once and in a hurry unless a test says otherwise. */
class Bench {
  readonly slot: Slot
  readonly sent: Ballot[] = []
  readonly effects: SlotEffect[] = []
  readonly #isPatient: boolean

  constructor(
    members: readonly NodeId[],
    options: { own?: Ballot[]; coin?: 0 | 1; isPatient?: boolean } = {},
  ) {
    this.#isPatient = options.isPatient ?? false
    const coin = () => options.coin ?? 0
    const context = { self: a, electorate: electorate(7, members), number: 5, coin }
    this.slot = new Slot(context, emptySlot(options.own))
    if (options.own) this.take(this.slot.step({ kind: 'resume' }))
  }

  get decision(): SlotEffect | undefined {
    return this.effects.find(({ kind }) => kind === 'decided')
  }

  propose(batch?: BatchId): this {
    return this.take(this.slot.step({ kind: 'propose', batch }))
  }

  hear(from: NodeId, said: Ballot, tag: { epoch?: number; slot?: number } = {}): this {
    const { epoch = 7, slot = 5 } = tag
    this.take(this.slot.step({ kind: 'ballot', from, epoch, slot, ballot: said }))
    return this.#isPatient ? this : this.hurry()
  }

  hurry(): this {
    return this.take(this.slot.step({ kind: 'hurry' }))
  }

  take(effects: readonly SlotEffect[]): this {
    this.effects.push(...effects)
    for (const effect of effects) {
      if (effect.kind === 'send') this.sent.push(effect.ballot)
      if (effect.kind === 'persist') this.take(this.slot.step({ kind: 'persisted' }))
    }
    return this
  }
}

test.each([m, undefined])(
  'n − f votes of others for %s decide before the own one is durable',
  (batch) => {
    const bench = new Bench([a, b, c])
    bench.slot.step({ kind: 'propose', batch: m })
    bench.hear(b, vote(1, batch))
    expect(bench.decision).toBeUndefined()
    bench.hear(c, vote(1, batch))
    expect(bench.decision).toEqual({ kind: 'decided', batch })
    expect(bench.slot.step({ kind: 'persisted' })).toMatchObject([{ kind: 'send' }])
  },
)

test('votes of different phases, or fewer than f + 1, decide nothing', () => {
  const bench = new Bench([a, b, c, d, e])
  bench.slot.step({ kind: 'propose', batch: m })
  bench.hear(b, vote(1, m)).hear(c, vote(2, m)).hear(d, unsure(1, m)).hear(e, vote(1, m))
  expect(bench.decision).toBeUndefined()
})

test('equal proposals lead to a decision in one phase', () => {
  const bench = new Bench([a, b, c]).propose(m)
  bench.hear(b, proposal(m)).hear(b, state(1, m)).hear(b, vote(1, m))
  expect(bench.sent).toEqual([proposal(m), state(1, m), vote(1, m)])
  expect(bench.decision).toEqual({ kind: 'decided', batch: m })
})

test.each([[[a, b]], [[a, b, c]], [[a, b, c, d]], [[a, b, c, d, e]]])(
  'equal proposals of all of %j decide at once (R17)',
  (members) => {
    const bench = new Bench(members, { isPatient: true }).propose(m)
    for (const member of members.slice(1)) {
      expect(bench.decision).toBeUndefined()
      bench.hear(member, proposal(m))
    }
    expect(bench.sent).toEqual([proposal(m)])
    expect(bench.decision).toEqual({ kind: 'decided', batch: m })
  },
)

test('proposals of all without a majority forfeit the slot at once (R17)', () => {
  const bench = new Bench([a, b, c], { isPatient: true }).propose(m)
  expect(bench.hear(b, proposal(x)).decision).toBeUndefined()
  expect(bench.hear(c, proposal()).decision).toEqual({ kind: 'decided', batch: undefined })
  expect(bench.sent).toEqual([proposal(m)])
})

test('proposals of all with a majority, but not for the same batch, decide nothing (R17)', () => {
  const bench = new Bench([a, b, c], { isPatient: true }).propose(m)
  bench.hear(b, proposal(x)).hear(c, proposal(m))
  expect(bench.sent).toEqual([proposal(m), state(1, m)])
  expect(bench.decision).toBeUndefined()
})

test('a member waits for all proposals until it is told to hurry, and then for those of a quorum', () => {
  const bench = new Bench([a, b, c, d, e], { isPatient: true }).propose(m)
  bench.hear(b, proposal(m)).hurry()
  expect(bench.sent).toEqual([proposal(m)])
  bench.hear(c, proposal(m)).hear(d, proposal(m))
  expect(bench.sent).toEqual([proposal(m)])
  expect(bench.hurry().sent).toEqual([proposal(m), state(1, m)])
  expect(bench.decision).toBeUndefined()
})

test('different proposals forfeit the slot in one phase', () => {
  const bench = new Bench([a, b, c]).propose(m)
  bench.hear(c, proposal(x)).hear(c, state(1)).hear(c, vote(1))
  expect(bench.sent).toEqual([proposal(m), state(1), vote(1)])
  expect(bench.decision).toEqual({ kind: 'decided', batch: undefined })
})

test('a member without a proposal counts for the quorum but for no batch', () => {
  const bench = new Bench([a, b, c]).propose().hear(b, proposal(m)).hear(c, proposal(m))
  expect(bench.sent).toEqual([proposal(), state(1)])
})

test('states without a majority lead to a vote of ?, which names the batch (R1)', () => {
  const bench = new Bench([a, b, c]).propose(x).hear(b, proposal(m)).hear(c, state(1, m))
  expect(bench.sent.at(-1)).toEqual(unsure(1, m))
})

test('one vote that is not ? sets the next state without deciding', () => {
  const bench = new Bench([a, b, c, d, e], { own: [proposal(x), state(1), unsure(1, m)] })
  bench.hear(b, unsure(1, m)).hear(c, vote(1, m))
  expect(bench.sent).toEqual([state(2, m)])
  expect(bench.decision).toBeUndefined()
})

test('f + 1 equal votes decide, f do not', () => {
  const members = [a, b, c, d, e]
  const sure = new Bench(members, { own: [proposal(m), state(1, m), vote(1, m)] })
  expect(sure.hear(b, vote(1, m)).hear(c, vote(1, m)).decision).toMatchObject({ batch: m })
  const doubtful = new Bench(members, { own: [proposal(m), state(1, m), unsure(1, m)] })
  expect(doubtful.hear(b, vote(1, m)).hear(c, vote(1, m)).decision).toBeUndefined()
})

test('the coin sets the next state and never decides', () => {
  for (const coin of [0, 1] as const) {
    const bench = new Bench([a, b, c], { own: [proposal(x), state(1), unsure(1, m)], coin })
    bench.hear(b, unsure(1, m))
    expect(bench.sent).toEqual([state(2, coin === 1 ? m : undefined)])
    expect(bench.decision).toBeUndefined()
  }
})

test('n − f equal states do not decide', () => {
  const bench = new Bench([a, b, c]).propose(m).hear(b, proposal(m)).hear(b, state(1, m))
  expect(bench.sent.at(-1)).toEqual(vote(1, m))
  expect(bench.decision).toBeUndefined()
})

test('no ballot is sent, counted or followed by another before it is durable', () => {
  const context = {
    self: a,
    electorate: electorate(7, [a, b, c]),
    number: 5,
    coin: () => 0 as const,
  }
  const slot = new Slot(context)
  const hear = (said: Ballot) =>
    slot.step({ kind: 'ballot', from: b, epoch: 7, slot: 5, ballot: said })
  const kinds = (effects: readonly SlotEffect[]) => effects.map(({ kind }) => kind)
  expect(kinds(slot.step({ kind: 'propose', batch: m }))).toEqual(['persist'])
  expect(kinds(hear(proposal(m)))).toEqual([])
  expect(kinds(slot.step({ kind: 'persisted' }))).toEqual(['send'])
  expect(kinds(slot.step({ kind: 'hurry' }))).toEqual(['persist'])
  expect(kinds(hear(state(1, m)))).toEqual([])
  expect(kinds(slot.step({ kind: 'persisted' }))).toEqual(['send', 'persist'])
  expect(kinds(hear(vote(1, m)))).toEqual([])
  expect(kinds(slot.step({ kind: 'persisted' }))).toEqual(['send', 'decided'])
})

test('a restarted member goes on with its recorded ballots and says nothing else in their rounds', () => {
  const bench = new Bench([a, b, c], { own: [proposal(m), state(1, m)] })
  bench.hear(b, proposal(x)).hear(b, state(1))
  expect(bench.sent).toEqual([unsure(1, m)])
})

test('a restarted member that forgot who was for what still knows what a coin of 1 means (R1)', () => {
  const bench = new Bench([a, b, c], { own: [proposal(x), state(1), unsure(1, m)], coin: 1 })
  bench.hear(b, unsure(1, m)).hear(b, state(2, m)).hear(b, vote(2, m))
  expect(bench.decision).toEqual({ kind: 'decided', batch: m })
})

test('a sender counts once, however often it says the same (R3)', () => {
  const bench = new Bench([a, b, c, d, e]).propose(m)
  bench.hear(b, proposal(m)).hear(b, proposal(m)).hear(b, proposal(m))
  expect(bench.sent).toEqual([proposal(m)])
})

test('the first of two different ballots counts, and the second is a violation (R3)', () => {
  const bench = new Bench([a, b, c, d, e]).propose(m)
  bench.hear(b, proposal(m)).hear(b, proposal(x)).hear(c, proposal(m))
  expect(bench.effects).toContainEqual({ kind: 'violation', from: b })
  expect(bench.sent.at(-1)).toEqual(state(1, m))
})

test('ballots may come before their round has begun, in any order', () => {
  const bench = new Bench([a, b, c])
  bench.hear(b, vote(1, m)).hear(b, state(1, m)).hear(b, proposal(m)).propose(m).hurry()
  expect(bench.decision).toEqual({ kind: 'decided', batch: m })
})

test('ballots of another slot, another epoch or a stranger do not count (R8, R9)', () => {
  const bench = new Bench([a, b, c]).propose(m)
  bench.hear(b, proposal(m), { slot: 4 }).hear(b, proposal(m), { epoch: 6 }).hear(d, proposal(m))
  expect(bench.sent).toEqual([proposal(m)])
})

test('two of three are a quorum, one is not, and two of two are needed (R9)', () => {
  expect(new Bench([a, b, c]).propose(m).sent).toHaveLength(1)
  expect(new Bench([a, b, c]).propose(m).hear(b, proposal(m)).sent).toHaveLength(2)
  expect(new Bench([a, b]).propose(m).sent).toHaveLength(1)
  expect(new Bench([a]).propose(m).decision).toEqual({ kind: 'decided', batch: m })
})

test('a schedule that defeats a hundred coins is answered a hundred times (R13)', () => {
  const bench = new Bench([a, b, c]).propose(x).hear(b, proposal(m)).hear(b, state(1, m))
  for (let phase = 1; phase <= 100; phase++) {
    bench.hear(b, unsure(phase, m)).hear(b, state(phase + 1, m))
  }
  expect(bench.sent.at(-1)).toEqual(unsure(101, m))
  expect(bench.slot.state.heard.size).toBeLessThan(3)
})

test('ballots of rounds far ahead are not kept', () => {
  const bench = new Bench([a, b, c]).propose(m)
  for (let phase = 1; phase <= 1_000; phase++) bench.hear(b, state(phase, m))
  expect(bench.slot.state.heard.size).toBeLessThan(20)
})

test('votes for both values in one phase stop the node', () => {
  const bench = new Bench([a, b, c], { own: [proposal(m), state(1, m), vote(1, m)] })
  expect(() => bench.hear(b, vote(1))).toThrow('agreement is broken')
})

test('two batches in one phase stop the node', () => {
  const bench = new Bench([a, b, c], { own: [proposal(m), state(1, m)] })
  expect(() => bench.hear(b, state(1, x))).toThrow('agreement is broken')
})

test('the coin differs between clusters, epochs, slots and phases, and is fair (R10)', () => {
  const flips = (flip: (i: number) => number): string =>
    Array.from({ length: 1_000 }, (_, i) => flip(i)).join('')
  const coin = commonCoin('one')
  const sequences = [
    flips((i) => coin(1, 1, i)),
    flips((i) => coin(1, 2, i)),
    flips((i) => coin(2, 1, i)),
    flips((i) => coin(1, i, 1)),
    flips((i) => commonCoin('two')(1, 1, i)),
  ]
  expect(new Set(sequences).size).toBe(sequences.length)
  for (const sequence of sequences) {
    const ones = [...sequence].filter((bit) => bit === '1').length
    expect(Math.abs(ones - 500)).toBeLessThan(80)
  }
  expect(flips((i) => commonCoin('one')(1, 1, i))).toBe(sequences[0])
})
