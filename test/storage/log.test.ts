import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { localDisk } from '../../src/storage/disk.ts'
import type { Disk } from '../../src/storage/file-system.ts'
import { ConsensusLog } from '../../src/storage/log.disk.ts'
import { SECTOR_BYTES } from '../../src/storage/log-frame.ts'
import { LogScan } from '../../src/storage/log-scan.ts'
import { type LogInput, LogWriter } from '../../src/storage/log-writer.ts'
import { consensusLogConformance, entry, IDENTITY, openLog } from '../conformance/consensus-log.ts'
import { DiskTwin, failure } from '../twin/disk.ts'

const directory = '/log'

describe('the consensus log on the local disk', () => {
  const directories: string[] = []
  afterEach(async () => {
    for (const path of directories.splice(0)) await rm(path, { recursive: true })
  })
  consensusLogConformance(async () => {
    const path = await mkdtemp(join(tmpdir(), 'aether-log-'))
    directories.push(path)
    return { disk: localDisk, directory: path }
  })
})

describe('the consensus log on the disk twin', () => {
  consensusLogConformance(async () => {
    const disk = new DiskTwin()
    await disk.makeDirectory(directory)
    return { disk, directory }
  })
})

test('frames overwrite the zeros that an earlier one has brought along', () => {
  const nothing = new LogScan([], () => undefined).finish()
  const segmentBytes = 2 * 1_024 * 1_024
  const writer = new LogWriter(nothing, { identity: IDENTITY, segmentBytes })
  const inputs: LogInput[] = [{ kind: 'open' }]
  for (let slot = 1; slot < 1_000; slot++)
    inputs.push({ kind: 'append', token: slot, entries: [entry(slot)] })
  const sizes: number[] = []
  for (const input of inputs) {
    const [run] = writer.step(input)
    if (run?.kind !== 'run') throw new Error('expected a run')
    for (const action of run.actions) if (action.kind === 'write') sizes.push(action.bytes.length)
    writer.step({ kind: 'ran' })
  }
  const extended = sizes.filter((size) => size > SECTOR_BYTES)
  expect(extended.length).toBe(Math.ceil((1_000 * SECTOR_BYTES) / (512 * 1_024)))
  expect(extended).toEqual(extended.map(() => 512 * 1_024))
})

/** A twin whose next calls of a kind fail. */
async function failing(): Promise<{ disk: DiskTwin; fail: Map<string, string> }> {
  const fail = new Map<string, string>()
  const disk = new DiskTwin({
    before({ kind, path }) {
      const code = fail.get(kind)
      if (code !== undefined) throw failure(code, path)
    },
  })
  await disk.makeDirectory(directory)
  return { disk, fail }
}

describe('a full disk', () => {
  test('refuses in order what is queued, loses nothing, and goes on when there is space', async () => {
    const { disk } = await failing()
    const { log } = await openLog(disk, directory)
    await log.append(1, [entry(1)])
    disk.capacityBytes = 3 * 4_096
    const refused = await Promise.all(
      [2, 3, 4].map((slot) => log.append(slot, [entry(slot, 9_000)])),
    )
    expect(refused).toEqual(Array(3).fill({ ok: false, error: { kind: 'no-space' } }))
    expect(await log.append(5, [entry(5, 1)])).toMatchObject({ ok: false })
    disk.capacityBytes = 2 ** 30
    expect(await log.append(3, [entry(3)])).toMatchObject({ ok: false })
    for (const slot of [2, 3, 4, 5])
      expect(await log.append(slot, [entry(slot)])).toMatchObject({ ok: true })
    await log.close()
    const { log: again, slots } = await openLog(disk.crash(), directory)
    expect(slots).toEqual([1, 2, 3, 4, 5])
    await again.close()
  })

  test('keeps what was promised when it ends in a restart', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = new DiskTwin({ seed })
      await disk.makeDirectory(directory)
      await disk.syncDirectory('/')
      const { log } = await openLog(disk, directory)
      for (const slot of [1, 2, 3]) await log.append(slot, [entry(slot)])
      disk.capacityBytes = 0
      expect(await log.append(4, [entry(4, 5_000)])).toMatchObject({ ok: false })
      const { slots } = await openLog(disk.crash({ capacityBytes: 2 ** 30 }), directory)
      expect(slots).toEqual([1, 2, 3])
    }
  })

  test('refuses to open, and says so', async () => {
    const { disk } = await failing()
    disk.capacityBytes = 100
    await expect(openLog(disk, directory)).rejects.toMatchObject({ code: 'no-space' })
    disk.capacityBytes = 2 ** 30
    const { log } = await openLog(disk, directory)
    await log.close()
  })
})

describe('a broken disk', () => {
  for (const kind of ['datasync', 'write', 'syncDirectory', 'create'])
    test(`is final when ${kind} fails once, also for what is queued`, async () => {
      const { disk, fail } = await failing()
      const { log } = await openLog(disk, directory)
      await log.append(1, [entry(1)])
      await log.append(2, [entry(2, 5_000)])
      const before = disk.steps
      fail.set(kind, 'EIO')
      const outcomes = Promise.allSettled([3, 4].map((slot) => log.append(slot, [entry(slot)])))
      for (const outcome of await outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'disk-failed' } })
      fail.clear()
      const steps = disk.steps
      expect(steps - before).toBeLessThan(5)
      await expect(log.append(5, [entry(5)])).rejects.toMatchObject({ code: 'disk-failed' })
      await log.close()
      expect(disk.steps).toBe(steps)
    })

  test('is final when a full disk shows only at the sync', async () => {
    const { disk, fail } = await failing()
    const { log } = await openLog(disk, directory)
    fail.set('datasync', 'ENOSPC')
    await expect(log.append(1, [entry(1)])).rejects.toMatchObject({ code: 'disk-failed' })
  })

  test('refuses to open when it cannot be read, and says what to do', async () => {
    const unreadable: Disk = {
      ...localDisk,
      list: async () => ['0000000000.segment'],
      open: (path) => Promise.reject(failure('EIO', path)),
    }
    await expect(
      ConsensusLog.open(unreadable, { directory, identity: IDENTITY }, () => {}),
    ).rejects.toMatchObject({ code: 'disk-failed', next: expect.stringContaining('disk') })
  })
})
