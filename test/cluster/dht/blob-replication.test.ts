import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Digest, NodeId } from '../../../src/base/ids.ts'
import type { BlobReplication } from '../../../src/cluster/dht/blob/blob-replication.driver.ts'
import { entriesOf } from '../../../src/cluster/dht/blob/manifest.ts'
import { blobOf, blobStoreConformance, inPieces, readAll } from '../../conformance/blob-store.ts'
import { seededRandom } from '../../twin/random.ts'
import { BlobWorld, type BlobWorldOptions, chunkFiles, openOn, rot } from './blob-world.ts'

const MIB = 1_024 * 1_024
const [n1, n2, n3] = ['n1', 'n2', 'n3'] as string[] as [NodeId, NodeId, NodeId]

const worlds: BlobWorld[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) {
    await world.close()
    expect(world.network.malformed).toBe(0)
  }
})

async function openWorld(options: BlobWorldOptions = {}): Promise<BlobWorld> {
  const world = await BlobWorld.open(options)
  worlds.push(world)
  return world
}

/** Two chunks. */
const blob = blobOf(1, 5 * MIB)
const put = (world: BlobWorld, name: string, { bytes } = blob) =>
  world.node(name).store.put(inPieces(bytes, 100_000))
const readFrom = (world: BlobWorld, name: string) => readAll(world.node(name).store, blob.digest)

async function expectWhole(world: BlobWorld, name: string): Promise<void> {
  expect((await readFrom(world, name)).equals(blob.bytes)).toBe(true)
}

/** Digest and size of each. */
async function chunksOfBlob(world: BlobWorld): Promise<[Digest, number][]> {
  const chunks: [Digest, number][] = []
  for await (const page of world.manifests.values()) {
    for (const { digest, sizeBytes } of entriesOf(page)) chunks.push([digest, sizeBytes])
  }
  return chunks
}

async function publishedAt(world: BlobWorld, name: string): Promise<string[]> {
  return (await chunkFiles(world.node(name).disk)).filter((path) => !path.includes('/tmp/'))
}

describe('a blob store of three nodes', () => {
  blobStoreConformance(async () => (await openWorld()).node('n1').store)
})

describe('a blob store through a node that is no replica', () => {
  const options = { nodes: ['n1', 'n2', 'n3', 'n4'], delayMs: 2, queueBytes: 600_000 }
  blobStoreConformance(async () => (await openWorld(options)).node('n4').store)
})

describe('uploads', () => {
  test('are durable on two of three nodes when they are answered', async () => {
    for (const away of ['n2', 'n3']) {
      const world = await openWorld()
      world.network.pause(away as NodeId)
      expect(await put(world, 'n1')).toMatchObject({ ok: true })
      const other = away === 'n2' ? 'n3' : 'n2'
      for (const name of ['n1', other]) {
        const storage = await openOn(world.crash(name))
        for (const [digest, sizeBytes] of await chunksOfBlob(world)) {
          const bytes = new Uint8Array(sizeBytes)
          expect(await storage.chunks.read(digest, bytes, 0)).toEqual({ ok: true })
        }
        await storage.close()
      }
    }
  })

  test('reach the third node afterwards', async () => {
    const world = await openWorld()
    world.network.pause(n3)
    await put(world, 'n1')
    expect(await publishedAt(world, 'n3')).toEqual([])
    world.network.resume(n3)
    await vi.waitFor(async () => expect((await publishedAt(world, 'n3')).length).toBe(2))
    expect(world.node('n3').replication.health.repaired).toBe(0)
  })

  test('send their first chunks while the last ones arrive, and wait for slow nodes', async () => {
    const world = await openWorld()
    for (const id of [n2, n3]) world.network.pause(id)
    const large = blobOf(9, 30 * MIB)
    let taken = 0
    async function* source() {
      for await (const piece of inPieces(large.bytes, MIB)) {
        taken += piece.length
        yield piece
      }
    }
    const upload = world.node('n1').store.put(source())
    await vi.waitFor(() => expect(taken).toBeGreaterThan(16 * MIB))
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(taken).toBeLessThan(22 * MIB)
    world.network.resume(n2)
    expect(await upload).toMatchObject({ ok: true })
    world.network.resume(n3)
  })

  test('are refused when too few nodes are there, and leave nothing', async () => {
    const world = await openWorld()
    world.network.cut(n1, n2)
    world.network.cut(n1, n3)
    expect(await put(world, 'n1')).toMatchObject({ error: { kind: 'unavailable' } })
    for (const name of ['n1', 'n2', 'n3']) {
      expect(await world.node(name).store.stat(blob.digest)).toMatchObject({ ok: false })
      expect(await chunkFiles(world.node(name).disk)).toEqual([])
    }
  })

  test('wait for a node that is about to return', async () => {
    const world = await openWorld({ waitMs: 10_000 })
    world.network.cut(n1, n2)
    world.network.cut(n1, n3)
    const upload = put(world, 'n1')
    await vi.waitFor(async () => expect((await chunkFiles(world.node('n1').disk)).length).toBe(2))
    world.network.heal(n1, n3)
    expect(await upload).toMatchObject({ ok: true })
    await expectWhole(world, 'n3')
  })

  test('succeed while the disk of one other node is full, not while those of two are', async () => {
    const world = await openWorld({ waitMs: 10_000 })
    world.node('n2').disk.capacityBytes = 100_000
    expect(await put(world, 'n1')).toMatchObject({ ok: true })
    await expectWhole(world, 'n2')
    expect(await chunkFiles(world.node('n2').disk)).toEqual([])
    world.node('n3').disk.capacityBytes = 100_000
    const another = blobOf(2, 5 * MIB)
    expect(await put(world, 'n1', another)).toMatchObject({ error: { kind: 'unavailable' } })
    for (const name of ['n1', 'n2']) {
      expect(await world.node(name).store.stat(another.digest)).toMatchObject({ ok: false })
    }
    await vi.waitFor(async () => expect((await chunkFiles(world.node('n1').disk)).length).toBe(2))
  })

  test('through a node that is no replica leave nothing there, and are read through it', async () => {
    const world = await openWorld({ nodes: ['n1', 'n2', 'n3', 'n4'] })
    expect(await put(world, 'n4')).toMatchObject({ ok: true })
    await vi.waitFor(async () => expect((await publishedAt(world, 'n3')).length).toBe(2))
    await vi.waitFor(async () => expect(await chunkFiles(world.node('n4').disk)).toEqual([]))
    await expectWhole(world, 'n4')
    expect(await chunkFiles(world.node('n4').disk)).toEqual([])
  })

  test('of a node that dies leave nothing visible, whenever it dies', async () => {
    const random = seededRandom(5)
    for (let round = 0; round < 12; round++) {
      const world = await openWorld({ seed: round })
      let pieces = Math.floor(random() * 54)
      async function* source() {
        for await (const piece of inPieces(blob.bytes, 100_000)) {
          if (pieces-- === 0) world.crash('n1')
          yield piece
        }
      }
      void world.node('n1').store.put(source())
      await vi.waitFor(() => expect(world.nodes.has('n1')).toBe(false))
      for (const name of ['n2', 'n3']) {
        expect(await world.node(name).store.stat(blob.digest)).toMatchObject({ ok: false })
      }
      for (const name of ['n2', 'n3']) await world.node(name).replication.close()
      for (const name of ['n2', 'n3']) {
        const files = await chunkFiles(world.node(name).disk)
        expect(files.filter((path) => path.includes('/tmp/'))).toEqual([])
        await world.node(name).storage.close()
        world.nodes.delete(name)
      }
    }
  })

  test('drop what a dead node has begun to send, without being told', async () => {
    const world = await openWorld()
    const { disk } = world.node('n2')
    world.network.pause(n1)
    void put(world, 'n1')
    await vi.waitFor(async () => expect((await chunkFiles(disk)).length).toBe(2))
    world.crash('n1')
    await vi.waitFor(async () => expect(await chunkFiles(disk)).toEqual([]), 5_000)
  })

  test('survive connections that break', async () => {
    const random = seededRandom(11)
    const world = await openWorld({ seed: 11, breaks: 0.02, delayMs: 2, waitMs: 20_000 })
    const blobs = Array.from({ length: 12 }, (_, i) => blobOf(50 + i, 1 + random() * 6 * MIB))
    await Promise.all(
      blobs.map(async ({ bytes }, i) => {
        const name = `n${1 + (i % 3)}`
        const outcome = await world.node(name).store.put(inPieces(bytes, 300_000))
        expect(outcome).toMatchObject({ ok: true })
      }),
    )
    const { store } = world.node('n2')
    for (const { bytes, digest } of blobs) {
      await vi.waitFor(async () => expect((await readAll(store, digest)).equals(bytes)).toBe(true))
    }
  })
})

describe('reads', () => {
  async function worldWithBlob(): Promise<BlobWorld> {
    const world = await openWorld()
    await put(world, 'n1')
    for (const name of ['n2', 'n3']) {
      await vi.waitFor(async () => expect((await publishedAt(world, name)).length).toBe(2))
    }
    return world
  }

  test('go on at another node where bytes are damaged, and mend them', async () => {
    const world = await worldWithBlob()
    const { disk, replication } = world.node('n1')
    for (const path of await publishedAt(world, 'n1')) await rot(disk, path, 600_000)
    await expectWhole(world, 'n1')
    await vi.waitFor(() => expect(replication.health.repaired).toBe(2))
    for (const id of [n2, n3]) world.network.cut(n1, id)
    await expectWhole(world, 'n1')
  })

  test('go on at another node where a chunk is missing, and bring it back', async () => {
    const world = await worldWithBlob()
    const { disk, replication } = world.node('n3')
    for (const path of await publishedAt(world, 'n3')) await disk.unlink(path)
    await expectWhole(world, 'n3')
    await vi.waitFor(() => expect(replication.health.repaired).toBe(2))
    expect((await publishedAt(world, 'n3')).length).toBe(2)
  })

  test('pass by a node whose copy is damaged as well, and one that is gone', async () => {
    for (const isGone of [true, false]) {
      const world = await worldWithBlob()
      for (const name of ['n1', 'n2']) {
        const { disk } = world.node(name)
        for (const path of await publishedAt(world, name)) await rot(disk, path, 600_000)
      }
      if (isGone) world.network.cut(n1, n2)
      await expectWhole(world, 'n1')
      await vi.waitFor(() => expect(world.node('n1').replication.health.repaired).toBe(2))
      for (const id of [n2, n3]) world.network.cut(n1, id)
      await expectWhole(world, 'n1')
    }
  })

  test('tell damage from nodes that do not answer', async () => {
    const world = await worldWithBlob()
    for (const name of ['n1', 'n2', 'n3']) {
      const { disk } = world.node(name)
      for (const path of await publishedAt(world, name)) await rot(disk, path, 10)
    }
    await expect(readFrom(world, 'n1')).rejects.toThrow('corrupt')
    world.network.cut(n1, n3)
    await expect(readFrom(world, 'n1')).rejects.toThrow('unavailable')
  })
})

/** Timers that the keeper looks around by stand still, but for what a test lets pass. */
function holdTimers(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'performance'] }))
  afterEach(() => void vi.useRealTimers())
}

const letItLook = () => vi.advanceTimersByTimeAsync(6_000)

async function settled(replication: BlobReplication): Promise<void> {
  await letItLook()
  await vi.waitFor(() => expect(replication.health.isSettled).toBe(true))
}

/** `n3`, whose replication it is, has been told of a blob that only the others have. */
async function worldWithMissedChunks() {
  const world = await openWorld()
  const { replication } = world.node('n3')
  replication.start()
  await settled(replication)
  world.network.cut(n1, n3)
  await put(world, 'n1')
  for await (const page of world.manifests.values()) replication.notice(page)
  return { world, replication }
}

describe('the keeper', () => {
  holdTimers()

  test('completes a new node, and says when it has', async () => {
    const world = await openWorld({ nodes: ['n1', 'n2'] })
    const blobs = [blob, ...Array.from({ length: 10 }, (_, i) => blobOf(20 + i, 200_000))]
    for (const { bytes } of blobs) await world.node('n1').store.put(inPieces(bytes, 90_000))
    const { replication } = await world.start('n3')
    replication.start()
    expect(replication.health.isSettled).toBe(false)
    await settled(replication)
    expect(replication.health).toEqual({ missing: 0, repaired: 12, isSettled: true })
    for (const id of [n1, n2]) world.network.cut(n3, id)
    await expectWhole(world, 'n3')
  })

  test('tries again what nobody could give', async () => {
    const world = await openWorld({ nodes: ['n1', 'n2'] })
    await put(world, 'n1')
    const { replication } = await world.start('n3')
    for (const id of [n1, n2]) world.network.cut(n3, id)
    replication.start()
    await letItLook()
    await vi.waitFor(() => expect(replication.health.missing).toBe(2))
    expect(replication.health.isSettled).toBe(false)
    for (const id of [n1, n2]) world.network.heal(n3, id)
    await settled(replication)
    expect(replication.health.repaired).toBe(2)
  })

  test('fetches the chunks of a manifest that comes without them', async () => {
    const { world, replication } = await worldWithMissedChunks()
    await letItLook()
    await vi.waitFor(() => expect(replication.health.repaired).toBe(2))
    world.network.cut(n2, n3)
    await expectWhole(world, 'n3')
  })

  test('is not settled before it has looked at what it had missed, without a walk', async () => {
    const { world, replication } = await worldWithMissedChunks()
    expect(replication.health.isSettled).toBe(true)
    replication.caughtUp()
    expect(replication.health.isSettled).toBe(false)
    await settled(replication)
    expect(replication.health.repaired).toBe(2)
    expect(world.walks).toBe(1)
  })

  test('looks again for chunks whose partition it holds since after it looked at their manifest', async () => {
    const world = await openWorld()
    world.replicas = [n1, n2]
    const { replication } = world.node('n3')
    replication.tableChanged()
    replication.start()
    await put(world, 'n1')
    for await (const page of world.manifests.values()) replication.notice(page)
    await settled(replication)
    expect(replication.health.repaired).toBe(0)
    world.replicas = [n1, n2, n3]
    replication.tableChanged()
    expect(replication.health.isSettled).toBe(false)
    await settled(replication)
    expect(replication.health.repaired).toBe(2)
    replication.tableChanged()
    expect(replication.health.isSettled).toBe(true)
  })
})

describe('copies that an upload has given up', () => {
  holdTimers()

  test.each([
    ['a replica', 'n1'],
    ['a node that is none', 'n4'],
  ])('are made later by %s, which is not settled before', async (_, name) => {
    const world = await openWorld({ nodes: ['n1', 'n2', 'n3', 'n4'] })
    const { replication } = world.node(name)
    replication.start()
    await settled(replication)
    const { disk } = world.node('n3')
    disk.capacityBytes = 100_000
    expect(await put(world, name)).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(replication.health.isSettled).toBe(false))
    await vi.advanceTimersByTimeAsync(3_000)
    expect(replication.health.isSettled).toBe(false)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(1_000)
      expect(replication.health.isSettled).toBe(true)
    })
    expect((await publishedAt(world, 'n3')).length).toBe(2)
  })

  test('are not sent to a replica that has got them by itself', async () => {
    const world = await openWorld()
    const [first, third] = [world.node('n1').replication, world.node('n3').replication]
    first.start()
    await letItLook()
    world.network.cut(n1, n3)
    await put(world, 'n1')
    await vi.waitFor(() => expect(first.health.isSettled).toBe(false))
    third.start()
    await letItLook()
    await vi.waitFor(() => expect(third.health.repaired).toBe(2))
    expect(first.health.isSettled).toBe(false)
    world.network.heal(n1, n3)
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(10_000)
      expect(first.health.isSettled).toBe(true)
    })
  })
})
