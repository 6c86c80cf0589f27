import { expect, test } from 'vitest'
import { Pace } from '../../../src/cluster/rabia/pace.ts'
import { a, b, c } from './fixture.ts'

/** What a replica that stays at slot 1 does in so many ticks. */
function ticks(pace: Pace, count: number, isBusy: boolean): string[] {
  return Array.from({ length: count }, () => pace.tick(1, isBusy))
}

test('a slot that lasts is repeated less and less often, but never given up', () => {
  const pace = new Pace()
  pace.tick(1, true)
  const repeats = ticks(pace, 40, true).flatMap((action, i) => (action === 'repeat' ? [i + 1] : []))
  expect(repeats).toEqual([1, 2, 4, 8, 16, 24, 32, 40])
})

test('a slot that has only just begun is not repeated, however long the one before was idle', () => {
  const pace = new Pace()
  ticks(pace, 100, false)
  expect(pace.tick(2, true)).toBe('wait')
  expect(pace.tick(2, true)).toBe('repeat')
})

test('an idle replica asks the others in turn, and one that has fallen behind does not wait', () => {
  const pace = new Pace()
  const asked: string[] = []
  for (let i = 0; i < 64; i++) {
    if (pace.tick(1, false) === 'ask') asked.push(...pace.turn([a, b, c]))
  }
  expect(asked).toEqual([b, c, a, b])
  pace.reached(2)
  expect(pace.tick(1, false)).toBe('repeat')
})

test('a gap is asked about at once, but once per tick; the next slot is no gap', () => {
  const pace = new Pace()
  expect(pace.hearOf(2, 1)).toBe(false)
  expect(pace.hearOf(3, 1)).toBe(true)
  expect(pace.hearOf(4, 1)).toBe(false)
  pace.tick(1, false)
  expect(pace.hearOf(4, 1)).toBe(true)
})
