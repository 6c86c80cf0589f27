import { beforeEach, expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { Pulls } from '../../../src/cluster/dht/host/pulls.ts'

let pulls: Pulls<string>
let sent: string[]

beforeEach(() => {
  sent = []
  pulls = new Pulls(2, (asker, { pull }) => sent.push(`${asker}${pull.turn}`))
})

function ask(asker: string, turn: number, isUrgent = false): void {
  const part = { since: undefined, keys: [], oldest: 1, after: undefined }
  const pull = { kind: 'pull' as const, epoch: 1, turn, ...part }
  pulls.ask(asker, { to: 'n' as NodeId, pull, isUrgent })
}

test('so many ask, and the others when one has ended, first come, first served', () => {
  for (const asker of ['a', 'b', 'c', 'd']) ask(asker, 1)
  expect(sent).toEqual(['a1', 'b1'])
  pulls.end('b')
  pulls.end('a')
  expect(sent).toEqual(['a1', 'b1', 'c1', 'd1'])
})

test('whoever has its turn asks on until its end', () => {
  for (const asker of ['a', 'b', 'c']) ask(asker, 1)
  ask('a', 2)
  ask('a', 3)
  expect(sent).toEqual(['a1', 'b1', 'a2', 'a3'])
})

test('whoever waits for a primary goes first', () => {
  for (const asker of ['a', 'b', 'c']) ask(asker, 1)
  ask('d', 1, true)
  pulls.end('a')
  pulls.end('b')
  expect(sent).toEqual(['a1', 'b1', 'd1', 'c1'])
})

test('whoever gets no answer twice lets the others ask, and asks again after them', () => {
  for (const asker of ['a', 'b', 'c']) ask(asker, 1)
  ask('a', 1)
  expect(sent).toEqual(['a1', 'b1', 'a1'])
  ask('a', 1)
  expect(sent).toEqual(['a1', 'b1', 'a1', 'c1'])
  ask('b', 1)
  ask('b', 1)
  expect(sent).toEqual(['a1', 'b1', 'a1', 'c1', 'b1', 'a1'])
})

test('somebody urgent who gets no answer does not go before itself', () => {
  for (const asker of ['a', 'b', 'c']) ask(asker, 1, asker === 'a')
  for (let i = 0; i < 2; i++) ask('a', 1, true)
  expect(sent).toEqual(['a1', 'b1', 'a1', 'c1'])
})

test('a question is repeated at once where nobody waits', () => {
  ask('a', 1)
  ask('a', 1)
  expect(sent).toEqual(['a1', 'a1'])
})

test('what is asked while it waits is asked as it was at the last, in its old place', () => {
  for (const asker of ['a', 'b', 'c', 'd']) ask(asker, 1)
  ask('c', 2)
  pulls.end('a')
  expect(sent).toEqual(['a1', 'b1', 'c2'])
})

test('whoever ends while it waits does not ask', () => {
  for (const asker of ['a', 'b', 'c', 'd']) ask(asker, 1)
  expect(pulls.has('c')).toBe(true)
  pulls.end('c')
  expect(pulls.has('c')).toBe(false)
  pulls.end('a')
  expect(sent).toEqual(['a1', 'b1', 'd1'])
})
