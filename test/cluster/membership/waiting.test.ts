import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { rosterHash, WaitingList } from '../../../src/cluster/membership/index.ts'

function applicant(id: string, incarnation = `disk of ${id}`) {
  return { id: id as NodeId, incarnation, address: `${id}:1` }
}

test('who has asked is listed in order, with the disk it asked with last', () => {
  const list = new WaitingList()
  list.note(applicant('n5'), 1)
  list.note(applicant('n4', 'old'), 1)
  list.note(applicant('n4', 'new'), 2)
  expect(list.list(3)).toEqual([applicant('n4', 'new'), applicant('n5')])
})

test('who has stopped asking is forgotten', () => {
  const list = new WaitingList()
  list.note(applicant('n4'), 0)
  list.note(applicant('n5'), 1_000)
  expect(list.list(1_500).map(({ id }) => id)).toEqual(['n4', 'n5'])
  expect(list.list(1_501).map(({ id }) => id)).toEqual(['n5'])
})

test('it keeps the latest of very many', () => {
  const list = new WaitingList()
  for (let i = 0; i < 100; i++) list.note(applicant(`n${i}`), i)
  expect(list.list(100)).toHaveLength(64)
  expect(list.list(100).map(({ id }) => id)).toContain('n99')
})

test('a roster is named by its nodes and their addresses, in any order', () => {
  const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]
  const name = (...nodes: [NodeId, string][]) => rosterHash(new Map(nodes))
  expect(name([n1, 'a:1'], [n2, 'a:2'])).toBe(name([n2, 'a:2'], [n1, 'a:1']))
  expect(name([n1, 'a:1'], [n2, 'a:2'])).not.toBe(name([n1, 'a:1']))
  expect(name([n1, 'a:1'])).not.toBe(name([n1, 'b:1']))
})
