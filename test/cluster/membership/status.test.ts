import { expect, test } from 'vitest'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import type { MemberHealth } from '../../../src/cluster/membership/detector.ts'
import { clusterStatus } from '../../../src/cluster/membership/status.ts'
import { formTable, partitionSet, plan } from '../../../src/cluster/partition/index.ts'

const ids = ['n1', 'n2', 'n3', 'n4'] as NodeId[]
const [n1, n2] = ids as [NodeId, NodeId]

const members = ids.map((id) => ({ id, zone: undefined }))
const table = { ...formTable(3, plan({ members, factor: 3 })), version: 7 }
const held = table.rows.filter(({ replicas }) => replicas.includes(n2)).length

/** The status of a cluster in which all nodes are well, but for what the second one says of its replicas. */
function statusWhen(progress: MemberHealth['progress']) {
  const health = ids.map((id) => ({
    id,
    state: 'up' as const,
    isSteady: true,
    silentMs: 0,
    progress: id === n2 ? progress : { tableVersion: 7, behind: '' },
    vitals: undefined,
  }))
  const committed = {
    epoch: 4,
    members: ids.map((id) => ({ id, address: '', role: 'voter' as const, incarnation: id })),
  }
  const observed = { self: n1, connected: new Set(ids), applied: new Map() }
  const known = { cluster: 'c', applicants: [], committed, observed, health, table }
  const { members, partitions } = clusterStatus(known)
  return {
    lacks: members.map(({ replicasBehind }) => replicasBehind),
    underReplicated: partitions?.underReplicated,
  }
}

test('a node that has looked at the newest table lacks what it says', () => {
  const behind = partitionSet(
    new Set(
      table.rows
        .flatMap(({ replicas }, at) => (replicas.includes(n2) ? [at] : []))
        .slice(0, 5) as PartitionId[],
    ),
  )
  expect(statusWhen({ tableVersion: 7, behind })).toEqual({
    lacks: [0, 5, 0, 0],
    underReplicated: 5,
  })
})

test('a node that has yet to look at the newest table may lack all that it is given by it', () => {
  const expected = { lacks: [0, held, 0, 0], underReplicated: held }
  expect(held).toBeLessThan(1_024)
  expect(statusWhen({ tableVersion: 6, behind: '' })).toEqual(expected)
  expect(statusWhen(undefined)).toEqual(expected)
})
