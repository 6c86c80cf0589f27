import { beforeEach, expect, test } from 'vitest'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import { encodeEntry } from '../../../src/cluster/dht/entry.ts'
import { decodeParcels } from '../../../src/cluster/dht/host/replica-codec.ts'
import { ReplicaSender } from '../../../src/cluster/dht/host/replica-sender.driver.ts'
import { entryKey, entryPrefix } from '../../../src/cluster/dht/key.ts'
import { PAGE_BYTES_MAX } from '../../../src/cluster/dht/replica/bound.ts'
import type { ReplicaMessage } from '../../../src/cluster/dht/replica/message.ts'
import { PAYLOAD_BYTES_MAX } from '../../../src/cluster/wire/frame.ts'
import { REPLICA_CHANNEL } from '../../../src/cluster/wire/index.ts'
import { NetworkTwin } from '../../twin/network.ts'

const partition = 7 as PartitionId
const [a, b] = ['a', 'b'] as [NodeId, NodeId]

let sender: ReplicaSender
let frames: Uint8Array[]
/** Resolves when so many messages have arrived. */
let arrived: (count: number) => Promise<void>

beforeEach(() => {
  const network = new NetworkTwin()
  sender = new ReplicaSender(network.join(a))
  frames = []
  let hear = () => {}
  network.join(b).listen(REPLICA_CHANNEL, {
    receive: (_, payload) => {
      frames.push(payload)
      hear()
      return true
    },
  })
  arrived = (count) =>
    new Promise((resolve) => {
      hear = () => heard().length >= count && resolve()
    })
})

function heard(): readonly ReplicaMessage[] {
  return frames.flatMap((frame) => (decodeParcels(frame) ?? []).map(({ message }) => message))
}

function page(turn: number, bytes: number): ReplicaMessage {
  const prefix = entryPrefix(partition, 's', 'p')
  const value = encodeEntry({ version: { epoch: 1, seq: 1 }, value: new Uint8Array(200_000) })
  const entries = Array.from({ length: Math.floor(bytes / value.length) }, (_, i) => ({
    key: entryKey(prefix, `${i}`),
    value,
  }))
  return { kind: 'records', epoch: 1, turn, older: [], newer: [], entries }
}

test('what one turn has to say goes as one frame, in order', async () => {
  const turns = Array.from({ length: 100 }, (_, turn) => turn)
  for (const turn of turns) {
    sender.send(b, { partition, message: { kind: 'confirm', epoch: 1, turn } })
  }
  await arrived(100)
  expect(frames).toHaveLength(1)
  expect(heard()).toEqual(turns.map((turn) => ({ kind: 'confirm', epoch: 1, turn })))
})

test('the largest page fits its frame, whatever has been said before it', async () => {
  const messages = [page(1, 1_000_000), page(2, PAGE_BYTES_MAX), page(3, 1_000)]
  for (const message of messages) sender.send(b, { partition, message })
  await arrived(messages.length)
  expect(heard().map((message) => 'turn' in message && message.turn)).toEqual([1, 2, 3])
  for (const frame of frames) expect(frame.length).toBeLessThan(PAYLOAD_BYTES_MAX)
})

test('long histories of many partitions do not outgrow a frame', async () => {
  const history = Array.from({ length: 128 }, (_, i) => {
    const seq = 2 ** 40 + i
    return { epoch: 2 ** 31 + i, first: seq, last: seq }
  })
  const message: ReplicaMessage = { kind: 'sealed', epoch: 2 ** 31, history, had: undefined }
  for (let i = 0; i < 1_000; i++) sender.send(b, { partition, message })
  await arrived(1_000)
  expect(frames.length).toBeGreaterThan(1)
  for (const frame of frames) expect(frame.length).toBeLessThan(1_100_000)
})
