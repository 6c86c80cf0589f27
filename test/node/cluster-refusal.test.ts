import { expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { AddRefusal, RemoveRefusal } from '../../src/cluster/membership/index.ts'
import { addRefusal, removeRefusal, restartRefusal } from '../../src/node/cluster-refusal.ts'

const [n1, n2, n4] = ['n1', 'n2', 'n4'] as NodeId[] as [NodeId, NodeId, NodeId]

const UNAVAILABLE = { kind: 'unavailable', reason: 'too few voters answer' } as const
const UNKNOWN = { kind: 'outcome-unknown', reason: 'no answer came' } as const
const OTHER = { kind: 'other-change' } as const

test.each<[AddRefusal, number, RegExp, RegExp]>([
  [{ kind: 'not-waiting', waiting: [] }, 409, /n4 does not .* waiting: none\./, /join = true/],
  [{ kind: 'not-waiting', waiting: [n1, n2] }, 409, /waiting: n1, n2\./, /join = true/],
  [{ kind: 'already-member' }, 409, /n4 is a member/, /aether cluster remove n4/],
  [UNAVAILABLE, 503, /too few voters answer/, /aether cluster status/],
  [UNKNOWN, 504, /not known .* no answer came/, /aether cluster status/],
  [OTHER, 409, /Somebody else/, /aether cluster status/],
])('an addition that is refused for %j says why, and what comes next', (...row) => {
  const [refusal, status, detail, next] = row
  expect(addRefusal(n4, refusal)).toMatchObject({
    problem: {
      status,
      kind: refusal.kind,
      detail: expect.stringMatching(detail),
      next: expect.stringMatching(next),
    },
  })
})

test.each<[RemoveRefusal, number, RegExp, RegExp | undefined]>([
  [{ kind: 'not-a-member', members: [n1, n2] }, 404, /n4 is not .* n1, n2\./, undefined],
  [{ kind: 'last-voter' }, 409, /n4 is the last voter/, /aether cluster add/],
  [{ kind: 'would-lose-quorum', reachable: [n2] }, 409, /no quorum: n2\./, /Start the voters/],
  [{ kind: 'would-lose-quorum', reachable: [] }, 409, /no quorum: none\./, /Start the voters/],
  [UNAVAILABLE, 503, /too few voters answer/, /aether cluster status/],
  [UNKNOWN, 504, /not known .* no answer came/, /aether cluster status/],
  [OTHER, 409, /Somebody else/, /aether cluster status/],
])('a removal that is refused for %j says why, and what comes next', (...row) => {
  const [refusal, status, detail, next] = row
  const { problem } = removeRefusal(n4, refusal)
  expect(problem).toMatchObject({ status, kind: refusal.kind })
  expect(problem.detail).toMatch(detail)
  if (next === undefined) expect(problem.next).toBeUndefined()
  else expect(problem.next).toMatch(next)
})

test.each<[Parameters<typeof restartRefusal>[1], number, RegExp, RegExp | undefined]>([
  [{ kind: 'not-a-member', members: [n1, n2] }, 404, /n4 is not .* n1, n2\./, undefined],
  [{ kind: 'down' }, 409, /n4 is down/, /aether start/],
  [{ kind: 'other-restart', node: n2 }, 409, /n2 .* not back yet/, /aether cluster remove n2/],
  [UNAVAILABLE, 503, /too few voters answer/, /aether cluster status/],
  [UNKNOWN, 504, /not known .* no answer came/, /aether cluster status/],
])('a restart that is refused for %j says why, and what comes next', (...row) => {
  const [refusal, status, detail, next] = row
  const { problem } = restartRefusal(n4, refusal)
  expect(problem).toMatchObject({ status, kind: refusal.kind })
  expect(problem.detail).toMatch(detail)
  if (next === undefined) expect(problem.next).toBeUndefined()
  else expect(problem.next).toMatch(next)
})

test('a client is told to come back only when nothing has happened', () => {
  expect(addRefusal(n4, UNAVAILABLE).headers).toEqual({ 'Retry-After': '1' })
  expect(addRefusal(n4, UNKNOWN).headers).toBeUndefined()
})
