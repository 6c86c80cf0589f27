import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  admission,
  isFinal,
  type OwnView,
  ownEpoch,
} from '../../../src/cluster/membership/index.ts'
import type { Hello } from '../../../src/cluster/wire/index.ts'

const [n1, n2, n3, n4] = ['n1', 'n2', 'n3', 'n4'] as [NodeId, NodeId, NodeId, NodeId]

/** n1 is bound, n2 is bound, n3 is a founder that is not. */
const own: OwnView = {
  self: n1,
  cluster: 'builds',
  roster: 'abc',
  committed: {
    epoch: 3,
    members: [
      { id: n1, incarnation: 'one', address: 'a:1', role: 'voter' },
      { id: n2, incarnation: 'two', address: 'a:2', role: 'voter' },
      { id: n3, incarnation: undefined, address: 'a:3', role: 'voter' },
    ],
  },
  pins: new Map(),
  contacts: new Set(),
}

/** A founder as it says hello before it is bound. */
function hello(node: NodeId, incarnation: string, more: Partial<Hello> = {}): Hello {
  return {
    cluster: 'builds',
    roster: 'abc',
    node,
    incarnation,
    address: 'a:9',
    epoch: 1,
    isJoining: false,
    ...more,
  }
}

const JOINER = { roster: undefined, epoch: 0, isJoining: true }

test('a bound member is admitted with its incarnation and no other', () => {
  expect(admission(hello(n2, 'two'), own)).toEqual({ admit: true })
  const stranger = hello(n2, 'emptied', { epoch: 0, isJoining: true })
  const refusal = { admit: false, reason: 'other-incarnation' }
  expect(admission(stranger, own)).toEqual({ ...refusal, waits: true })
})

test('a node that begins the cluster anew under the name of a member does not wait to be added', () => {
  for (const epoch of [0, 1]) {
    expect(admission(hello(n2, 'emptied', { epoch }), own)).toEqual({
      admit: false,
      reason: 'other-incarnation',
      waits: false,
    })
  }
})

test('a founder that is not bound is held to the incarnation it was first met with', () => {
  expect(admission(hello(n3, 'three'), own)).toEqual({ admit: true, pin: 'three' })
  const pinned = { ...own, pins: new Map([[n3, 'three']]) }
  expect(admission(hello(n3, 'three'), pinned)).toEqual({ admit: true })
  expect(admission(hello(n3, 'other'), pinned)).toMatchObject({ reason: 'other-incarnation' })
})

test('a node that joins is not taken for a founder of its name', () => {
  expect(admission(hello(n3, 'three', JOINER), own)).toEqual({
    admit: false,
    reason: 'other-incarnation',
    waits: true,
  })
})

test('what was pinned does not matter once the log has bound the member', () => {
  const pinned = { ...own, pins: new Map([[n2, 'stale']]) }
  expect(admission(hello(n2, 'two'), pinned)).toEqual({ admit: true })
  expect(admission(hello(n2, 'stale'), pinned)).toMatchObject({ admit: false })
})

test('two formations with different rosters do not mix', () => {
  const foreign = { roster: 'other' }
  expect(admission(hello(n3, 'three', foreign), own)).toMatchObject({ reason: 'foreign-roster' })
  expect(admission(hello(n4, 'four', foreign), own)).toMatchObject({ reason: 'foreign-roster' })
  // A bound one proves itself by its incarnation.
  expect(admission(hello(n2, 'two', foreign), own)).toEqual({ admit: true })
})

test('a node of another cluster, or with the own name, is refused', () => {
  expect(admission(hello(n2, 'two', { cluster: 'other' }), own)).toMatchObject({
    reason: 'foreign-cluster',
  })
  expect(admission(hello(n1, 'one'), own)).toMatchObject({ reason: 'other-incarnation' })
})

test('who was never a member waits, who was one was removed', () => {
  expect(admission(hello(n4, 'four', JOINER), own)).toEqual({
    admit: false,
    reason: 'not-a-member',
    waits: true,
  })
  // It stops in a moment, because it has learned that it was removed.
  const leaving = { ...JOINER, isJoining: false }
  expect(admission(hello(n4, 'four', leaving), own)).toMatchObject({ waits: false })
  const former = { roster: undefined, epoch: 2 }
  expect(admission(hello(n4, 'four', former), own)).toMatchObject({
    reason: 'removed',
    waits: false,
  })
  // It knows of a later change than this node: it may well have been added by that.
  const later = { roster: undefined, epoch: 4 }
  expect(admission(hello(n4, 'four', later), own)).toMatchObject({
    reason: 'not-a-member',
    waits: false,
  })
})

test('a node that knows no member talks to those it was told to ask', () => {
  const unborn: OwnView = {
    ...own,
    self: n4,
    roster: undefined,
    committed: { epoch: 0, members: [] },
    contacts: new Set([n1]),
  }
  expect(admission(hello(n1, 'one', { roster: undefined }), unborn)).toEqual({ admit: true })
  expect(admission(hello(n2, 'two', { roster: undefined }), unborn)).toMatchObject({
    reason: 'not-a-member',
  })
})

test('a refusal is final when the other knows as much, and only for a member', () => {
  expect(isFinal('other-incarnation', 3, 3)).toBe(true)
  expect(isFinal('removed', 4, 3)).toBe(true)
  expect(isFinal('removed', 2, 3)).toBe(false)
  expect(isFinal('other-incarnation', 3, 0)).toBe(false)
  for (const reason of ['not-a-member', 'foreign-cluster', 'foreign-roster'] as const) {
    expect(isFinal(reason, 9, 3)).toBe(false)
  }
})

test('a node speaks of its epoch only while it knows itself to be a member', () => {
  const { committed } = own
  const epochOf = (self: NodeId, incarnation: string, isFounder: boolean) =>
    ownEpoch(committed, { self, incarnation, isFounder })
  expect(epochOf(n1, 'one', true)).toBe(3)
  // Another disk had this name: nobody is to take the old one's membership for the new one's.
  expect(epochOf(n1, 'emptied', true)).toBe(0)
  expect(epochOf(n3, 'three', true)).toBe(3)
  expect(epochOf(n3, 'three', false)).toBe(0)
  expect(epochOf(n4, 'four', false)).toBe(0)
})
