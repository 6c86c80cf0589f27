/**
 * What a correct program has, as a list to be tried on a wrong one, cheapest first. Run in a copy of the project: prints the
 * first property that does not hold, and nothing when all do. With `log` it leaves out the models, which only look at slots.
 */
import { a, b, c, d, e } from '../cluster/rabia/fixture.ts'
import { check, TooManyStates } from '../cluster/rabia/model.ts'
import { soak } from '../cluster/rabia/soak.ts'
import { simulate } from '../sim/simulation.ts'

const STATES_MAX = 200_000
const SEEDS = 20
const EVENTS = 3_000
const SIMULATED_SEEDS = 10

const properties: readonly (readonly [name: string, holds: () => void])[] = [
  [
    'model of 1 to 2 members',
    () => check({ members: 1, phases: 2, growth: true, statesMax: STATES_MAX }),
  ],
  ['model of 3 members', () => check({ members: 3, phases: 2, statesMax: STATES_MAX })],
  [
    'model of 2 to 3 members',
    () => check({ members: 2, phases: 1, growth: true, statesMax: STATES_MAX }),
  ],
  ['model of 4 members', () => check({ members: 4, phases: 1, statesMax: STATES_MAX })],
  [
    'model with single ballots',
    () => check({ members: 3, phases: 1, singly: true, immortal: true, statesMax: STATES_MAX }),
  ],
  ['soak', () => soakAll()],
  ['simulation', () => simulateAll()],
]

function soakAll(): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    soak({ members: [a, b, c], seed, events: EVENTS })
    soak({ members: [a, b, c, d, e], seed, events: EVENTS })
    soak({ members: [a], candidates: [b, c], seed, events: EVENTS })
  }
}

function simulateAll(): void {
  for (let seed = 1; seed <= SIMULATED_SEEDS; seed++) {
    const { violation } = simulate({ seed })
    if (violation) throw violation
  }
}

for (const [name, holds] of properties) {
  if (process.argv[2] === 'log' && name.startsWith('model')) continue
  try {
    holds()
  } catch (cause) {
    if (cause instanceof TooManyStates) continue
    console.log(`${name}: ${String(cause).split('\n')[0]}`)
    break
  }
}
