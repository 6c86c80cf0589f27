import { afterEach, expect, test } from 'vitest'
import { hex } from '../../../src/base/bytes.ts'
import { sha256 } from '../../../src/base/hash.ts'
import type { Digest, NodeId } from '../../../src/base/ids.ts'
import { ChunkIntake } from '../../../src/cluster/dht/blob/chunk-intake.driver.ts'
import type { StoreQuestion } from '../../../src/cluster/dht/blob/chunk-question.ts'
import { SEGMENT_BYTES } from '../../../src/storage/segment-pool.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { seededBytes } from '../../twin/random.ts'
import { chunkFiles, openOn } from './blob-world.ts'

const [a, b] = ['a', 'b'] as string[] as [NodeId, NodeId]
const bytes = seededBytes(1, 2 * SEGMENT_BYTES + 10)
const digest = hex(sha256(bytes)) as Digest

const opened: { intake: ChunkIntake; storage: Storage }[] = []
afterEach(async () => {
  for (const { intake, storage } of opened.splice(0)) {
    await intake.close()
    await storage.close()
  }
})

async function openIntake() {
  const disk = new DiskTwin()
  const storage = await openOn(disk)
  const intake = new ChunkIntake(storage.chunks, () => true)
  opened.push({ intake, storage })
  return { intake, disk, chunks: storage.chunks }
}

function segment(index: number, change: Partial<StoreQuestion> = {}): StoreQuestion {
  const position = index * SEGMENT_BYTES
  const part = bytes.subarray(position, position + SEGMENT_BYTES)
  const question = { kind: 'store', transfer: 1, digest, sizeBytes: bytes.length } as const
  return { ...question, position, bytes: part, ...change }
}

test('a chunk is there when its last segment has been answered', async () => {
  const { intake, chunks } = await openIntake()
  expect(await intake.store(a, segment(0))).toBe('taken')
  expect(intake.isArriving(digest)).toBe(true)
  expect(await intake.store(a, segment(1))).toBe('taken')
  expect(await chunks.has(digest)).toBe(false)
  expect(await intake.store(a, segment(2))).toBe('stored')
  expect(intake.isArriving(digest)).toBe(false)
  const into = new Uint8Array(bytes.length)
  expect(await chunks.read(digest, into, 0)).toEqual({ ok: true })
  expect(into).toEqual(bytes)
})

test('two nodes may send the same chunk under the same name', async () => {
  const { intake } = await openIntake()
  for (const index of [0, 1, 2]) {
    const answers = await Promise.all([a, b].map((from) => intake.store(from, segment(index))))
    expect(answers).toEqual(index < 2 ? ['taken', 'taken'] : ['stored', 'stored'])
  }
})

test('a chunk whose bytes are not what they should be is dropped', async () => {
  const { intake, disk } = await openIntake()
  const other = Uint8Array.from(bytes.subarray(0, SEGMENT_BYTES)).fill(1, 0, 1)
  await intake.store(a, segment(0, { bytes: other }))
  await intake.store(a, segment(1))
  expect(await intake.store(a, segment(2))).toBe('unexpected')
  await intake.close()
  expect(await chunkFiles(disk)).toEqual([])
})

test.each([
  ['out of its order', [segment(0), segment(2)]],
  ['twice', [segment(0), segment(0)]],
  ['of another size', [segment(0), segment(1, { sizeBytes: bytes.length + 1 })]],
  ['of another chunk', [segment(0), segment(1, { digest: 'ab'.repeat(32) as Digest })]],
  ['that nothing came before', [segment(1)]],
])('a segment %s ends the transfer', async (_, segments) => {
  const { intake, disk } = await openIntake()
  const answers: string[] = []
  for (const each of segments) answers.push(await intake.store(a, each))
  expect(answers.at(-1)).toBe('unexpected')
  expect(await intake.store(a, segment(2))).toBe('unexpected')
  await intake.close()
  expect(await chunkFiles(disk)).toEqual([])
})

test('a segment that comes before the answer to the one before ends the transfer', async () => {
  const { intake, disk } = await openIntake()
  const first = intake.store(a, segment(0))
  expect(await intake.store(a, segment(1))).toBe('unexpected')
  await first
  await intake.close()
  expect(await chunkFiles(disk)).toEqual([])
})

test('what is abandoned is dropped', async () => {
  const { intake, disk } = await openIntake()
  await intake.store(a, segment(0))
  intake.abandon(b, 1)
  expect(intake.isArriving(digest)).toBe(true)
  intake.abandon(a, 1)
  intake.abandon(a, 1)
  expect(await intake.store(a, segment(1))).toBe('unexpected')
  await intake.close()
  expect(await chunkFiles(disk)).toEqual([])
})

test('a node may begin a bounded number of chunks', async () => {
  const { intake, disk } = await openIntake()
  const answers = new Map<string, number>()
  for (let transfer = 0; transfer < 70; transfer++) {
    const answer = await intake.store(a, segment(0, { transfer }))
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
  }
  expect(Object.fromEntries(answers)).toEqual({ taken: 64, busy: 6 })
  expect(await intake.store(b, segment(0))).toBe('taken')
  expect((await chunkFiles(disk)).length).toBe(65)
})

test('a full disk is told to the sender', async () => {
  const { intake, disk } = await openIntake()
  disk.capacityBytes = 100_000
  expect(await intake.store(a, segment(0))).toBe('no-space')
  await intake.close()
  expect(await chunkFiles(disk)).toEqual([])
})
