import { afterEach, expect, test, vi } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import { formTable, type PartitionTable } from '../../src/cluster/partition/index.ts'
import { TakeoverLog } from '../../src/node/takeover-log.ts'

const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]

afterEach(() => {
  vi.useRealTimers()
})

/** All partitions are led by n1, with or without a second replica. */
function tableWith(...replicas: NodeId[]): PartitionTable {
  return formTable(
    3,
    Array.from({ length: 1_024 }, () => replicas),
  )
}

function open(self: NodeId) {
  vi.useFakeTimers()
  const said: unknown[] = []
  const health = { led: 0, takingOver: 0 }
  const log = new TakeoverLog({
    self,
    health: () => health,
    report: (level, message, detail) => said.push({ level, message, ...detail }),
  })
  return { log, health, said }
}

test('that partitions are served is told when all of them are', () => {
  const { log, health, said } = open(n1)
  log.follow(tableWith(n1, n2))
  vi.advanceTimersByTime(100)
  health.led = 1_000
  health.takingOver = 24
  vi.advanceTimersByTime(100)
  expect(said).toEqual([])
  health.led = 1_024
  health.takingOver = 0
  vi.advanceTimersByTime(100)
  expect(said).toEqual([expect.objectContaining({ level: 'info', takenOver: 1_024, leads: 1_024 })])
  log.follow(tableWith(n1, n2))
  vi.advanceTimersByTime(10_000)
  expect(said).toHaveLength(1)
})

test('a takeover that takes long is told once', () => {
  const { log, health, said } = open(n1)
  log.follow(tableWith(n1, n2))
  health.takingOver = 7
  vi.advanceTimersByTime(20_000)
  expect(said).toEqual([expect.objectContaining({ level: 'warn', takingOver: 7 })])
  log.close()
})

test('nothing is told of what others lead, nor of what no other node holds', () => {
  for (const [self, replicas] of [
    [n2, [n1, n2]],
    [n1, [n1]],
  ] as const) {
    const { log, said } = open(self)
    log.follow(tableWith(...replicas))
    vi.advanceTimersByTime(20_000)
    expect(said).toEqual([])
  }
})
