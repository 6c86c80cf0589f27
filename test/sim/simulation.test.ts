import { describe, expect, test } from 'vitest'
import { FAULTS_MIN, SECONDS_MIN, SLOTS_MIN, simulate } from './simulation.ts'
import { shrink, tryTwice } from './trial.ts'

describe('seeds', () => {
  for (const seed of [1, 2, 3])
    test(`seed ${seed} has a long history without a violation, and has it again`, async () => {
      const { history, failure, replay } = await tryTwice(seed)
      expect(failure, replay).toBeUndefined()
      expect(history.slots).toBeGreaterThanOrEqual(SLOTS_MIN)
      expect(history.faultCount).toBeGreaterThanOrEqual(FAULTS_MIN)
      expect(history.virtualSeconds).toBeGreaterThanOrEqual(SECONDS_MIN)
    })

  test('a history without faults decides every slot and is different for every seed', () => {
    const histories = [11, 12].map((seed) => simulate({ seed, keep: () => false }))
    for (const history of histories)
      expect(history).toMatchObject({ faultCount: 0, violation: undefined })
    expect(histories[0]?.traceHash).not.toBe(histories[1]?.traceHash)
  })

  test('leaving out a fault changes nothing before it', () => {
    const whole: string[] = []
    const without: string[] = []
    const { plan } = simulate({ seed: 1, watch: (line) => whole.push(line) })
    const last = plan.reduce((latest, fault) => (fault.atUs > latest.atUs ? fault : latest))
    simulate({ seed: 1, keep: (fault) => fault !== last, watch: (line) => without.push(line) })
    const split = whole.findIndex((line) => Number(line.split(' ')[0]) * 1e6 >= last.atUs)
    expect(split).toBeGreaterThan(1_000)
    expect(without.slice(0, split)).toEqual(whole.slice(0, split))
  })
})

describe('shrink', () => {
  test('finds the few faults that are needed together', async () => {
    const all = Array.from({ length: 36 }, (_, i) => i)
    const tried: number[] = []
    const needed = await shrink(all, (some) => {
      tried.push(some.length)
      return [3, 17, 30].every((place) => some.includes(place))
    })
    expect(needed).toEqual([3, 17, 30])
    expect(tried.length).toBeLessThan(60)
  })

  test('ends with none when the failure needs none', async () => {
    expect(await shrink([1, 2, 3], () => true)).toEqual([])
  })
})
