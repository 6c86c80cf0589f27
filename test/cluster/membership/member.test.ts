import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  ClusterMember,
  type ClusterMemberOptions,
} from '../../../src/cluster/membership/member.driver.ts'
import { TcpTransport } from '../../../src/cluster/wire/transport.tcp.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openTwinStorage } from '../fixture.ts'
import { QUICK, SECRET } from '../wire/fixture.ts'

const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]

/** One of two founders; the other one is not there. */
async function started(options: Pick<ClusterMemberOptions, 'connect' | 'report'>) {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const roster = new Map([
    [n1, '127.0.0.1:1'],
    [n2, '127.0.0.1:2'],
  ])
  const member = await ClusterMember.open({
    disk,
    directory: '/data',
    storage,
    cluster: 'test',
    self: n1,
    founding: { kind: 'form', roster },
    address: '127.0.0.1:1',
    meter: { applied() {}, synced() {}, saved() {} },
    ...options,
  })
  await member.start()
  const close = async () => {
    await member.close()
    await storage.close()
  }
  return { member, close }
}

test('a member that reaches too few voters promises no change of the members', async () => {
  const { member, close } = await started({ report() {} })
  // An order that waits would be carried out when n2 has come back.
  expect(await member.remove(n2)).toEqual({
    ok: false,
    error: { kind: 'unavailable', reason: '1 of 2 voters can be reached, and 2 are needed' },
  })
  expect(member.status()).toMatchObject({ hasQuorum: false, members: [{ id: n1 }, { id: n2 }] })
  await close()
})

test('why a node cannot be reached is told once', async () => {
  const attempts = new EventEmitter()
  const said: unknown[] = []
  const { close } = await started({
    report: (level, message, detail) => said.push({ level, message, ...detail }),
    connect: (callbacks) =>
      new TcpTransport({
        ...callbacks,
        onUnreachable: (peer, reason) => {
          callbacks.onUnreachable(peer, reason)
          attempts.emit('failed')
        },
        secret: SECRET,
        listen: { host: '127.0.0.1', port: 0 },
        limits: QUICK,
      }),
  })
  for (let i = 0; i < 3; i++) await once(attempts, 'failed')
  const reason = expect.stringContaining('ECONNREFUSED')
  const told = said.filter((one) => (one as { peer?: NodeId }).peer === n2)
  expect(told).toEqual([{ level: 'warn', message: 'a node cannot be reached', peer: n2, reason }])
  await close()
})
