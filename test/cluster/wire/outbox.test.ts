import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import {
  CHUNK_CHANNEL,
  CONSENSUS_CHANNEL,
  HEARTBEAT_CHANNEL,
  MAP_CHANNEL,
  REPLICA_CHANNEL,
} from '../../../src/cluster/wire/index.ts'
import { Outbox } from '../../../src/cluster/wire/outbox.ts'

const BULK = CHUNK_CHANNEL
const LIMITS = { consensusQueueBytes: 1_000, mapQueueBytes: 1_000, bulkQueueBytes: 1_000 }

test('consensus goes first, and each kind in its own order', () => {
  const outbox = new Outbox(LIMITS)
  for (const word of ['a', 'b']) outbox.add(BULK, utf8(word))
  for (const word of ['c', 'd']) outbox.add(CONSENSUS_CHANNEL, utf8(word))
  expect(drain(outbox)).toEqual(['c', 'd', 'a', 'b'])
})

test('heartbeats go with consensus', () => {
  const outbox = new Outbox(LIMITS)
  outbox.add(BULK, utf8('bulk'))
  outbox.add(HEARTBEAT_CHANNEL, utf8('heartbeat'))
  outbox.add(CONSENSUS_CHANNEL, utf8('ballot'))
  expect(drain(outbox)).toEqual(['heartbeat', 'ballot', 'bulk'])
})

test('replicas and the map go before bulk, after consensus', () => {
  const outbox = new Outbox(LIMITS)
  outbox.add(BULK, utf8('bulk'))
  outbox.add(REPLICA_CHANNEL, utf8('replica'))
  outbox.add(MAP_CHANNEL, utf8('map'))
  outbox.add(CONSENSUS_CHANNEL, utf8('ballot'))
  expect(drain(outbox)).toEqual(['ballot', 'replica', 'map', 'bulk'])
})

test('what is full takes no more, and leaves the room of the other kind alone', () => {
  const outbox = new Outbox(LIMITS)
  const payload = new Uint8Array(300)
  const taken = [1, 2, 3, 4].map(() => outbox.add(BULK, payload))
  expect(taken).toEqual([true, true, false, false])
  expect(outbox.add(CONSENSUS_CHANNEL, payload)).toBe(true)
})

test('small payloads are bounded in number too', () => {
  const outbox = new Outbox(LIMITS)
  let count = 0
  while (outbox.add(CONSENSUS_CHANNEL, utf8(''))) count++
  expect(count).toBeLessThan(10)
})

test('a payload that is larger than the queue is taken alone', () => {
  const outbox = new Outbox(LIMITS)
  expect(outbox.add(BULK, new Uint8Array(5_000))).toBe(true)
  expect(outbox.add(BULK, utf8(''))).toBe(false)
})

test('bulk that was refused is called for once, when the rest of it has gone', () => {
  const outbox = new Outbox(LIMITS)
  while (outbox.add(BULK, new Uint8Array(300)));
  expect(outbox.drained()).toBe(false)
  drain(outbox)
  expect([outbox.drained(), outbox.drained()]).toEqual([true, false])
  outbox.add(BULK, utf8('a'))
  drain(outbox)
  expect(outbox.drained()).toBe(false)
})

test('a queue that is never empty does not grow', () => {
  const outbox = new Outbox(LIMITS)
  outbox.add(BULK, utf8('first'))
  for (let i = 0; i < 100_000; i++) {
    expect(outbox.add(BULK, utf8('next'))).toBe(true)
    outbox.take(1)
  }
  expect(drain(outbox)).toEqual(['next'])
})

test('small messages are taken together, and a large one alone', () => {
  const outbox = new Outbox(LIMITS)
  for (const size of [1, 2, 300, 3]) outbox.add(BULK, new Uint8Array(size))
  const sizes = () => outbox.take(300).map(({ payload }) => payload.length)
  expect([sizes(), sizes(), sizes(), sizes()]).toEqual([[1, 2], [300], [3], []])
})

function drain(outbox: Outbox): string[] {
  const words: string[] = []
  for (let taken = outbox.take(1_024); taken.length > 0; taken = outbox.take(1_024)) {
    for (const { payload } of taken) words.push(new TextDecoder().decode(payload))
  }
  return words
}
