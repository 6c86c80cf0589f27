import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { open, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import type { BlobStore } from '../../src/base/port.ts'
import { createBlobStore } from '../../src/cluster/dht/blob/blob-store.driver.ts'
import { BlobCache } from '../../src/storage/blob-cache.ts'
import { localDisk } from '../../src/storage/disk.ts'
import { openLevelStore } from '../../src/storage/level.disk.ts'
import { openStorage, type Storage } from '../../src/storage/storage.disk.ts'
import { blobOf, inPieces, readAll, type TestBlob } from '../conformance/blob-store.ts'
import { DiskTwin } from '../twin/disk.ts'
import { openLevelTwin } from '../twin/level.ts'
import { EngineMapSpace } from '../twin/map-space.ts'

const MIB = 1_024 * 1_024

type Node = { readonly storage: Storage; readonly blobs: BlobStore }

function nodeOn(storage: Storage): Node {
  const manifests = new EngineMapSpace(storage.engine)
  const cache = new BlobCache(0)
  return { storage, blobs: createBlobStore({ manifests, chunks: storage.chunks, cache }) }
}

/** Puts blobs, `width` at a time, until one is refused for want of space; gives those that were taken. */
async function fill(
  node: Node,
  { firstSeed, sizeBytes, width }: { firstSeed: number; sizeBytes: number; width: number },
): Promise<TestBlob[]> {
  const taken: TestBlob[] = []
  for (let seed = firstSeed; ; seed += width) {
    const blobs = Array.from({ length: width }, (_, i) => blobOf(seed + i, sizeBytes))
    const outcomes = await Promise.all(
      blobs.map(({ bytes }) => node.blobs.put(inPieces(bytes, 65_536))),
    )
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.ok) taken.push(blobs[i] as TestBlob)
      else expect(outcome.error).toEqual({ kind: 'no-space' })
    }
    if (outcomes.some((outcome) => !outcome.ok)) return taken
  }
}

async function expectReadable(node: Node, blobs: readonly TestBlob[]): Promise<void> {
  for (const { digest, bytes } of blobs) {
    expect((await readAll(node.blobs, digest)).equals(bytes)).toBe(true)
  }
}

function commit(node: Node, sizeBytes = 1): Promise<unknown> {
  const value = new Uint8Array(sizeBytes)
  return node.storage.engine.commit([{ kind: 'put', key: utf8('\xff'), value }])
}

test('a full disk refuses uploads, keeps what it has and takes uploads when it has room', async () => {
  const disk = new DiskTwin({ capacityBytes: 8 * MIB })
  const openTwin = (on: DiskTwin) =>
    openStorage({
      disk: on,
      directory: '/data',
      openStore: (directory) => openLevelTwin(on, directory),
    })
  const node = nodeOn(await openTwin(disk))
  const taken = await fill(node, { firstSeed: 1, sizeBytes: 200_000, width: 1 })
  expect(taken.length).toBeGreaterThan(10)
  await expectReadable(node, taken)
  // Uploads leave a second reserve to the records.
  for (let i = 0; i < 20; i++) expect(await commit(node, 40_000)).toEqual({ ok: true })

  disk.capacityBytes += 4 * MIB
  const more = await fill(node, { firstSeed: 1_000, sizeBytes: 200_000, width: 1 })
  expect(more.length).toBeGreaterThan(5)
  await expectReadable(nodeOn(await openTwin(disk.crash())), [...taken, ...more])
})

test('a refused upload gives its space back', async () => {
  const disk = new DiskTwin({ capacityBytes: 8 * MIB })
  const openStore = (directory: string) => openLevelTwin(disk, directory)
  const node = nodeOn(await openStorage({ disk, directory: '/data', openStore }))
  const { freeBytes } = await disk.freeSpace()
  for (let i = 0; i < 5; i++) {
    const large = blobOf(i, 7 * MIB)
    expect(await node.blobs.put(inPieces(large.bytes, 65_536))).toEqual({
      ok: false,
      error: { kind: 'no-space' },
    })
    expect((await disk.freeSpace()).freeBytes).toBe(freeBytes)
  }
})

describe('on a small file system', () => {
  const mountPoint = mkdtempSync(join(tmpdir(), 'aether-full-'))
  const refusal = mount(mountPoint)
  if (refusal !== undefined) console.log(`skipped: cannot mount a tmpfs (${refusal})`)

  afterAll(() => {
    if (refusal === undefined) execFileSync('umount', [mountPoint])
    rmdirSync(mountPoint)
  })

  test.skipIf(refusal !== undefined)(
    'survives a disk that is filled by it and by others',
    async () => {
      const options = {
        disk: localDisk,
        directory: join(mountPoint, 'data'),
        openStore: openLevelStore,
      }
      let node = nodeOn(await openStorage(options))
      const taken = await fill(node, { firstSeed: 1, sizeBytes: 500_000, width: 4 })
      expect(taken.length).toBeGreaterThan(20)
      expect(await commit(node)).toEqual({ ok: true })

      const filler = join(mountPoint, 'filler')
      await fillRest(filler)
      for (let i = 0; i < 20; i++) {
        const upload = await node.blobs.put(inPieces(blobOf(5_000 + i, 200_000).bytes, 65_536))
        expect(upload).toEqual({ ok: false, error: { kind: 'no-space' } })
      }
      expect(await commit(node)).toEqual({ ok: false, error: { kind: 'no-space' } })
      await expectReadable(node, taken)

      await rm(filler)
      await rm(join(mountPoint, 'ballast'))
      expect(await commit(node)).toEqual({ ok: true })
      const more = await fill(node, { firstSeed: 9_000, sizeBytes: 500_000, width: 4 })
      expect(more.length).toBeGreaterThan(5)
      await node.storage.close()

      node = nodeOn(await openStorage(options))
      await expectReadable(node, [...taken, ...more])
      await node.storage.close()
    },
  )

  function mount(directory: string): string | undefined {
    if (process.platform !== 'linux') return `this is ${process.platform}`
    if (process.getuid?.() !== 0) return 'not root'
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', directory], {
        stdio: 'pipe',
      })
      execFileSync('dd', ['if=/dev/zero', `of=${directory}/ballast`, 'bs=1M', 'count=16'], {
        stdio: 'pipe',
      })
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message.trim() : String(error)
    }
  }

  /** Takes the last byte of the file system, as another program would. */
  async function fillRest(path: string): Promise<void> {
    await writeFile(path, '')
    const file = await open(path, 'a')
    const { bavail, bsize } = await statfs(path)
    const piece = Buffer.alloc(bsize)
    for (let i = 0; i < bavail; i++) await file.write(piece).catch(() => {})
    await file.close()
  }
})
