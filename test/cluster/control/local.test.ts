import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { RequestId } from '../../../src/base/ids.ts'
import type { ControlStore } from '../../../src/base/port.ts'
import {
  type LocalControlStore,
  openLocalControl,
} from '../../../src/cluster/control/local.driver.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { describeControlCrashes, describeControlStore } from '../../conformance/control.ts'
import { DiskTwin, failure } from '../../twin/disk.ts'
import { openTwinStorage, resideOnDisk, resideOnTwin, type Tenant } from '../fixture.ts'

async function openControl({ engine }: Storage): Promise<Tenant<LocalControlStore>> {
  const store = await openLocalControl(engine)
  return { tenant: store, close: () => store.close() }
}

describeControlStore('the control state of one node on the disk twin', () =>
  resideOnTwin(openControl),
)
describeControlStore('the control state of one node on LevelDB', () => resideOnDisk(openControl))
describeControlCrashes('the control state of one node', (seed) =>
  resideOnTwin(openControl, { seed }),
)

function write(store: ControlStore, key: string, value = '') {
  const requestId = `put ${key}` as RequestId
  return store.write([{ kind: 'put', key, value }], { requestId })
}

test('a full disk refuses writes and loses none', async () => {
  const disk = new DiskTwin({ capacityBytes: 1_000_000 })
  const harness = await resideOnTwin(openControl, disk)
  await write(harness.tenant, 'a')
  const value = 'v'.repeat(65_536)
  const many = Array.from({ length: 20 }, (_, i) => write(harness.tenant, `k${i}`, value))
  const refused = (await Promise.all(many)).find((result) => !result.ok)
  expect(refused).toEqual({ ok: false, error: { kind: 'unavailable', reason: 'the disk is full' } })
  disk.capacityBytes = 2 ** 30
  expect((await write(harness.tenant, 'b')).ok).toBe(true)
  const { tenant: store, close } = await harness.restart()
  expect(await store.get('b')).toMatchObject({ ok: true, value: { value: '' } })
  expect(await store.get('a')).toMatchObject({ ok: true, value: { revision: 1 } })
  await close()
})

test('a failed disk leaves writes unknown, serves no more and tells the node', async () => {
  let isBroken = false
  const disk = new DiskTwin({
    before: ({ kind, path }) => {
      if (isBroken && kind === 'datasync') throw failure('EIO', path)
    },
  })
  const { tenant: store } = await resideOnTwin(openControl, disk)
  await write(store, 'a')
  isBroken = true
  const [first, second] = await Promise.all([write(store, 'b'), write(store, 'c')])
  expect(first).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  expect(second).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
  expect(await store.failed).toMatchObject({ code: 'disk-failed' })
  expect(await store.get('a')).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
  expect(await store.list('')).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
})

test('closing the store ends its watches', async () => {
  const { tenant: store, close } = await resideOnTwin(openControl)
  const next = store.watch('')[Symbol.asyncIterator]().next()
  await close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test.each([
  ['a transition within', 2],
  ['the newest transition', 3],
])('is not opened when the engine has lost %s', async (_, revision) => {
  const disk = new DiskTwin()
  const { tenant: store, close } = await resideOnTwin(openControl, disk)
  for (const key of ['a', 'b', 'c']) await write(store, key)
  await close()
  const storage = await openTwinStorage(disk.kill())
  const key = Uint8Array.of(0x10, 2, 0, 0, 0, 0, 0, revision)
  expect(storage.engine.get(key)).toBeDefined()
  await storage.engine.commit([{ kind: 'delete', key }])
  await expect(openLocalControl(storage.engine)).rejects.toMatchObject({
    code: 'data-damaged',
    message: expect.stringContaining('the control state has lost acknowledged writes'),
  })
  await storage.close()
})

test('what a newer Aether wrote is refused', async () => {
  const storage = await openTwinStorage(new DiskTwin())
  const key = new Uint8Array([0x10, 1, ...utf8('k')])
  await storage.engine.commit([{ kind: 'put', key, value: Uint8Array.of(2) }])
  await expect(openLocalControl(storage.engine)).rejects.toMatchObject({
    code: 'data-format-newer',
  })
  await storage.close()
})
