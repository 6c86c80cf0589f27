import { expect, test } from 'vitest'
import type { RequestId } from '../../../src/base/ids.ts'
import type { Version } from '../../../src/base/port.ts'
import { Log } from '../../../src/cluster/dht/replica/log.ts'

const RETAINED = 4

/** Two words with the same FNV-1a digest of 32 bits, and one with another. */
const [first, second, other] = ['costarring', 'liquid', 'another'] as RequestId[] as [
  RequestId,
  RequestId,
  RequestId,
]

test('a request is found by what it is, not by its digest', () => {
  const { log, write } = logOn(new Map())
  write(first)
  expect([log.find(first), log.find(second), log.find(other)]).toEqual([
    version(1),
    undefined,
    undefined,
  ])
  write(second)
  expect([log.find(first), log.find(second)]).toEqual([version(1), version(2)])
})

test('a request that is not durable yet is found too, and the same digest does not hide it', () => {
  const { log, order } = logOn(new Map())
  order(first)
  expect([log.find(first), log.find(second)]).toEqual([version(1), undefined])
  log.cancel(version(1))
  expect(log.find(first)).toBeUndefined()
})

test('what may be a request that the engine does not keep any more is gone', () => {
  const requests = new Map<number, RequestId>()
  const { log, write } = logOn(requests)
  write(first)
  requests.clear()
  expect([log.find(first), log.find(second), log.find(other)]).toEqual(['gone', 'gone', undefined])
})

test('as many writes are kept as it is told, and not one more', () => {
  const { log, write } = logOn(new Map())
  for (let seq = 1; seq <= 2 * RETAINED + 1; seq++) write(`r${seq}` as RequestId)
  expect(log.after(version(0)).map(({ seq }) => seq)).toEqual([6, 7, 8, 9])
  expect([log.oldest, log.expiring(), log.last]).toEqual([6, version(6), version(9)])
  expect([log.find('r5' as RequestId), log.find('r6' as RequestId)]).toEqual([
    undefined,
    version(6),
  ])
  expect([log.has(version(5)), log.has(version(6)), log.has({ epoch: 2, seq: 6 })]).toEqual([
    false,
    true,
    false,
  ])
  expect(log.runs()).toEqual([{ epoch: 1, first: 6, last: 9 }])
})

function logOn(requests: Map<number, RequestId>) {
  const log = new Log([], RETAINED, ({ seq }) => requests.get(seq))
  const order = (requestId: RequestId) => {
    const next = version(log.last.seq + 1)
    log.push({ version: next, requestId, space: 's', partitionKey: 'p' })
    return next
  }
  const write = (requestId: RequestId) => {
    const next = order(requestId)
    requests.set(next.seq, requestId)
    log.settle(next)
  }
  return { log, order, write }
}

function version(seq: number): Version {
  return { epoch: 1, seq }
}
