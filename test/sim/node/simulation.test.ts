import { expect, test } from 'vitest'
import { simulatePlatform } from './platform-simulation.ts'
import { tryPlatformTwice } from './platform-trial.ts'

test.each([2, 3, 6])(
  'seed %d of whole nodes keeps every promise, and does so again',
  async (seed) => {
    const { history, failure, replay } = await tryPlatformTwice(seed)
    expect(failure, replay).toBeUndefined()
    expect(history.acknowledged).toBeGreaterThan(50)
    expect(history.read).toBeGreaterThan(50)
    expect(history.promised).toBeGreaterThan(10)
    expect(Object.keys(history.faults).length).toBeGreaterThan(3)
  },
)

test('seeds of whole nodes see primaries follow each other', async () => {
  let tables = 0
  for (let seed = 1; seed <= 4; seed++) tables += (await simulatePlatform({ seed })).tables
  expect(tables).toBeGreaterThan(6)
})
