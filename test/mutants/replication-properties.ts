/** What correct replicas of a partition have, to be tried on wrong ones: prints the first property that does not hold. */
import { type Exploration, explore } from '../cluster/dht/replica-explorer.ts'

const SEEDS = 120
const SHAPES: readonly Omit<Exploration, 'seed'>[] = [
  { nodes: 3, events: 3_000 },
  { nodes: 5, events: 3_000 },
  { nodes: 3, events: 3_000, hasOrigin: true },
  { nodes: 2, events: 2_000 },
  { nodes: 3, events: 3_000, losesDisks: true },
]

function firstViolation(): string | undefined {
  for (let seed = 1; seed <= SEEDS; seed++) {
    for (const shape of SHAPES) {
      try {
        explore({ ...shape, seed })
      } catch (violation) {
        return `${shape.nodes} nodes, seed ${seed}: ${String(violation).split('\n')[0]}`
      }
    }
  }
  return undefined
}

console.log(firstViolation() ?? '')
