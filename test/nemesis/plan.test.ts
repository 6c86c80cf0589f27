import { expect, test } from 'vitest'
import { plan, STEP_KINDS, type Step } from './plan.ts'

function first(count: number, seed: number): Step[] {
  const steps = plan(seed)
  return Array.from({ length: count }, () => steps.next().value)
}

test('does everything once before it does anything twice, and in another order then', () => {
  const steps = first(2 * STEP_KINDS.length, 1)
  const rounds = [steps.slice(0, STEP_KINDS.length), steps.slice(STEP_KINDS.length)]
  const kinds = rounds.map((round) => round.map((step) => step.kind))
  for (const round of kinds) expect(round.toSorted()).toEqual(STEP_KINDS.toSorted())
  expect(kinds[0]).not.toEqual(kinds[1])
})

test('is the same for one seed and another for another', () => {
  expect(first(50, 7)).toEqual(first(50, 7))
  expect(first(50, 7)).not.toEqual(first(50, 8))
})

test('bounds how long a fault lasts', () => {
  for (const { holdMs } of first(200, 3)) {
    expect(holdMs).toBeGreaterThanOrEqual(1_500)
    expect(holdMs).toBeLessThanOrEqual(5_000)
  }
})
