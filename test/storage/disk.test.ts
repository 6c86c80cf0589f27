import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { localDisk } from '../../src/storage/disk.ts'
import { diskConformance } from '../conformance/disk.ts'
import { DiskTwin, failure } from '../twin/disk.ts'
import { seededBytes } from '../twin/random.ts'

describe('the local disk', () => {
  const directories: string[] = []
  afterEach(async () => {
    for (const path of directories.splice(0)) await rm(path, { recursive: true })
  })
  diskConformance(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'aether-disk-'))
    directories.push(directory)
    return { disk: localDisk, directory }
  })
})

describe('the disk twin', () => {
  diskConformance(async () => {
    const disk = new DiskTwin()
    await disk.makeDirectory('/data')
    return { disk, directory: '/data' }
  })

  const content = seededBytes(7, 20_000)

  async function written(seed: number, syncs: { data: boolean; name: boolean }): Promise<DiskTwin> {
    const disk = new DiskTwin({ seed })
    const file = await disk.open('/a', 'create')
    await file.write(content, 0)
    if (syncs.data) await file.datasync()
    if (syncs.name) await disk.syncDirectory('/')
    return disk.crash()
  }

  async function bytesOf(disk: DiskTwin): Promise<Buffer> {
    const file = await disk.open('/a', 'read')
    const into = Buffer.alloc(content.length)
    return into.subarray(0, await file.read(into, 0))
  }

  test('keeps through power loss what was synced', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = await written(seed, { data: true, name: true })
      expect(content).toEqual(new Uint8Array(await bytesOf(disk)))
    }
  })

  test('may lose or garble unsynced bytes and may lose unsynced names', async () => {
    let isContentIntact = 0
    let isNameKept = 0
    for (let seed = 0; seed < 50; seed++) {
      const disk = await written(seed, { data: false, name: true })
      if ((await bytesOf(disk)).equals(content)) isContentIntact++
      const nameless = await written(seed, { data: true, name: false })
      if (await nameless.exists('/a')) isNameKept++
    }
    expect(isContentIntact).toBeLessThan(10)
    expect(isNameKept).toBeGreaterThan(5)
    expect(isNameKept).toBeLessThan(45)
  })

  test('keeps everything when only the process dies, and makes nothing durable', async () => {
    const disk = new DiskTwin({ seed: 3 })
    const file = await disk.open('/a', 'create')
    await file.write(content, 0)
    const next = disk.kill()
    expect((await bytesOf(next)).equals(content)).toBe(true)
    const lost = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => next.kill({ seed }).crash().exists('/a')),
    )
    expect(lost).toContain(false)
  })

  test('stops at a given step and never answers again', async () => {
    const disk = new DiskTwin()
    disk.haltAfter(2)
    const file = await disk.open('/a', 'create')
    await file.write(utf8('1'), 0)
    const third = file.write(utf8('2'), 1).then(() => 'done')
    expect(await Promise.race([third, disk.halted.then(() => 'halted')])).toBe('halted')
    expect(disk.steps).toBe(3)
  })

  test('is full at its capacity and has room again after an unlink', async () => {
    const disk = new DiskTwin({ capacityBytes: 10 })
    const file = await disk.open('/a', 'create')
    await expect(file.write(new Uint8Array(11), 0)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect((await disk.freeSpace()).freeBytes).toBe(0)
    await disk.unlink('/a')
    expect((await disk.freeSpace()).freeBytes).toBe(10)
  })

  test('fails the calls it is told to fail', async () => {
    const disk = new DiskTwin({
      before: (call) => {
        if (call.kind === 'datasync') throw failure('EIO', call.path)
      },
    })
    const file = await disk.open('/a', 'create')
    await expect(file.datasync()).rejects.toMatchObject({ code: 'EIO' })
  })
})
