import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { RequestId } from '../../../src/base/ids.ts'
import type { ClusterMember } from '../../../src/cluster/membership/member.driver.ts'
import { DiskTwin, type DiskTwinOptions } from '../../twin/disk.ts'
import { encodeTransition } from '../control/engine-state.ts'
import { openTwinStorage } from '../fixture.ts'
import { n1, openLoneMember } from './lone-member.ts'

/** A disk as a node without a log has left it: three writes, of which the last one deletes. */
async function oldDisk(options: DiskTwinOptions = {}): Promise<DiskTwin> {
  const disk = new DiskTwin(options)
  const storage = await openTwinStorage(disk)
  const changes = [
    [{ key: 'tokens/admin', value: 'digest' }],
    [{ key: 'a', value: '1' }],
    [{ key: 'a', value: undefined }],
  ]
  for (const [i, change] of changes.entries()) {
    const revision = i + 1
    const requestId = `request ${revision}` as RequestId
    await storage.engine.commit(
      encodeTransition({
        revision,
        requestId,
        changes: change.map((each) => ({ ...each, revision })),
      }),
    )
  }
  await storage.close()
  return disk
}

async function withMember<T>(
  disk: DiskTwin,
  use: (member: ClusterMember) => Promise<T>,
): Promise<T> {
  const storage = await openTwinStorage(disk)
  try {
    const member = await openLoneMember(storage, disk, '/data')
    try {
      return await use(member)
    } finally {
      await member.close()
    }
  } finally {
    await storage.close()
  }
}

function write(member: ClusterMember, key: string, requestId: string) {
  const operations = [{ kind: 'put' as const, key, value: 'new' }]
  return member.control.write(operations, { requestId: requestId as RequestId })
}

async function expectImported(member: ClusterMember): Promise<void> {
  expect(await member.control.list('')).toMatchObject({
    ok: true,
    value: [{ key: 'tokens/admin', value: 'digest', revision: 1 }],
  })
  // What was written before the import is still known by its request.
  expect(await write(member, 'a', 'request 2')).toEqual({ ok: true, value: 2 })
}

test('the control state of a node without a log is taken over once, and then grows', async () => {
  const disk = await oldDisk()
  await withMember(disk, async (member) => {
    await expectImported(member)
    expect(await write(member, 'b', 'another')).toEqual({ ok: true, value: 4 })
  })
  const later = disk.kill()
  const storage = await openTwinStorage(later)
  const range = { gte: Uint8Array.of(0x10), lt: Uint8Array.of(0x11), limit: 1 }
  expect(await storage.engine.scan(range)).toEqual([])
  await storage.close()
  await withMember(later.kill(), async (member) => {
    expect(await member.control.get('b')).toMatchObject({ ok: true, value: { revision: 4 } })
  })
})

test('it is taken over whole when the first start is cut short at any step', async () => {
  const whole = await oldDisk()
  const stepsBefore = whole.steps
  await withMember(whole, expectImported)
  const steps = whole.steps - stepsBefore
  expect(steps).toBeGreaterThan(20)
  for (let at = 0; at <= steps; at++) {
    for (const seed of [at, at + 1_000]) {
      const disk = await oldDisk({ seed })
      disk.haltAfter(at)
      const first = withMember(disk, expectImported)
      await Promise.race([first, disk.halted])
      await withMember(disk.crash(), expectImported)
    }
  }
})

test.each([
  ['a transition within', 2],
  ['the newest transition', 3],
])('it is not taken over when the engine has lost %s', async (_, revision) => {
  const disk = await oldDisk()
  const storage = await openTwinStorage(disk)
  const key = Uint8Array.of(0x10, 2, 0, 0, 0, 0, 0, revision)
  await storage.engine.commit([{ kind: 'delete', key }])
  await storage.close()
  if (revision === 3) return
  await expect(withMember(disk.kill(), expectImported)).rejects.toMatchObject({
    code: 'data-damaged',
    message: expect.stringContaining('the control state has lost acknowledged writes'),
  })
})

test('what a newer Aether wrote is refused', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const key = new Uint8Array([0x10, 1, ...utf8('k')])
  await storage.engine.commit([{ kind: 'put', key, value: Uint8Array.of(2) }])
  await storage.close()
  await expect(withMember(disk.kill(), expectImported)).rejects.toMatchObject({
    code: 'data-format-newer',
  })
})

test.each([
  ['the snapshot', ['snapshot'], /the snapshot of the control state is missing/],
  ['the identity', ['identity'], /the consensus log does not belong to this data directory/],
  ['the log', ['log'], /the consensus log does not belong to this data directory/],
  ['the identity and the snapshot', ['identity', 'snapshot'], /does not belong/],
])('a directory that has lost %s is refused', async (_, names, message) => {
  const disk = new DiskTwin()
  await withMember(disk, (member) => write(member, 'k', 'request'))
  for (const name of names) {
    const path = `/data/consensus/${name}`
    const files = name === 'log' ? await disk.list(path) : []
    for (const file of files) await disk.unlink(`${path}/${file}`)
    if (name !== 'log') await disk.unlink(path)
  }
  await expect(withMember(disk.kill(), expectImported)).rejects.toMatchObject({
    code: 'data-damaged',
    message: expect.stringMatching(message),
  })
})

test('the only member binds itself to its disk, and keeps what it was', async () => {
  const disk = new DiskTwin()
  const bound = await withMember(disk, async (member) => {
    while (member.status().epoch < 2) await new Promise((go) => setTimeout(go, 5))
    return member.status()
  })
  expect(bound).toMatchObject({ self: n1, hasQuorum: true, waiting: [] })
  await withMember(disk.kill(), async (member) => {
    expect(member.status().members).toEqual(bound.members)
    expect(await member.remove(n1)).toEqual({ ok: false, error: { kind: 'last-voter' } })
    expect(await member.add(n1)).toEqual({ ok: false, error: { kind: 'already-member' } })
  })
})
