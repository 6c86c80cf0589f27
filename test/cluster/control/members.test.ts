import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { Membership, type MembershipChange } from '../../../src/cluster/control/members.ts'
import { rosterOf } from './roster.ts'

const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'] as NodeId[] as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]

function add(epoch: number, node: NodeId): MembershipChange {
  return { kind: 'add', epoch, node, incarnation: `disk of ${node}`, address: `${node}:8090` }
}

test('a node joins without a vote and gets one later, an epoch each', () => {
  const membership = new Membership(rosterOf([a]))
  expect(membership.electorate).toEqual({ epoch: 1, members: [a] })
  expect(membership.apply(add(1, b))).toBeUndefined()
  expect(membership.electorate).toEqual({ epoch: 2, members: [a] })
  expect(membership.find(b)).toEqual({
    id: b,
    incarnation: 'disk of b',
    address: 'b:8090',
    role: 'learner',
  })
  expect(membership.apply({ kind: 'promote', epoch: 2, node: b })).toBeUndefined()
  expect(membership.electorate).toEqual({ epoch: 3, members: [a, b] })
})

test('a change for another epoch is refused, and of two at once one takes place', () => {
  const membership = new Membership(rosterOf([a]))
  expect(membership.apply(add(2, b))).toBe('other-epoch')
  expect(membership.apply(add(1, b))).toBeUndefined()
  expect(membership.apply(add(1, c))).toBe('other-epoch')
  expect(membership.apply({ kind: 'promote', epoch: 1, node: b })).toBe('other-epoch')
  expect(membership.apply({ kind: 'remove', epoch: 1, node: b })).toBe('other-epoch')
  expect(membership.epoch).toBe(2)
})

test('a change that makes no sense is refused and changes nothing', () => {
  const membership = new Membership(rosterOf([a, b]))
  const before = membership.snapshot()
  expect(membership.apply(add(1, b))).toBe('already-member')
  expect(membership.apply({ kind: 'promote', epoch: 1, node: b })).toBe('not-a-learner')
  expect(membership.apply({ kind: 'promote', epoch: 1, node: c })).toBe('not-a-member')
  expect(membership.apply({ kind: 'remove', epoch: 1, node: c })).toBe('not-a-member')
  expect(membership.apply({ kind: 'bind', node: c, incarnation: 'x' })).toBe('not-a-member')
  expect(membership.snapshot()).toEqual(before)
})

test('there are at most five voters, and at least one', () => {
  const membership = new Membership(rosterOf([a, b, c, d, e]))
  expect(membership.apply(add(1, f))).toBeUndefined()
  expect(membership.apply({ kind: 'promote', epoch: 2, node: f })).toBe('too-many-voters')
  for (const [i, node] of [a, b, c, d].entries()) {
    expect(membership.apply({ kind: 'remove', epoch: i + 2, node })).toBeUndefined()
  }
  expect(membership.apply({ kind: 'remove', epoch: 6, node: e })).toBe('last-voter')
  expect(membership.apply({ kind: 'remove', epoch: 6, node: f })).toBeUndefined()
})

test('a founder is bound to its first disk; another one has to be added as another node', () => {
  const membership = new Membership(rosterOf([a, b]))
  expect(membership.apply({ kind: 'bind', node: b, incarnation: 'first' })).toBeUndefined()
  expect(membership.epoch).toBe(2)
  expect(membership.apply({ kind: 'bind', node: b, incarnation: 'first' })).toBeUndefined()
  expect(membership.epoch).toBe(2)
  expect(membership.apply({ kind: 'bind', node: b, incarnation: 'second' })).toBe(
    'other-incarnation',
  )
  expect(membership.apply({ kind: 'remove', epoch: 2, node: b })).toBeUndefined()
  expect(membership.apply(add(3, b))).toBeUndefined()
  expect(membership.find(b)?.incarnation).toBe('disk of b')
})

test('a restored membership is the same, in equal bytes', () => {
  const membership = new Membership(rosterOf([b, a]))
  membership.apply(add(1, c))
  const text = JSON.stringify(membership.snapshot())
  const copy = new Membership()
  expect(copy.electorate.members).toEqual([])
  copy.restore(JSON.parse(text))
  expect(copy.electorate).toEqual(membership.electorate)
  expect(copy.members).toEqual(membership.members)
  expect(JSON.stringify(copy.snapshot())).toBe(text)
})
