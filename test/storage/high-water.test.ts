import { expect, test } from 'vitest'
import type { PartitionId } from '../../src/base/ids.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import { openHighWater } from '../../src/storage/high-water.disk.ts'
import type { HighWater, Marks } from '../../src/storage/high-water.ts'
import { DiskTwin, failure } from '../twin/disk.ts'

const path = '/high-water'

function open(disk: DiskTwin): Promise<HighWater> {
  return openHighWater({ disk, path, failStop: new FailStop() })
}

function table(seq: number): Marks {
  const partitions = Array.from({ length: 1_024 }, (_, i) => i as PartitionId)
  return new Map(partitions.map((partition) => [partition, { epoch: 2 ** 40, seq }]))
}

test('has no marks at first and the saved ones later', async () => {
  const disk = new DiskTwin()
  const file = await open(disk)
  expect(file.marks.size).toBe(0)
  expect(await file.save(table(1))).toEqual({ ok: true })
  expect(await file.save(table(Number.MAX_SAFE_INTEGER))).toEqual({ ok: true })
  expect((await open(disk.crash())).marks).toEqual(table(Number.MAX_SAFE_INTEGER))
})

test('keeps the table before when the disk is full, and saves again when it is not', async () => {
  const disk = new DiskTwin({ capacityBytes: 30_000 })
  const file = await open(disk)
  await file.save(table(1))
  expect(await file.save(table(2))).toEqual({ ok: false, error: { kind: 'no-space' } })
  disk.capacityBytes = 60_000
  const reopened = await open(disk.kill())
  expect(reopened.marks).toEqual(table(1))
  expect(await reopened.save(table(3))).toEqual({ ok: true })
})

test('a disk that is full at any step refuses, and takes the next table when it has room', async () => {
  for (const kind of ['create', 'write', 'datasync', 'rename', 'syncDirectory'] as const) {
    let isFull = false
    const disk = new DiskTwin({
      before: (call) => {
        if (isFull && call.kind === kind) throw failure('ENOSPC', call.path)
      },
    })
    const file = await open(disk)
    await file.save(table(1))
    isFull = true
    expect(await file.save(table(2))).toEqual({ ok: false, error: { kind: 'no-space' } })
    isFull = false
    expect(await file.save(table(3)), `after a refused ${kind}`).toEqual({ ok: true })
    expect((await open(disk.crash())).marks).toEqual(table(3))
  }
})

test('a damaged table is refused', async () => {
  const disk = new DiskTwin()
  await (await open(disk)).save(table(1))
  const file = await disk.open(path, 'read')
  await file.write(Uint8Array.of(1), 100)
  await expect(open(disk)).rejects.toMatchObject({ code: 'data-damaged' })
})

test('a failed sync is final', async () => {
  let isBroken = true
  const disk = new DiskTwin({
    before: (call) => {
      if (isBroken && call.kind === 'datasync') throw failure('EIO', call.path)
    },
  })
  const file = await open(disk)
  await expect(file.save(table(1))).rejects.toMatchObject({ code: 'disk-failed' })
  isBroken = false
  await expect(file.save(table(1))).rejects.toMatchObject({ code: 'disk-failed' })
})
