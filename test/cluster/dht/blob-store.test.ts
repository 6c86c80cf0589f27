import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../../src/base/ids.ts'
import type { BlobStore } from '../../../src/base/port.ts'
import {
  chunksOf,
  createBlobStore,
  UPLOADS_OPEN_MAX,
} from '../../../src/cluster/dht/blob/blob-store.driver.ts'
import { BlobCache } from '../../../src/storage/blob-cache.ts'
import { localDisk } from '../../../src/storage/disk.ts'
import { openLevelStore } from '../../../src/storage/level.disk.ts'
import { openStorage, type Storage } from '../../../src/storage/storage.disk.ts'
import { blobOf, blobStoreConformance, inPieces, readAll } from '../../conformance/blob-store.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openLevelTwin } from '../../twin/level.ts'
import { EngineMapSpace } from '../../twin/map-space.ts'

const MIB = 1_024 * 1_024

describe('the blob store on the local disk', () => {
  const opened: { storage: Storage; directory: string }[] = []
  afterEach(async () => {
    for (const { storage, directory } of opened.splice(0)) {
      await storage.close()
      await rm(directory, { recursive: true })
    }
  })

  blobStoreConformance(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'aether-blobs-'))
    const storage = await openStorage({ disk: localDisk, directory, openStore: openLevelStore })
    opened.push({ storage, directory })
    const manifests = new EngineMapSpace(storage.engine)
    return createBlobStore({ manifests, chunks: storage.chunks, cache: new BlobCache() })
  })
})

describe('the blob store on the disk twin', () => {
  type Twin = {
    readonly disk: DiskTwin
    readonly storage: Storage
    readonly manifests: EngineMapSpace
    readonly store: BlobStore
    readonly cache: BlobCache
  }

  async function openTwin(disk = new DiskTwin()): Promise<Twin> {
    const openStore = (directory: string) => openLevelTwin(disk, directory)
    const storage = await openStorage({ disk, directory: '/data', openStore })
    const manifests = new EngineMapSpace(storage.engine)
    const cache = new BlobCache()
    const store = createBlobStore({ manifests, chunks: storage.chunks, cache })
    return { disk, storage, manifests, store, cache }
  }

  blobStoreConformance(async () => (await openTwin()).store)

  async function chunkFiles(disk: DiskTwin): Promise<string[]> {
    const names: string[] = []
    for (const directory of await disk.list('/data/chunks')) {
      if (directory === 'unclean') continue
      for (const name of await disk.list(`/data/chunks/${directory}`)) {
        names.push(`/data/chunks/${directory}/${name}`)
      }
    }
    return names
  }

  async function overwrite(disk: DiskTwin, path: string, position: number): Promise<void> {
    const file = await disk.open(path, 'read')
    await file.write(Uint8Array.of(1, 2, 3), position)
    await file.close()
  }

  const blob = blobOf(1, 5 * MIB)

  test('never hands out a damaged segment', async () => {
    const { store, disk } = await openTwin()
    await store.put(inPieces(blob.bytes, 100_000))
    const [first, second] = await chunkFiles(disk)
    const sizes = await Promise.all(
      [first, second].map(async (path) => {
        const file = await disk.open(path as string, 'read')
        return file.read(new Uint8Array(8 * MIB), 0)
      }),
    )
    const large = (sizes[0] === 4 * MIB ? first : second) as string
    await overwrite(disk, large, 600_000)

    const reader = await store.get(blob.digest)
    if (!reader.ok) throw new Error(reader.error.kind)
    const kinds: string[] = []
    for (let i = 0; i < 4; i++) {
      const piece = await reader.value.next()
      kinds.push(piece.ok ? 'ok' : piece.error.kind)
    }
    reader.value.close()
    expect(kinds).toEqual(['ok', 'ok', 'corrupt', 'corrupt'])
    const range = { start: 700_000, end: 700_001 }
    await expect(readAll(store, blob.digest, range)).rejects.toThrow('corrupt')
    const intact = { start: 800_000, end: 5 * MIB }
    const bytes = blob.bytes.subarray(intact.start, intact.end)
    expect((await readAll(store, blob.digest, intact)).equals(bytes)).toBe(true)
  })

  test('does not admit a damaged blob to the cache', async () => {
    const { store, disk, cache } = await openTwin()
    const small = blobOf(2, 100_000)
    await store.put(inPieces(small.bytes, 50_000))
    await overwrite(disk, (await chunkFiles(disk))[0] as string, 5)
    for (let i = 0; i < 3; i++) {
      await expect(readAll(store, small.digest)).rejects.toThrow('corrupt')
    }
    expect(cache.usedBytes).toBe(0)
  })

  test('a missing chunk is damage, not a missing blob', async () => {
    const { store, disk } = await openTwin()
    await store.put(inPieces(blob.bytes, 100_000))
    for (const path of await chunkFiles(disk)) await disk.unlink(path)
    await expect(readAll(store, blob.digest)).rejects.toThrow('corrupt')
  })

  test('leaves no file behind when an upload fails, at whatever stage', async () => {
    const { store, disk, manifests, cache } = await openTwin()
    for (const size of [1_000, 100_000, 5 * MIB]) {
      const { bytes, digest } = blobOf(size, size)
      const put = (expected: object) => store.put(inPieces(bytes, 50_000), expected)
      const refusals = [{ kind: 'unavailable', reason: 'no quorum' }, { kind: 'no-space' }] as const
      for (const refusal of refusals) {
        manifests.refuseWrites = refusal
        expect(await put({ sizeBytes: size })).toEqual({ ok: false, error: refusal })
      }
      manifests.refuseWrites = undefined
      manifests.refuseReads = { kind: 'unavailable', reason: 'no quorum' }
      expect(await store.get(digest)).toMatchObject({ error: { kind: 'unavailable' } })
      manifests.refuseReads = undefined
      await put({ sizeBytes: size + 1 })
      await put({ digest: blob.digest })
      expect(await chunkFiles(disk)).toEqual([])
      expect(cache.usedBytes).toBe(0)
    }
  })

  test('an upload that is cut does not end before its last write has', async () => {
    const reached = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const { store } = await openTwin(
      new DiskTwin({
        before: async ({ kind, path }) => {
          if (kind !== 'write' || !path.includes('/chunks/tmp/')) return
          reached.resolve()
          await gate.promise
        },
      }),
    )
    async function* source() {
      yield new Uint8Array(300_000)
      throw new Error('cut')
    }
    let isEnded = false
    const put = store.put(source()).finally(() => {
      isEnded = true
    })
    await reached.promise
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(isEnded).toBe(false)
    gate.resolve()
    expect(await put).toMatchObject({ error: { kind: 'interrupted' } })
  })

  test('keeps the chunks when it is not known whether the manifest was written', async () => {
    const { store, storage, disk, manifests } = await openTwin()
    manifests.refuseWrites = { kind: 'outcome-unknown', reason: 'timeout' }
    const outcome = await store.put(inPieces(blob.bytes, 100_000))
    expect(outcome).toMatchObject({ error: { kind: 'outcome-unknown' } })
    manifests.refuseWrites = undefined
    expect((await readAll(store, blob.digest)).equals(blob.bytes)).toBe(true)
    await storage.close()
    const next = await openTwin(disk.kill())
    expect(next.storage.chunks.needsSweep).toBe(true)
    expect(await next.storage.chunks.sweep(chunksOf(next.manifests.values()))).toBe(0)
    expect((await readAll(next.store, blob.digest)).equals(blob.bytes)).toBe(true)
  })

  test('a blob that has lost or damaged chunks is whole when it has been put again', async () => {
    const { store, disk } = await openTwin()
    const put = () => store.put(inPieces(blob.bytes, 100_000))
    await put()
    const paths = await chunkFiles(disk)
    const harms = [
      () => disk.unlink(paths[0] as string),
      () => overwrite(disk, paths[1] as string, 5),
    ]
    for (const harm of harms) {
      await harm()
      await expect(readAll(store, blob.digest)).rejects.toThrow('corrupt')
      expect(await put()).toMatchObject({ ok: true, value: { digest: blob.digest } })
      expect((await readAll(store, blob.digest)).equals(blob.bytes)).toBe(true)
      expect([...(await chunkFiles(disk))].sort()).toEqual([...paths].sort())
    }
    const survivor = await openTwin(disk.crash())
    expect((await readAll(survivor.store, blob.digest)).equals(blob.bytes)).toBe(true)
  })

  test('caches small blobs on their second read', async () => {
    const { store, cache } = await openTwin()
    for (const size of [100, 100_000, 4 * MIB]) {
      const small = blobOf(size, size)
      await store.put(inPieces(small.bytes, 70_000), { sizeBytes: size })
      const isCached: boolean[] = []
      for (let read = 0; read < 3; read++) {
        isCached.push(store.cached(small.digest) !== undefined)
        await readAll(store, small.digest)
      }
      expect(isCached).toEqual([false, false, true])
      expect(small.bytes.equals(store.cached(small.digest) as Uint8Array)).toBe(true)
    }
    await store.put(inPieces(blob.bytes, 70_000), { sizeBytes: blob.bytes.length })
    for (let read = 0; read < 3; read++) await readAll(store, blob.digest)
    expect(store.cached(blob.digest)).toBeUndefined()
    expect(cache.usedBytes).toBeLessThan(10 * MIB)
  })

  test('a cached blob needs neither disk nor quorum', async () => {
    const { store, disk, manifests } = await openTwin()
    const small = blobOf(2, 100_000)
    await store.put(inPieces(small.bytes, 50_000))
    for (let read = 0; read < 2; read++) await readAll(store, small.digest)
    manifests.refuseReads = { kind: 'unavailable', reason: 'no quorum' }
    for (const path of await chunkFiles(disk)) await disk.unlink(path)
    expect((await readAll(store, small.digest)).equals(small.bytes)).toBe(true)
  })

  test('opens a bounded number of uploads', async () => {
    const { store } = await openTwin()
    const gate = Promise.withResolvers<void>()
    async function* slow() {
      await gate.promise
      yield new Uint8Array(1)
    }
    const uploads = Array.from({ length: UPLOADS_OPEN_MAX }, () => store.put(slow()))
    expect(await store.put(inPieces(blob.bytes, 1_000))).toMatchObject({
      error: { kind: 'unavailable' },
    })
    gate.resolve()
    for (const outcome of await Promise.all(uploads)) expect(outcome.ok).toBe(true)
    expect(await store.put(inPieces(blob.bytes, 100_000))).toMatchObject({ ok: true })
  })

  test('sweeps the chunks of an upload that died before its manifest', async () => {
    const first = await openTwin()
    await first.store.put(inPieces(blob.bytes, 100_000))
    const stage = first.storage.chunks.stage()
    await stage.append(Uint8Array.of(1))
    await stage.seal('ab'.repeat(32) as Digest)
    await stage.publish()
    const next = await openTwin(first.disk.kill())
    expect(await next.storage.chunks.sweep(chunksOf(next.manifests.values()))).toBe(1)
    expect((await readAll(next.store, blob.digest)).equals(blob.bytes)).toBe(true)
  })
})
