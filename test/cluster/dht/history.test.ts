import { expect, test } from 'vitest'
import type { PartitionId, RequestId } from '../../../src/base/ids.ts'
import type { Version } from '../../../src/base/port.ts'
import { recordKey } from '../../../src/cluster/dht/key.ts'
import { RECORDS_RETAINED, recoverHistory } from '../../../src/cluster/dht/replica/history.ts'
import { encodeRecord } from '../../../src/cluster/dht/replica/record.ts'
import type { EngineEntry } from '../../../src/storage/index.ts'

const partition = 17 as PartitionId

function record(version: Version): EngineEntry {
  const requestId = `r${version.seq}` as RequestId
  const written = { requestId, space: 's', partitionKey: 'p', sortKeys: ['k'] }
  return { key: recordKey(partition, version), value: encodeRecord(written) }
}

function records(first: number, last: number, epoch = 1): EngineEntry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => record({ epoch, seq: first + i }))
}

test('a partition that was never written has no history', () => {
  expect(recoverHistory(partition, [])).toEqual([])
})

test('consecutive records up to the mark and beyond are the history, across epochs', () => {
  const history = recoverHistory(partition, [...records(1, 2), ...records(3, 4, 2)], {
    epoch: 1,
    seq: 2,
  })
  expect(history.map(({ version, requestId }) => [version.epoch, version.seq, requestId])).toEqual([
    [1, 1, 'r1'],
    [1, 2, 'r2'],
    [2, 3, 'r3'],
    [2, 4, 'r4'],
  ])
})

test('a full window is the history', () => {
  expect(recoverHistory(partition, records(101, 100 + RECORDS_RETAINED))).toHaveLength(128)
})

test.each([
  ['a gap', [...records(1, 3), ...records(5, 6)], undefined],
  ['an epoch that goes back', [...records(1, 2, 2), ...records(3, 3, 1)], undefined],
  ['an end before the mark', records(1, 5), { epoch: 1, seq: 6 }],
  ['an end in an epoch before the mark', records(1, 5), { epoch: 2, seq: 5 }],
  ['no records at all but a mark', [], { epoch: 1, seq: 1 }],
  ['a missing beginning', records(3, 9), undefined],
  ['records that should have been trimmed', records(1, RECORDS_RETAINED + 1), undefined],
])('%s is reported as lost writes of the partition', (_, found, mark) => {
  expect(() => recoverHistory(partition, found, mark)).toThrow(
    expect.objectContaining({
      code: 'data-damaged',
      message: expect.stringContaining('partition 17 has lost acknowledged writes'),
      next: expect.stringContaining('restore'),
    }),
  )
})

test('an end before the mark is no loss when a later epoch has been promised', () => {
  const mark = { epoch: 2, seq: 6 }
  expect(recoverHistory(partition, records(1, 5), mark, { promised: 3 })).toHaveLength(5)
  expect(() => recoverHistory(partition, records(1, 5), mark, { promised: 2 })).toThrow('lost')
})
