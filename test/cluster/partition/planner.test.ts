import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, utf8 } from '../../../src/base/bytes.ts'
import { sha256 } from '../../../src/base/hash.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  type Candidate,
  PARTITION_COUNT,
  type Placement,
  plan,
} from '../../../src/cluster/partition/index.ts'

/** `n1`, `n2` …; with zones they take turns. */
function nodes(count: number, ...zones: readonly string[]): Candidate[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `n${i + 1}` as NodeId,
    zone: zones[i % zones.length],
  }))
}

/** The most loaded in relation to the mean, of replicas and of primaries. */
function skew(placement: Placement, members: readonly Candidate[]): [number, number] {
  const ratio = (ids: readonly (NodeId | undefined)[]) => {
    const counts = members.map(({ id }) => ids.filter((each) => each === id).length)
    return Math.max(...counts) / (ids.length / members.length)
  }
  return [ratio(placement.flat()), ratio(placement.map(([first]) => first))]
}

/** Replicas that are not where they were. */
function moves(before: Placement, after: Placement): NodeId[] {
  return after.flatMap((set, i) => set.filter((id) => !before[i]!.includes(id)))
}

function zonesOf(placement: Placement, members: readonly Candidate[]): number[] {
  const zones = new Map(members.map(({ id, zone }) => [id, zone]))
  return placement.map((set) => new Set(set.map((id) => zones.get(id))).size)
}

const digest = (placement: Placement) => hex(sha256(utf8(JSON.stringify(placement)))).slice(0, 16)

describe('a plan', () => {
  test.each([
    [3, ['n1,n2,n3', 'n3,n1,n2', 'n1,n2,n3', 'n3,n2,n1'], '503469949b14818e'],
    [5, ['n2,n1,n3', 'n3,n5,n4', 'n2,n4,n1', 'n3,n4,n5'], '0a5eb8442d82be33'],
    [12, ['n11,n12,n7', 'n9,n7,n3', 'n6,n10,n2', 'n4,n3,n11'], '9f83b9898b0230d4'],
  ])('for %i nodes is the one it always was', (count, first, whole) => {
    const placement = plan({ members: nodes(count), factor: 3 })
    expect(placement.slice(0, 4).map((set) => set.join())).toEqual(first)
    expect(digest(placement)).toBe(whole)
  })

  test('has every partition on different nodes, and no node with a tenth more than the mean', () => {
    for (let count = 3; count <= 12; count++) {
      for (const factor of [1, 2, 3]) {
        const members = nodes(count)
        const placement = plan({ members, factor })
        expect(placement.length).toBe(PARTITION_COUNT)
        for (const set of placement) expect(new Set(set).size).toBe(factor)
        for (const ratio of skew(placement, members)) expect(ratio).toBeLessThanOrEqual(1.1)
      }
    }
  })

  test('does not depend on the order of the members', () => {
    const members = nodes(7, 'a', 'b', 'c')
    const reversed = [...members].reverse()
    expect(plan({ members: reversed, factor: 3 })).toEqual(plan({ members, factor: 3 }))
  })

  test('for fewer members than replicas has one on each', () => {
    expect(plan({ members: nodes(1), factor: 3 })).toEqual(
      Array.from({ length: PARTITION_COUNT }, () => ['n1']),
    )
    for (const set of plan({ members: nodes(2), factor: 3 })) expect(set.length).toBe(2)
  })
})

describe('zones', () => {
  test.each([
    [6, ['a', 'b', 'c'], 3],
    [9, ['a', 'b', 'c'], 3],
    [4, ['a', 'b'], 2],
    [12, ['a', 'b', 'c', 'd'], 3],
  ])('of %i nodes in %j hold as many replicas as can be apart', (count, zones, apart) => {
    const members = nodes(count, ...zones)
    const placement = plan({ members, factor: 3 })
    expect(new Set(zonesOf(placement, members))).toEqual(new Set([apart]))
    for (const ratio of skew(placement, members)) expect(ratio).toBeLessThanOrEqual(1.1)
  })

  test('come before an even load', () => {
    const members = [...nodes(3, 'a'), { id: 'lonely' as NodeId, zone: 'b' }]
    const placement = plan({ members, factor: 2 })
    expect(placement.every((set) => set.includes('lonely' as NodeId))).toBe(true)
    expect(skew(placement, members)[1]).toBeLessThanOrEqual(1.1)
  })
})

describe('a change', () => {
  test('of nothing moves nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        (count, factor) => {
          const members = nodes(count, 'a', 'b', 'c')
          const current = plan({ members, factor })
          expect(plan({ members, factor, current })).toEqual(current)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('by a node more moves no more than its share', () => {
    for (let count = 3; count < 12; count++) {
      const current = plan({ members: nodes(count), factor: 3 })
      const members = nodes(count + 1)
      const next = plan({ members, factor: 3, current })
      const moved = moves(current, next)
      expect(moved.length).toBeLessThanOrEqual((PARTITION_COUNT * 3) / members.length)
      expect(moved.filter((id) => id === `n${count + 1}`).length).toBeGreaterThan(
        0.95 * moved.length,
      )
      for (const ratio of skew(next, members)) expect(ratio).toBeLessThanOrEqual(1.1)
    }
  })

  test('by a node less replaces its replicas, and little else', () => {
    for (let count = 4; count <= 12; count++) {
      const current = plan({ members: nodes(count), factor: 3 })
      const gone = `n${1 + (count % 5)}` as NodeId
      const members = nodes(count).filter(({ id }) => id !== gone)
      const next = plan({ members, factor: 3, current })
      const held = current.filter((set) => set.includes(gone)).length
      expect(moves(current, next).length).toBeLessThanOrEqual(held * 1.1)
      for (const ratio of skew(next, members)) expect(ratio).toBeLessThanOrEqual(1.1)
    }
  })

  test('from any placement ends within the bounds, and keeps who leads where that is possible', () => {
    const step = fc.tuple(fc.boolean(), fc.nat({ max: 30 }))
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 8 }),
        fc.array(step, { maxLength: 4 }),
        (count, steps) => {
          let members = nodes(count)
          let next = count
          let placement = plan({ members, factor: 3 })
          for (const [grows, pick] of steps) {
            if (grows && members.length < 12)
              members = [...members, { id: `n${++next}` as NodeId, zone: undefined }]
            else if (members.length > 3)
              members = members.filter((_, i) => i !== pick % members.length)
            placement = plan({ members, factor: 3, current: placement })
            for (const set of placement) expect(new Set(set).size).toBe(3)
            for (const ratio of skew(placement, members)) expect(ratio).toBeLessThanOrEqual(1.1)
          }
        },
      ),
      { numRuns: 15 },
    )
  })
})
