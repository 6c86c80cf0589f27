import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { RequestId } from '../../../src/base/ids.ts'
import type { ControlStore } from '../../../src/base/port.ts'
import type { ReplicatedControlStore } from '../../../src/cluster/control/replicated.ts'
import { describeControlCrashes, describeControlStore } from '../../conformance/control.ts'
import { DiskTwin, failure } from '../../twin/disk.ts'
import { type OpenTenant, openTwinStorage, resideOnDisk, resideOnTwin } from '../fixture.ts'
import { openLoneMember } from '../membership/lone-member.ts'

const openControl: OpenTenant<ReplicatedControlStore> = async (storage, disk, directory) => {
  const member = await openLoneMember(storage, disk, directory)
  return { tenant: member.control, close: () => member.close() }
}

describeControlStore('the control state of one node on the disk twin', () =>
  resideOnTwin(openControl),
)
describeControlStore('the control state of one node on its disk', () => resideOnDisk(openControl))
describeControlCrashes('the control state of one node', (seed) =>
  resideOnTwin(openControl, { seed }),
)

function write(store: ControlStore, key: string, value = '') {
  const requestId = `put ${key}` as RequestId
  return store.write([{ kind: 'put', key, value }], { requestId })
}

test('a full disk refuses writes, loses none and takes them when it has room', async () => {
  const disk = new DiskTwin({ capacityBytes: 3_000_000 })
  const harness = await resideOnTwin(openControl, disk)
  await write(harness.tenant, 'a')
  const value = 'v'.repeat(65_536)
  const taken = Array.from({ length: 60 }, (_, i) => write(harness.tenant, `k${i}`, value))
  // Those that were on their way when the disk was full wait for room; whoever comes then is told.
  const isFull = async (): Promise<boolean> => {
    const outcome = write(harness.tenant, 'more')
    const told = await Promise.race([outcome, sleep(50)])
    if (told === undefined || told.ok) return false
    expect(told.error).toEqual({ kind: 'unavailable', reason: 'the disk is full' })
    return true
  }
  while (!(await isFull())) await Promise.resolve()
  disk.capacityBytes = 2 ** 30
  const outcomes = await Promise.all(taken)
  expect(outcomes.filter(({ ok }) => ok).length).toBeGreaterThan(10)
  expect((await write(harness.tenant, 'b')).ok).toBe(true)
  const { tenant: store, close } = await harness.restart()
  for (const [i, { ok }] of outcomes.entries()) {
    const found = await store.get(`k${i}`)
    expect(found.ok && found.value !== undefined, `k${i}`).toBe(ok)
  }
  expect(await store.get('b')).toMatchObject({ ok: true, value: { value: '' } })
  await close()
})

test('a failed disk tells the node, and acknowledges nothing any more', async () => {
  let isBroken = false
  const disk = new DiskTwin({
    before: ({ kind, path }) => {
      if (isBroken && kind === 'datasync' && path.includes('consensus')) throw failure('EIO', path)
    },
  })
  const storage = await openTwinStorage(disk)
  const member = await openLoneMember(storage, disk, '/data')
  await write(member.control, 'a')
  isBroken = true
  const lost = write(member.control, 'b')
  expect(await member.failed).toMatchObject({ code: 'disk-failed' })
  await member.close()
  expect(await lost).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  await storage.close()
})

test('closing the store ends its watches', async () => {
  const { tenant: store, close } = await resideOnTwin(openControl)
  const next = store.watch('')[Symbol.asyncIterator]().next()
  await close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('writes that are large together come back, and the log stays bounded', async () => {
  const disk = new DiskTwin({ capacityBytes: 64 * 1_024 * 1_024 })
  const harness = await resideOnTwin(openControl, disk)
  const value = 'v'.repeat(65_536)
  for (let i = 0; i < 60; i++) {
    const writes = Array.from({ length: 10 }, (_, j) =>
      harness.tenant.write(
        [{ kind: 'put', key: `k${j}`, value: `${i} ${value}`.slice(0, 65_536) }],
        {
          requestId: `${i} ${j}` as RequestId,
        },
      ),
    )
    expect((await Promise.all(writes)).every(({ ok }) => ok)).toBe(true)
  }
  const { freeBytes, totalBytes } = await disk.freeSpace()
  expect(totalBytes - freeBytes).toBeLessThan(24 * 1_024 * 1_024)
  const { tenant: store, close } = await harness.restart()
  expect(await store.get('k7')).toMatchObject({
    ok: true,
    value: { value: `59 ${value}`.slice(0, 65_536) },
  })
  await close()
})
