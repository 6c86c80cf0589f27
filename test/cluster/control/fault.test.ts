import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import { type Home, openHome } from '../../../src/cluster/membership/home.driver.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openTwinStorage } from '../fixture.ts'

const n1 = 'n1' as NodeId

function open(disk: DiskTwin, storage: Storage): Promise<Home> {
  return openHome({
    disk,
    directory: '/data',
    storage,
    cluster: 'test',
    self: n1,
    founding: { kind: 'form', roster: new Map([[n1, '']]) },
    meter: { applied() {}, synced() {}, saved() {} },
  })
}

const outlet = { send() {}, applied() {}, violated() {}, ticked() {} }

function write({ consensus }: Home, key: string) {
  return consensus.control.write([{ kind: 'put', key, value: '' }], {
    requestId: `put ${key}` as RequestId,
  })
}

test('a replica that meets a bug of its own says so and is silent from then on', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const home = await open(disk, storage)
  const { consensus } = home
  consensus.start(outlet)
  await write(home, 'a')
  consensus.machine.apply = () => {
    throw new Error('a bug')
  }
  const lost = write(home, 'b')
  expect(await consensus.failed).toMatchObject({ message: 'a bug' })
  await consensus.close()
  expect(await lost).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  await storage.close()
})

test('a replica that has stopped at a command says so after a restart, too', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const { consensus } = await open(disk, storage)
  const ticks = new EventEmitter()
  consensus.start({ ...outlet, ticked: () => ticks.emit('tick') })
  await consensus.control.execute({ kind: 'announce', node: n1, knows: 2 })
  await consensus.control.execute({ kind: 'enable', upTo: 2 })
  const newer = { kind: 'announce', node: n1, knows: 2, format: 2 } as const
  const unknown = consensus.control.execute(newer)
  while (consensus.stalled === undefined) await once(ticks, 'tick')
  // The decision goes to the log.
  await once(ticks, 'tick')
  const { stalled } = consensus
  expect(stalled).toContain('format 2')
  await consensus.close()
  expect(await unknown).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  const again = await open(disk, storage)
  expect(again.consensus.stalled).toBe(stalled)
  await again.consensus.close()
  await storage.close()
})

test('a write that no record of the log can hold is a bug of its caller, and of nobody else', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const home = await open(disk, storage)
  home.consensus.start(outlet)
  // Each of these takes seven bytes in the log.
  const value = '\u0001'.repeat(65_536)
  const operations = Array.from(
    { length: 40 },
    (_, i) => ({ kind: 'put', key: `${i}`, value }) as const,
  )
  const requestId = 'large' as RequestId
  const { control } = home.consensus
  await expect(control.write(operations, { requestId })).rejects.toThrow('a write of')
  expect(await control.write(operations.slice(0, 16), { requestId })).toMatchObject({ ok: true })
  await home.consensus.close()
  await storage.close()
})
