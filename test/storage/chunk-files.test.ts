import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openChunkFiles } from '../../src/storage/chunk-files.disk.ts'
import type { ChunkStore } from '../../src/storage/chunk-store.ts'
import { localDisk } from '../../src/storage/disk.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import type { Disk } from '../../src/storage/file-system.ts'
import { SpaceGuard } from '../../src/storage/free-space.ts'
import { chunkOf, chunkStoreConformance, digests, upload } from '../conformance/chunk-files.ts'
import { DiskTwin, failure } from '../twin/disk.ts'

async function openOn(disk: Disk, directory: string): Promise<ChunkStore> {
  return openChunkFiles({
    disk,
    directory,
    space: new SpaceGuard(disk, directory),
    failStop: new FailStop(),
  })
}

describe('chunk files on the local disk', () => {
  const directoryOf = new Map<ChunkStore, string>()
  afterEach(async () => {
    for (const path of new Set(directoryOf.values())) await rm(path, { recursive: true })
    directoryOf.clear()
  })

  async function openAt(directory: string): Promise<ChunkStore> {
    const store = await openOn(localDisk, directory)
    directoryOf.set(store, directory)
    return store
  }

  chunkStoreConformance({
    open: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'aether-chunks-'))
      await mkdir(directory, { recursive: true })
      return openAt(directory)
    },
    reopen: async (store) => {
      await store.close()
      return openAt(directoryOf.get(store) as string)
    },
    restart: (store) => openAt(directoryOf.get(store) as string),
    files: async (store) => {
      const entries = await readdir(directoryOf.get(store) as string, {
        recursive: true,
        withFileTypes: true,
      })
      return entries
        .filter((entry) => entry.isFile() && entry.name !== 'unclean')
        .map((entry) => entry.name)
    },
  })
})

describe('chunk files on the disk twin', () => {
  const disks = new Map<ChunkStore, DiskTwin>()

  async function openTwin(disk: DiskTwin): Promise<ChunkStore> {
    await disk.makeDirectory('/chunks')
    await disk.syncDirectory('/')
    const store = await openOn(disk, '/chunks')
    disks.set(store, disk)
    return store
  }

  async function files(disk: Disk): Promise<string[]> {
    const names: string[] = []
    for (const directory of await disk.list('/chunks')) {
      if (directory !== 'unclean') names.push(...(await disk.list(`/chunks/${directory}`)))
    }
    return names
  }

  chunkStoreConformance({
    open: () => openTwin(new DiskTwin()),
    reopen: async (store) => {
      await store.close()
      return openTwin((disks.get(store) as DiskTwin).kill())
    },
    restart: (store) => openTwin((disks.get(store) as DiskTwin).kill()),
    files: (store) => files(disks.get(store) as DiskTwin),
  })

  const a = chunkOf(1, 10_000)
  const b = chunkOf(2, 10_000)

  test('refuses an upload on a full disk, keeps the rest and goes on when there is room', async () => {
    const disk = new DiskTwin({ capacityBytes: 24_000 })
    const store = await openTwin(disk)
    await upload(store, [a], 'kept')
    const stage = store.stage()
    expect(await stage.append(b.bytes)).toEqual({ ok: false, error: { kind: 'no-space' } })
    await stage.end('dropped')
    expect(await files(disk)).toEqual([a.digest])
    disk.capacityBytes = 60_000
    await upload(store, [b], 'kept')
  })

  test('a disk that is full before the guard knows refuses just the same', async () => {
    for (const kind of ['create', 'write', 'datasync', 'rename', 'syncDirectory'] as const) {
      let isFull = false
      const disk = new DiskTwin({
        before: (call) => {
          if (isFull && call.kind === kind) throw failure('ENOSPC', call.path)
        },
      })
      const store = await openTwin(disk)
      isFull = true
      const stage = store.stage()
      const outcomes = [await stage.append(a.bytes)]
      if (outcomes.at(-1)?.ok) outcomes.push(await stage.seal(a.digest))
      if (outcomes.at(-1)?.ok) outcomes.push(await stage.publish())
      expect(outcomes.at(-1)).toEqual({ ok: false, error: { kind: 'no-space' } })
      await stage.end('dropped')
      isFull = false
      expect(await files(disk)).toEqual([])
      await upload(store, [a], 'kept')
    }
  })

  test('a failed sync is final', async () => {
    for (const kind of ['datasync', 'syncDirectory'] as const) {
      let isBroken = false
      const disk = new DiskTwin({
        before: (call) => {
          if (isBroken && call.kind === kind) throw failure('EIO', call.path)
        },
      })
      const store = await openTwin(disk)
      isBroken = true
      const stage = store.stage()
      await stage.append(a.bytes)
      await stage.seal(a.digest)
      await expect(stage.publish()).rejects.toMatchObject({ code: 'disk-failed' })
      isBroken = false
      const next = store.stage()
      await expect(next.append(b.bytes)).rejects.toMatchObject({ code: 'disk-failed' })
    }
  })

  test('an upload waits for the sweep to remove the orphan of the same name', async () => {
    const before = new DiskTwin()
    await upload(await openTwin(before), [a], 'kept')
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    const store = await openTwin(
      before.kill({
        before: async ({ kind }) => {
          if (kind !== 'unlink') return
          reached.resolve()
          await gate.promise
        },
      }),
    )
    const sweep = store.sweep(digests([]))
    await reached.promise
    const uploaded = upload(store, [a], 'kept')
    await upload(store, [b], 'kept')
    gate.resolve()
    await uploaded
    await sweep
    expect(await store.read(a.digest, new Uint8Array(10), 0)).toEqual({ ok: true })
  })

  test('an upload heals a chunk that has rotted, also for those who have read it', async () => {
    const disk = new DiskTwin()
    const store = await openTwin(disk)
    await upload(store, [a], 'kept')
    const path = `/chunks/${a.digest.slice(0, 2)}/${a.digest}`
    const file = await disk.open(path, 'read')
    await file.write(new Uint8Array(10), 0)
    const into = new Uint8Array(10)
    await store.read(a.digest, into, 0)
    expect(into).toEqual(new Uint8Array(10))
    await upload(store, [a], 'kept')
    await store.read(a.digest, into, 0)
    expect(into).toEqual(a.bytes.subarray(0, 10))
  })
})
