import { expect, test } from 'vitest'
import type { RequestId } from '../../../src/base/ids.ts'
import { Answered } from '../../../src/cluster/control/answered.ts'

/** The last two ids have the same digest. */
const transitions = ['other', 'costarring', 'liquid'].map((id, i) => ({
  revision: i + 1,
  requestId: id as RequestId,
  changes: [],
}))

test('a transition is found by the id of its request until it is removed, also beside one of the same digest', () => {
  const answered = new Answered()
  for (const transition of transitions) answered.add(transition)
  const found = () => transitions.map(({ requestId }) => answered.find(requestId)?.revision)
  expect(found()).toEqual([1, 2, 3])
  for (const [removed, rest] of [
    [0, [undefined, 2, 3]],
    [1, [undefined, undefined, 3]],
  ] as const) {
    answered.removeOldest(transitions[removed] as (typeof transitions)[number])
    expect(found()).toEqual(rest)
  }
  answered.clear()
  expect(found()).toEqual([undefined, undefined, undefined])
})
