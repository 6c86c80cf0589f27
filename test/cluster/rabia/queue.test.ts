import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { type Batch, batchId } from '../../../src/cluster/rabia/batch.ts'
import { BatchQueue } from '../../../src/cluster/rabia/queue.ts'
import { a, b, c } from './fixture.ts'

function batch(origin: NodeId, boot: string, seq: number, stamp: number): Batch {
  return { id: batchId(origin, boot, seq), origin, seq, stamp, requests: [] }
}

const batches = fc
  .tuple(
    fc.constantFrom(a, b, c),
    fc.constantFrom('1', '2'),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
  )
  .map((parts) => batch(...parts))

test('the order does not depend on the order of arrival (R11)', () => {
  const few = fc.uniqueArray(batches, { selector: ({ id }) => id, maxLength: 8 })
  const twice = few.chain((all) =>
    fc.tuple(
      fc.shuffledSubarray(all, { minLength: all.length }),
      fc.shuffledSubarray(all, { minLength: all.length }),
    ),
  )
  fc.assert(
    fc.property(twice, ([one, other]) => {
      expect(drained(one)).toEqual(drained(other))
    }),
  )
})

test('an earlier slot comes first, then the origin, then its count (R11)', () => {
  const order = [
    batch(c, '1', 1, 1),
    batch(a, '1', 9, 2),
    batch(a, '1', 10, 2),
    batch(b, '1', 1, 2),
  ]
  expect(drained(order.toReversed())).toEqual(order.map(({ id }) => id))
})

test('a batch is queued once, and of one origin no more than eight', () => {
  const queue = new BatchQueue()
  for (let seq = 1; seq <= 20; seq++) {
    queue.add(batch(a, '1', seq, 1))
    queue.add(batch(a, '1', seq, 1))
  }
  queue.add(batch(b, '1', 1, 5))
  expect(queue.size).toBe(9)
})

function drained(arrivals: readonly Batch[]): string[] {
  const queue = new BatchQueue()
  for (const arrival of arrivals) queue.add(arrival)
  const order: string[] = []
  for (let head = queue.head; head; head = queue.head) {
    order.push(head.id)
    queue.remove(head.id)
  }
  return order
}

test('all that was sealed before the slot is proposed together, and what was sealed in it alone', () => {
  const queue = new BatchQueue()
  const [one, two, three] = [bundled(b, 1, 3), bundled(a, 1, 4), bundled(a, 2, 5)]
  for (const batch of [three, two, one]) queue.add(batch)
  expect(queue.next(5)?.id).toBe(`${one.id}+${two.id}`)
  expect(queue.next(5)?.requests).toEqual([...one.requests, ...two.requests])
  expect(queue.next(5)?.stamp).toBe(3)
  expect(queue.next(3)).toBe(one)
})

test('a bundle is found by its parts, goes with them, and is never queued itself', () => {
  const queue = new BatchQueue()
  const [one, two] = [bundled(a, 1, 3), bundled(b, 1, 3)]
  queue.add(one)
  queue.add(two)
  const both = queue.next(4)!
  expect(queue.find(both.id)).toEqual(both)
  queue.remove(one.id)
  expect(queue.find(both.id)).toBeUndefined()
  queue.add(both)
  expect(queue.size).toBe(1)
  queue.remove(both.id)
  expect(queue.size).toBe(0)
})

test('a bundle is bounded in parts and size', () => {
  const queue = new BatchQueue()
  for (let seq = 1; seq <= 4; seq++) for (const origin of [a, b]) queue.add(bundled(origin, seq, 1))
  expect(queue.next(2)?.requests).toHaveLength(5)
  const large = new BatchQueue()
  for (let seq = 1; seq <= 4; seq++) large.add(bundled(a, seq, 1, 100 * 1_024))
  expect(large.next(2)?.requests).toHaveLength(2)
})

function bundled(origin: NodeId, seq: number, stamp: number, units = 1): Batch {
  const requests = [{ client: `${origin}${seq}`, seq: 1, command: 'x'.repeat(units) }]
  return { id: batchId(origin, '1', seq), origin, seq, stamp, requests }
}
