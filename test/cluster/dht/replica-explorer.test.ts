import { expect, test } from 'vitest'
import { type Exploration, explore } from './replica-explorer.ts'

const SEEDS = 30

/** Names the seed that shows it again. */
function exploreSeeds(shape: Omit<Exploration, 'seed'>): Record<string, number> {
  const sums: Record<string, number> = {}
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const { counts, ...happened } = explore({ ...shape, seed })
      for (const [name, count] of Object.entries({ ...counts, ...happened })) {
        sums[name] = (sums[name] ?? 0) + count
      }
    } catch (cause) {
      throw new Error(`explore(${JSON.stringify({ ...shape, seed })}): ${cause}`, { cause })
    }
  }
  return sums
}

test.each([
  { nodes: 3, events: 3_000 },
  { nodes: 5, events: 3_000 },
  { nodes: 3, events: 3_000, hasOrigin: true },
  { nodes: 3, events: 3_000, consistency: 'eventual' as const },
])('replicas keep what they promise under any schedule: %j', (shape) => {
  const sums = exploreSeeds(shape)
  for (const name of ['takeovers', 'crashes', 'refusals', 'recordPages', 'entryPages', 'fenced']) {
    expect([name, sums[name]]).toEqual([name, expect.any(Number)])
    expect(sums[name]).toBeGreaterThan(0)
  }
  for (const name of ['ok', 'conflict', 'read', 'unknown', 'retried', 'forgotten']) {
    expect(sums[name]).toBeGreaterThan(20)
  }
})

test('a disk that is lost and replaced under its name takes nothing with it', () => {
  const sums = exploreSeeds({ nodes: 3, events: 3_000, losesDisks: true })
  expect(sums['disksLost']).toBeGreaterThan(20)
  expect(sums['ok']).toBeGreaterThan(50)
})

test('two replicas stop when one is missing, and lose nothing', () => {
  const sums = exploreSeeds({ nodes: 2, events: 3_000 })
  expect(sums['takeovers']).toBeGreaterThan(20)
  expect(sums['ok']).toBeGreaterThan(50)
})
