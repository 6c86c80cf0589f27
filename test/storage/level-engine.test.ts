import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { AetherError } from '../../src/base/fault.ts'
import { localDisk } from '../../src/storage/disk.ts'
import type { Engine } from '../../src/storage/engine.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import { SpaceGuard } from '../../src/storage/free-space.ts'
import { openLevelStore } from '../../src/storage/level.disk.ts'
import { openLevelEngine } from '../../src/storage/level-engine.ts'
import { sealValue } from '../../src/storage/sealed-value.ts'
import { engineConformance } from '../conformance/engine.ts'
import { DiskTwin, failure } from '../twin/disk.ts'
import { openEngineTwin } from '../twin/engine.ts'

describe('the level engine', () => {
  const directories: string[] = []
  const directoryOf = new Map<Engine, string>()
  afterEach(async () => {
    for (const path of directories.splice(0)) await rm(path, { recursive: true })
  })

  async function temporaryDirectory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'aether-level-'))
    directories.push(directory)
    await mkdir(join(directory, 'engine'))
    await mkdir(join(directory, 'values'))
    return join(directory, 'engine')
  }

  async function openAt(directory: string): Promise<Engine> {
    const engine = await openLevelEngine({
      disk: localDisk,
      directory,
      valueDirectory: join(directory, '..', 'values'),
      space: new SpaceGuard(localDisk, join(directory, '..')),
      failStop: new FailStop(),
      openStore: openLevelStore,
    })
    directoryOf.set(engine, directory)
    return engine
  }

  engineConformance({
    open: async () => openAt(await temporaryDirectory()),
    reopen: async (engine) => {
      await engine.close()
      return openAt(directoryOf.get(engine) as string)
    },
  })

  test('refuses a directory that is in use', async () => {
    const directory = await temporaryDirectory()
    const engine = await openAt(directory)
    await expect(openAt(directory)).rejects.toMatchObject({
      name: 'AetherError',
      code: 'data-directory-in-use',
    })
    await engine.close()
  })

  test('reads large values of versions that kept them in LevelDB, and keeps new ones outside', async () => {
    const directory = await temporaryDirectory()
    const raw = new Level<Uint8Array, Uint8Array>(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    const [key, value] = [utf8('a'), new Uint8Array(20_000).fill(7)]
    await raw.put(key, sealValue(key, value))
    await raw.close()

    const engine = await openAt(directory)
    expect(Buffer.from(engine.get(key) ?? []).equals(value)).toBe(true)
    expect(await readdir(join(directory, '..', 'values'))).toEqual([])
    await engine.commit([{ kind: 'put', key, value }])
    expect(Buffer.from(engine.get(key) ?? []).equals(value)).toBe(true)
    expect(await readdir(join(directory, '..', 'values'))).toEqual(['1-0'])
    await engine.close()
  })

  test('refuses to return a value that is damaged, or of a newer format', async () => {
    const directory = await temporaryDirectory()
    let engine = await openAt(directory)
    await engine.commit([{ kind: 'put', key: utf8('a'), value: utf8('value') }])
    await engine.close()

    const raw = new Level<Uint8Array, Uint8Array>(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    const sealed = (await raw.get(utf8('a'))) as Uint8Array
    await raw.put(utf8('moved'), sealed)
    await raw.put(utf8('short'), new Uint8Array(3))
    sealed[7] = (sealed[7] as number) ^ 1
    await raw.put(utf8('a'), sealed)
    await raw.close()

    engine = await openAt(directory)
    for (const key of ['a', 'moved', 'short']) {
      expect(() => engine.get(utf8(key))).toThrow(
        expect.objectContaining({ code: 'data-damaged' }) as Error,
      )
    }
    await expect(engine.scan({ gte: utf8('a'), lt: utf8('b'), limit: 1 })).rejects.toMatchObject({
      code: 'data-damaged',
    })
    await engine.close()
  })
})

describe('the engine twin', () => {
  const disks = new Map<Engine, DiskTwin>()

  async function openOn(disk: DiskTwin): Promise<Engine> {
    const { engine } = await openEngineTwin(disk)
    disks.set(engine, disk)
    return engine
  }

  engineConformance({
    open: () => openOn(new DiskTwin()),
    reopen: async (engine) => {
      await engine.close()
      return openOn((disks.get(engine) as DiskTwin).crash())
    },
  })

  const operation = { kind: 'put', key: utf8('a'), value: new Uint8Array(1_000) } as const

  test('a failed sync is final', async () => {
    let isBroken = false
    const disk = new DiskTwin({
      before: ({ kind, path }) => {
        if (isBroken && kind === 'datasync') throw failure('EIO', path)
      },
    })
    const { engine, failStop } = await openEngineTwin(disk)
    await engine.commit([operation])
    isBroken = true
    const commits = [engine.commit([operation]), engine.commit([operation])]
    for (const commit of commits)
      await expect(commit).rejects.toMatchObject({ code: 'disk-failed' })
    isBroken = false
    await expect(engine.commit([operation])).rejects.toMatchObject({ code: 'disk-failed' })
    expect(await failStop.failed).toBeInstanceOf(AetherError)
    expect(engine.get(operation.key)).toBeDefined()
    await engine.close()
  })

  test('what waits behind a failed sync is not written, even if the disk has recovered', async () => {
    const reached = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    let syncs = 0
    const disk = new DiskTwin({
      before: async ({ kind, path }) => {
        if (kind !== 'datasync' || !path.includes('log') || syncs++ > 0) return
        reached.resolve()
        await gate.promise
        throw failure('EIO', path)
      },
    })
    const { engine } = await openEngineTwin(disk)
    const failing = engine.commit([operation])
    await reached.promise
    const waiting = engine.commit([operation])
    gate.resolve()
    await expect(failing).rejects.toMatchObject({ code: 'disk-failed' })
    await expect(waiting).rejects.toMatchObject({ code: 'disk-failed' })
    expect(syncs).toBe(1)
    await engine.close()
  })

  test('refuses commits before the disk is full, and takes them again when there is room', async () => {
    const disk = new DiskTwin({ capacityBytes: 100_000 })
    const { engine, failStop } = await openEngineTwin(disk)
    let isFull = false
    for (let i = 0; i < 200 && !isFull; i++) {
      const outcome = await engine.commit([operation])
      isFull = !outcome.ok
      if (isFull) expect(outcome).toEqual({ ok: false, error: { kind: 'no-space' } })
    }
    expect(isFull).toBe(true)
    expect((await disk.freeSpace()).freeBytes).toBeGreaterThan(0)
    disk.capacityBytes = 200_000
    expect(await engine.commit([operation])).toEqual({ ok: true })
    expect(() => failStop.check()).not.toThrow()
    await engine.close()
  })
})
