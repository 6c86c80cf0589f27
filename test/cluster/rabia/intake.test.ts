import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { Intake } from '../../../src/cluster/rabia/intake.ts'
import { Outbox } from '../../../src/cluster/rabia/outbox.ts'

const limits = { requests: 3, requestUnits: 10, batchRequests: 8, batchUnits: 100 }

function newIntake(): { intake: Intake; out: Outbox } {
  const out = new Outbox()
  return { intake: new Intake({ origin: 'n1' as NodeId, boot: 'b', out, limits }), out }
}

const requestOf = (client: string, seq: number) => ({ client, seq, command: '12345' })

test('a request that waits is taken again without effect', () => {
  const { intake } = newIntake()
  for (let i = 0; i < 5; i++) expect(intake.accept(requestOf('a', 1))).toBeUndefined()
  expect(intake.waiting).toBe(1)
  expect(intake.seal(1)?.requests).toEqual([requestOf('a', 1)])
})

test('the next request of a client takes the place of the one that waits', () => {
  const { intake, out } = newIntake()
  for (let seq = 1; seq <= 50; seq++) expect(intake.accept(requestOf('a', seq))).toBeUndefined()
  expect(intake.waiting).toBe(1)
  expect(intake.seal(1)?.requests).toEqual([requestOf('a', 50)])
  intake.settle(requestOf('a', 49), { kind: 'applied', result: 'of before' })
  expect(out.drain()).toEqual([])
  intake.settle(requestOf('a', 50), { kind: 'applied', result: 'done' })
  expect(out.drain()).toHaveLength(1)
})

test('more requests than the limits allow are refused, by number and by size', () => {
  const { intake } = newIntake()
  expect(intake.accept(requestOf('a', 1))).toBeUndefined()
  expect(intake.accept(requestOf('b', 1))).toBeUndefined()
  expect(intake.accept(requestOf('c', 1))).toBe(
    'the requests that wait for agreement have reached 10 units',
  )
  expect(intake.accept({ ...requestOf('c', 1), command: '' })).toBeUndefined()
  expect(intake.accept({ ...requestOf('d', 1), command: '' })).toBe('3 requests wait for agreement')
})
