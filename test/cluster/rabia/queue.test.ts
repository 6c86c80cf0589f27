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
