import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { explainObstacle, type ObstacleView } from '../../../src/cluster/membership/obstacle.ts'
import type { RefusalReason } from '../../../src/cluster/wire/index.ts'

const ids = ['n1', 'n2', 'n3'] as NodeId[]
const members = ids.map((id) => {
  return { id, incarnation: undefined, address: `${id}:1`, role: 'voter' as const }
})

function view(more: Partial<ObstacleView>): ObstacleView {
  return {
    self: 'n1' as NodeId,
    connected: new Set(),
    committed: { epoch: 1, members },
    contacts: [],
    refusals: new Map(),
    stalled: undefined,
    unaware: undefined,
    latest: undefined,
    ...more,
  }
}

function refusals(...said: [string, RefusalReason][]) {
  return new Map(said as [NodeId, RefusalReason][])
}

test('a node says for whom it waits', () => {
  expect(explainObstacle(view({}))).toBe(
    'waits for n2 and n3: 1 of 3 voters can be reached, and 2 are needed',
  )
  expect(explainObstacle(view({ connected: new Set(['n3' as NodeId]) }))).toBeUndefined()
})

test('it says what those who refuse it have said', () => {
  const refused = view({ refusals: refusals(['n3', 'foreign-roster']) })
  expect(explainObstacle(refused)).toContain('; n3 forms a cluster with other [cluster.peers]')
})

test('a node that joins says what to do next', () => {
  const joining = { self: 'n4' as NodeId, committed: { epoch: 0, members: [] }, contacts: ids }
  expect(explainObstacle(view(joining))).toBe('waits for an answer of n1, n2 or n3')
  const told = { ...joining, refusals: refusals(['n2', 'not-a-member']) }
  expect(explainObstacle(view(told))).toContain('`aether cluster add n4` on n2')
  const replaced = { ...joining, refusals: refusals(['n2', 'other-incarnation']) }
  expect(explainObstacle(view(replaced))).toContain('`aether cluster remove n4`, then')
  const foreign = { ...joining, refusals: refusals(['n2', 'foreign-cluster']) }
  expect(explainObstacle(view(foreign))).toBe('n2 is of a cluster with another name')
})

test('a log that needs a newer program is named before all others', () => {
  expect(explainObstacle(view({ stalled: 'a command of format 2' }))).toContain('newer version')
})
