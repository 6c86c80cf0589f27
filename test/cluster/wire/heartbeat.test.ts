import { Packr } from 'msgpackr'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { decodeHeartbeat, encodeHeartbeat } from '../../../src/cluster/wire/index.ts'

const heartbeat = {
  hears: ['n1', 'n2'] as NodeId[],
  steady: ['n1'] as NodeId[],
  isLeaving: false,
  progress: { tableVersion: 7, behind: '0f' },
}

test('a heartbeat comes out as it went in', () => {
  expect(decodeHeartbeat(encodeHeartbeat(heartbeat))).toEqual({ ok: true, value: heartbeat })
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
