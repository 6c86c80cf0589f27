import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import type { Member } from '../../../src/cluster/control/index.ts'
import {
  missingQuorum,
  type Observations,
  promotion,
  removalRefusal,
} from '../../../src/cluster/membership/index.ts'

/** `n1 n2 n3*`: the star marks a learner. */
function members(text: string) {
  const members = text.split(' ').map((word): Member => {
    const id = word.replace('*', '') as NodeId
    const role = word.endsWith('*') ? 'learner' : 'voter'
    return { id, incarnation: `disk of ${id}`, address: `${id}:1`, role }
  })
  return { epoch: 7, members }
}

function observe(self: string, connected: string, applied: Record<string, number> = {}) {
  const observed: Observations = {
    self: self as NodeId,
    connected: new Set(connected.split(' ') as NodeId[]),
    applied: new Map(Object.entries(applied) as [NodeId, number][]),
  }
  return observed
}

test('the lowest voter that is reached promotes a learner that has caught up', () => {
  const applied = { n1: 100, n2: 100, n3: 84 }
  expect(promotion(members('n1 n2 n3*'), observe('n1', 'n2 n3', applied))).toBe('n3')
  expect(promotion(members('n1 n2 n3*'), observe('n2', 'n1 n3', applied))).toBeUndefined()
  expect(promotion(members('n1 n2 n3*'), observe('n2', 'n3', applied))).toBe('n3')
})

test.each([
  ['is too far behind', 'n2 n3', { n1: 100, n3: 83 }],
  ['has said nothing of what it has', 'n2 n3', { n1: 100 }],
  ['cannot be reached', 'n2', { n1: 100, n3: 100 }],
])('a learner that %s is not promoted', (_, connected, applied) => {
  expect(promotion(members('n1 n2 n3*'), observe('n1', connected, applied))).toBeUndefined()
})

test('there are at most five voters, and a learner promotes nobody', () => {
  const applied = { n1: 1, n6: 1 }
  const five = members('n1 n2 n3 n4 n5 n6*')
  expect(promotion(five, observe('n1', 'n2 n3 n4 n5 n6', applied))).toBeUndefined()
  expect(promotion(members('n1* n2 n6*'), observe('n1', 'n6', applied))).toBeUndefined()
})

test('a dead member of three may be removed, a live one then not', () => {
  const three = members('n1 n2 n3')
  expect(removalRefusal(three, observe('n1', 'n2'), 'n3' as NodeId)).toBeUndefined()
  expect(removalRefusal(three, observe('n1', 'n2'), 'n2' as NodeId)).toEqual({
    kind: 'would-lose-quorum',
    reachable: ['n1'],
  })
  expect(removalRefusal(three, observe('n1', 'n2 n3'), 'n1' as NodeId)).toBeUndefined()
})

test('the last voter and strangers are not removed, a learner always may be', () => {
  const one = members('n1 n2*')
  expect(removalRefusal(one, observe('n1', 'n2'), 'n1' as NodeId)).toEqual({ kind: 'last-voter' })
  expect(removalRefusal(one, observe('n1', ''), 'n2' as NodeId)).toBeUndefined()
  expect(removalRefusal(one, observe('n1', ''), 'n9' as NodeId)).toEqual({
    kind: 'not-a-member',
    members: ['n1', 'n2'],
  })
})

test('a quorum counts voters that are reached, and the node itself only when it votes', () => {
  expect(missingQuorum(members('n1'), observe('n1', ''))).toBeUndefined()
  expect(missingQuorum(members('n1 n2 n3'), observe('n1', 'n3'))).toBeUndefined()
  expect(missingQuorum(members('n1 n2 n3'), observe('n1', ''))).toEqual({
    voters: 3,
    reached: 1,
    needed: 2,
    absent: ['n2', 'n3'],
  })
  expect(missingQuorum(members('n1 n2 n3 n4*'), observe('n4', 'n1'))).toMatchObject({ reached: 1 })
  expect(missingQuorum(members('n1 n2'), observe('n1', ''))).toMatchObject({ needed: 2 })
})
