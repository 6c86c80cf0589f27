import { Packr } from 'msgpackr'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { decodeHeartbeat, encodeHeartbeat } from '../../../src/cluster/wire/index.ts'

const heartbeat = {
  hears: ['n1', 'n2'] as NodeId[],
  steady: ['n1'] as NodeId[],
  isLeaving: false,
  progress: { tableVersion: 7, behind: '0f' },
  vitals: {
    boot: 'b1',
    startedMs: 1_700_000_000_000,
    isReady: true,
    diskTotalBytes: 2 ** 45,
    diskFreeBytes: 2 ** 40,
    missingChunks: 3,
    hasAllChunks: false,
    lagging: [{ node: 'n2' as NodeId, partitions: 12 }],
  },
}

test('a heartbeat comes out as it went in', () => {
  expect(decodeHeartbeat(encodeHeartbeat(heartbeat))).toEqual({ ok: true, value: heartbeat })
})

test('a node may not know its vitals yet', () => {
  const early = { ...heartbeat, vitals: undefined }
  expect(decodeHeartbeat(encodeHeartbeat(early))).toEqual({ ok: true, value: early })
})

test('vitals to which a newer node has added something are understood', () => {
  const packed = new Packr().unpack(encodeHeartbeat(heartbeat))
  packed[4].push('new')
  expect(decodeHeartbeat(new Packr().pack(packed))).toEqual({ ok: true, value: heartbeat })
})

test('vitals that lack something are none', () => {
  const packed = new Packr().unpack(encodeHeartbeat(heartbeat))
  packed[4].pop()
  expect(decodeHeartbeat(new Packr().pack(packed))).toMatchObject({ ok: false })
})

test.each([
  [[['n1'], ['n1']]],
  [[['n1'], ['n1'], 0]],
  [[['n1'], 'n1', false]],
  [[[''], [], false]],
  [[['x'.repeat(64)], [], false]],
  [[[1], [], false]],
  ['n1'],
  [null],
])('%j is none', (packed) => {
  expect(decodeHeartbeat(new Packr().pack(packed))).toMatchObject({
    ok: false,
    error: { kind: 'malformed' },
  })
})

test('bytes that are no msgpack are none', () => {
  expect(decodeHeartbeat(Uint8Array.of(0xc1))).toMatchObject({ ok: false })
})
