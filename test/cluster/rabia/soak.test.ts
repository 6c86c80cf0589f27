import { expect, test } from 'vitest'
import { a, b, c, d, e } from './fixture.ts'
import { type Soak, soak } from './soak.ts'

const SEEDS = 30
const EVENTS = 3_000

/** So few that nearly every restart and every rejoining goes through a snapshot. */
const FEW = { decisions: 4 }

test.each<Omit<Soak, 'seed' | 'events'>>([
  { members: [a] },
  { members: [a, b] },
  { members: [a, b, c] },
  { members: [a, b, c, d] },
  { members: [a, b, c, d, e] },
  { members: [a], candidates: [b, c] },
  { members: [a, b, c], candidates: [d, e] },
  { members: [a], limits: FEW },
  { members: [a, b, c], limits: FEW },
  { members: [a, b, c], candidates: [d, e], limits: FEW },
  { members: [a, b], candidates: [c, d], joiners: [c, d], limits: FEW },
])('$members (and $candidates, keeping $limits) agree under random schedules', (cluster) => {
  let slots = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const options = { ...cluster, seed, events: EVENTS }
    try {
      slots += soak(options)
    } catch (cause) {
      throw new Error(`soak(${JSON.stringify(options)})`, { cause })
    }
  }
  expect(slots).toBeGreaterThan(SEEDS)
})
