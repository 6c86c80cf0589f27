import { expect, test } from 'vitest'
import { text, utf8 } from '../../src/base/bytes.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import { SnapshotFile } from '../../src/storage/snapshot.disk.ts'
import { DiskTwin, failure } from '../twin/disk.ts'

const path = '/snapshot'

async function open(disk: DiskTwin, admit = true) {
  const failStop = new FailStop()
  const options = { disk, path, failStop, admit: async () => admit }
  const { file, content } = await SnapshotFile.open(options)
  return {
    failStop,
    content: content === undefined ? undefined : text(content),
    save: (content: string) => file.save(utf8(content)),
  }
}

test('has no content at first and the saved one later', async () => {
  const disk = new DiskTwin()
  const file = await open(disk)
  expect(file.content).toBeUndefined()
  expect(await file.save('first')).toEqual({ ok: true })
  expect(await file.save('')).toEqual({ ok: true })
  expect((await open(disk.crash())).content).toBe('')
})

test('a content of several megabytes comes back as it was', async () => {
  const disk = new DiskTwin()
  for (const length of [1_048_543, 1_048_544, 3_000_000]) {
    const content = 'x'.repeat(length)
    await (await open(disk)).save(content)
    expect((await open(disk)).content === content, `${length} bytes`).toBe(true)
  }
})

test('a disk that is full at any step refuses, and takes the next content when it has room', async () => {
  for (const kind of ['create', 'write', 'datasync', 'rename'] as const) {
    let isFull = false
    const disk = new DiskTwin({
      before: (call) => {
        if (isFull && call.kind === kind) throw failure('ENOSPC', call.path)
      },
    })
    const file = await open(disk)
    await file.save('old')
    isFull = true
    expect(await file.save('lost')).toEqual({ ok: false, error: { kind: 'no-space' } })
    expect((await open(disk.kill())).content).toBe('old')
    isFull = false
    const again = await open(disk.kill())
    expect(await again.save('new'), `after a refused ${kind}`).toEqual({ ok: true })
  }
})

test('what the reserve of the disk has no room for is refused untried', async () => {
  const disk = new DiskTwin()
  const file = await open(disk, false)
  const { steps } = disk
  expect(await file.save('any')).toEqual({ ok: false, error: { kind: 'no-space' } })
  expect(disk.steps).toBe(steps)
})

test('a failed sync is final', async () => {
  const disk = new DiskTwin({
    before: ({ kind }) => {
      if (kind === 'datasync') throw failure('EIO', path)
    },
  })
  const file = await open(disk)
  await expect(file.save('a')).rejects.toMatchObject({ code: 'disk-failed' })
  await expect(file.save('b')).rejects.toMatchObject({ code: 'disk-failed' })
  expect(await file.failStop.failed).toMatchObject({ code: 'disk-failed' })
})

test('damage anywhere is refused', async () => {
  const saved = new DiskTwin()
  await (await open(saved)).save('content')
  const source = await saved.open(path, 'read')
  const bytes = new Uint8Array(100)
  const good = bytes.slice(0, await source.read(bytes, 0))
  const damaged = [...good.keys()].map((at) => good.map((byte, i) => (i === at ? byte ^ 1 : byte)))
  for (const bad of [...damaged, good.subarray(0, 20), good.subarray(0, -1)]) {
    const disk = new DiskTwin()
    await (await disk.open(path, 'create')).write(bad, 0)
    await expect(open(disk)).rejects.toMatchObject({ code: 'data-damaged' })
  }
})
