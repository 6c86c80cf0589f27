import { expect, test } from 'vitest'
import { check, type Explored, type Model, wander } from './model.ts'
import { random } from './random.ts'

/** Far above what is needed: a change that makes the state space explode fails here instead of running for hours. */
const STATES_MAX = 1_000_000

test.each<[string, Model]>([
  ['1 member, 3 phases', { members: 1, phases: 3 }],
  ['2 members, 3 phases', { members: 2, phases: 3 }],
  ['2 members, 3 phases, ballots one by one', { members: 2, phases: 3, singly: true }],
  ['3 members, 3 phases', { members: 3, phases: 3 }],
  ['3 members, 1 phase, keeping all apart', { members: 3, phases: 1, everything: true }],
  [
    '3 members, 1 phase, ballots one by one',
    { members: 3, phases: 1, singly: true, immortal: true },
  ],
  ['4 members, 2 phases', { members: 4, phases: 2 }],
  ['2 slots, 1 member growing to 2, 3 phases', { members: 1, phases: 3, growth: true }],
  ['2 slots, 2 members growing to 3, 2 phases', { members: 2, phases: 2, growth: true }],
])('a slot is safe in every state of %s', { timeout: 120_000 }, (name, model) => {
  report(name, () => check({ ...model, statesMax: STATES_MAX }))
})

test('a slot is safe on random paths of 5 members through 10 phases', () => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  report(`5 members, 10 phases, seed ${seed}`, () =>
    wander({ members: 5, phases: 10 }, random(seed), 1_000, 300),
  )
})

/** Runs with the states explored printed, and the seed if there is one. */
function report(name: string, explore: () => Explored): void {
  const begin = performance.now()
  try {
    const { states, steps } = explore()
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1)
    console.log(`${name}: ${states} states, ${steps} steps, ${seconds} s`)
    expect(states).toBeGreaterThan(0)
  } catch (cause) {
    throw new Error(`in the model of ${name}`, { cause })
  }
}
