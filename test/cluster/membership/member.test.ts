import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { ClusterMember } from '../../../src/cluster/membership/member.driver.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openTwinStorage } from '../fixture.ts'

const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]

test('a member that reaches too few voters promises no change of the members', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const member = await ClusterMember.open({
    disk,
    directory: '/data',
    storage,
    cluster: 'test',
    self: n1,
    founding: {
      kind: 'form',
      roster: new Map([
        [n1, '127.0.0.1:1'],
        [n2, '127.0.0.1:2'],
      ]),
    },
    address: '127.0.0.1:1',
    meter: { applied() {}, synced() {}, saved() {} },
    report() {},
  })
  await member.start()
  // An order that waits would be carried out when n2 has come back.
  expect(await member.remove(n2)).toEqual({
    ok: false,
    error: { kind: 'unavailable', reason: '1 of 2 voters can be reached, and 2 are needed' },
  })
  expect(member.status()).toMatchObject({ hasQuorum: false, members: [{ id: n1 }, { id: n2 }] })
  await member.close()
  await storage.close()
})
