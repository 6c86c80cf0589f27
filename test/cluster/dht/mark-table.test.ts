import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { PartitionId } from '../../../src/base/ids.ts'
import type { NoSpace } from '../../../src/base/port.ts'
import { err, ok, type Result } from '../../../src/base/result.ts'
import { MarkTable } from '../../../src/cluster/dht/host/mark-table.driver.ts'
import type { HighWater, Marks } from '../../../src/storage/high-water.ts'

/** Remembers what was saved. */
class Saves implements HighWater {
  readonly marks: Marks = new Map([[9 as PartitionId, { epoch: 1, seq: 90 }]])
  readonly saved: Marks[] = []
  outcome: () => Result<void, NoSpace> = () => ok(undefined)

  async save(marks: Marks): Promise<Result<void, NoSpace>> {
    const outcome = this.outcome()
    if (outcome.ok) this.saved.push(marks)
    return outcome
  }
}

const partition = 1 as PartitionId
let saves: Saves
let faults: unknown[]
let table: MarkTable

beforeEach(() => {
  vi.useFakeTimers()
  saves = new Saves()
  faults = []
  table = new MarkTable(saves, (fault) => faults.push(fault))
})
afterEach(() => {
  vi.useRealTimers()
})

function advance(seq: number): void {
  table.advance(partition, { epoch: 1, seq })
}

test('begins with the marks that were saved before', () => {
  expect(table.get(9 as PartitionId)).toEqual({ epoch: 1, seq: 90 })
  expect(table.get(partition)).toBeUndefined()
})

test('saves the latest marks a second after the first change, then rests', async () => {
  advance(1)
  await vi.advanceTimersByTimeAsync(999)
  advance(2)
  expect(saves.saved).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(saves.saved.map((marks) => marks.get(partition)?.seq)).toEqual([2])
  expect(saves.saved[0]?.get(9 as PartitionId)).toEqual({ epoch: 1, seq: 90 })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(saves.saved).toHaveLength(1)
  advance(3)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(saves.saved).toHaveLength(2)
})

test('saves what is left when it is closed', async () => {
  advance(1)
  await table.close()
  expect(saves.saved.map((marks) => marks.get(partition)?.seq)).toEqual([1])
})

test('saves again what found no space, at the next change', async () => {
  saves.outcome = () => err({ kind: 'no-space' })
  advance(1)
  await vi.advanceTimersByTimeAsync(1_000)
  saves.outcome = () => ok(undefined)
  await table.close()
  expect(saves.saved).toHaveLength(1)
})

test('tells of a disk that failed', async () => {
  const fault = new Error('failed')
  saves.outcome = () => {
    throw fault
  }
  advance(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(faults).toEqual([fault])
})
