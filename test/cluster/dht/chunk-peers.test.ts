import { afterEach, expect, test, vi } from 'vitest'
import { hex } from '../../../src/base/bytes.ts'
import { sha256 } from '../../../src/base/hash.ts'
import type { Digest, NodeId } from '../../../src/base/ids.ts'
import { ChunkPeers, type OutgoingChunk } from '../../../src/cluster/dht/blob/chunk-peers.driver.ts'
import { storeLength, writeStore } from '../../../src/cluster/dht/blob/chunk-question.ts'
import type { ChunkStore } from '../../../src/storage/index.ts'
import { SEGMENT_BYTES } from '../../../src/storage/segment-pool.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { NetworkTwin } from '../../twin/network.ts'
import { seededBytes } from '../../twin/random.ts'
import { openOn } from './blob-world.ts'

const [a, b] = ['a', 'b'] as string[] as [NodeId, NodeId]
const bytes = seededBytes(1, 3 * SEGMENT_BYTES)
const digest = hex(sha256(bytes)) as Digest

const opened: { peers: ChunkPeers; storage: Storage }[] = []
afterEach(async () => {
  for (const { peers, storage } of opened.splice(0)) {
    await peers.close()
    await storage.close()
  }
})

async function open(network: NetworkTwin, id: NodeId, change?: Partial<ChunkStore>) {
  const storage = await openOn(new DiskTwin())
  const chunks = change === undefined ? storage.chunks : { ...storage.chunks, ...change }
  const peers = new ChunkPeers(network.join(id), chunks as ChunkStore)
  opened.push({ peers, storage })
  return peers
}

/** `reactions` counts what waits for the stop. */
function outgoing(peers: ChunkPeers) {
  const transfer = peers.nextTransfer()
  const promise = new Promise<undefined>(() => {})
  const reactions = vi.spyOn(promise, 'then')
  const chunk: OutgoingChunk = {
    transfer,
    sizeBytes: bytes.length,
    stopped: { isSet: () => false, promise },
    async question(position) {
      const question = peers.prepare(storeLength(bytes.length, position))
      const head = { transfer, digest, sizeBytes: bytes.length, position }
      const segment = writeStore(question.bytes, head)
      segment.set(bytes.subarray(position, position + segment.length))
      return question
    },
  }
  return { chunk, reactions }
}

test('a chunk of several segments leaves one reaction behind', async () => {
  const network = new NetworkTwin()
  const peers = await open(network, a)
  await open(network, b)
  const { chunk, reactions } = outgoing(peers)
  expect(await peers.store(b, chunk, 1_000)).toBe('stored')
  expect(reactions).toHaveBeenCalledTimes(1)
})

test('a chunk waits no longer for others than its sender has patience', async () => {
  const network = new NetworkTwin()
  const peers = await open(network, a)
  await open(network, b)
  network.pause(b)
  const first = Array.from({ length: 16 }, () => peers.store(b, outgoing(peers).chunk, 60_000))
  expect(await peers.store(b, outgoing(peers).chunk, 20)).toBe('not-stored')
  network.resume(b)
  expect(new Set(await Promise.all(first))).toEqual(new Set(['stored']))
})

test('a peer is asked for so many segments at a time, however many are wanted', async () => {
  const network = new NetworkTwin()
  const peers = await open(network, a)
  let [reading, most] = [0, 0]
  await open(network, b, {
    async read() {
      most = Math.max(most, ++reading)
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
      reading--
      return { ok: true, value: undefined }
    },
  })
  const wanted = Array.from({ length: 300 }, () => peers.read(b, digest, new Uint8Array(1_000), 0))
  expect(new Set(await Promise.all(wanted))).toEqual(new Set(['filled']))
  expect(most).toBe(32)
})
