import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { unaware } from '../../../src/cluster/membership/index.ts'

const [n1, n2, n3, n4] = ['n1', 'n2', 'n3', 'n4'] as [NodeId, NodeId, NodeId, NodeId]

/** Epoch 7, in which n4 is none of the members any more; n3 does not vote. */
function remaining(...voters: NodeId[]) {
  const all = [n1, n2, n3].map((id) => {
    const role = voters.includes(id) ? ('voter' as const) : ('learner' as const)
    return { id, incarnation: id, address: `${id}:1`, role }
  })
  return { epoch: 7, members: all }
}

test('a removed node waits for all but f of the voters that remain', () => {
  const three = remaining(n1, n2, n3)
  expect(unaware(three, new Map())).toEqual([n1, n2, n3])
  expect(unaware(three, new Map([[n2, 7]]))).toEqual([n1, n3])
  const two = new Map([n2, n3].map((id) => [id, 7]))
  expect(unaware(three, two)).toEqual([])
  const one = remaining(n1)
  expect(unaware(one, new Map([[n2, 7]]))).toEqual([n1])
  expect(unaware(one, new Map([[n1, 7]]))).toEqual([])
})

test('it waits for one that refuses it at an earlier epoch', () => {
  expect(unaware(remaining(n1), new Map([[n1, 6]]))).toEqual([n1])
})

test('it waits for nobody when somebody knows a later epoch', () => {
  expect(unaware(remaining(n1, n2, n3), new Map([[n4, 8]]))).toEqual([])
})
