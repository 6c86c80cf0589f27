import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import type { AetherError } from '../../../src/base/fault.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { rosterHash, type TransportCallbacks } from '../../../src/cluster/membership/index.ts'
import {
  ClusterMember,
  type ClusterMemberOptions,
} from '../../../src/cluster/membership/member.driver.ts'
import { TcpTransport } from '../../../src/cluster/wire/transport.tcp.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openTwinStorage } from '../fixture.ts'
import { QUICK, SECRET, TestNode } from '../wire/fixture.ts'
import { openLoneMember } from './lone-member.ts'

const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]

/** One of two founders; the other one is at `address`. */
async function started({
  address = '127.0.0.1:2',
  ...options
}: Pick<ClusterMemberOptions, 'connect' | 'report'> &
  Partial<Pick<ClusterMemberOptions, 'founding'>> & { readonly address?: string }) {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const roster = rosterWith(address)
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

test('a member that is alone lacks nothing', async () => {
  const disk = new DiskTwin()
  const storage = await openTwinStorage(disk)
  const member = await openLoneMember(storage, disk, '/data')
  await expect
    .poll(() => member.status())
    .toMatchObject({
      members: [{ id: n1, replicas: 1_024, replicasBehind: 0 }],
      partitions: { underReplicated: 0 },
    })
  await member.close()
  await storage.close()
})

test('why a node cannot be reached is told once', async () => {
  const attempts = new EventEmitter()
  const said: unknown[] = []
  const { close } = await started({
    report: (level, message, detail) => said.push({ level, message, ...detail }),
    connect: (callbacks) =>
      transportOf({
        ...callbacks,
        onUnreachable: (peer, reason, isRefused) => {
          callbacks.onUnreachable(peer, reason, isRefused)
          attempts.emit('failed')
        },
      }),
  })
  for (let i = 0; i < 3; i++) await once(attempts, 'failed')
  const reason = expect.stringContaining('ECONNREFUSED')
  const told = said.filter((one) => (one as { peer?: NodeId }).peer === n2)
  expect(told).toEqual([{ level: 'warn', message: 'a node cannot be reached', peer: n2, reason }])
  await close()
})

test('a node that was told to join says so, a founder does not', async () => {
  const joins: boolean[] = []
  const contacts = new Map([[n2, '127.0.0.1:2']])
  for (const more of [{}, { founding: { kind: 'join', contacts } }] as const) {
    const connect = (callbacks: TransportCallbacks) => {
      joins.push(callbacks.hello().isJoining)
      return transportOf(callbacks)
    }
    await (await started({ report() {}, connect, ...more })).close()
  }
  expect(joins).toEqual([false, true])
})

test('a node that was removed is told how to come back, and not to remove it again', async () => {
  const { promise, resolve } = Promise.withResolvers<TransportCallbacks>()
  const connect = (callbacks: TransportCallbacks) => {
    resolve(callbacks)
    return transportOf(callbacks)
  }
  const { member, close } = await started({ report() {}, connect })
  const callbacks = await promise
  callbacks.onRefused(n2, 'removed', 2)
  const fault = (await member.failed) as AetherError
  expect(fault.code).toBe('membership-lost')
  expect(fault.next).toContain('cluster add n1')
  expect(fault.next).not.toContain('cluster remove')
  await close()
})

test('a node that is closed does not report that it has lost the others', async () => {
  const peer = await new TestNode('n2').start()
  const address = peer.says.address
  peer.says = { ...peer.says, roster: rosterHash(rosterWith(address)) }
  peer.transport.setPeers([{ id: n1, address: 'nowhere', incarnation: undefined }])
  const said: string[] = []
  const met = Promise.withResolvers<void>()
  const { close } = await started({
    address,
    report: (_, message) => {
      said.push(message)
      if (message === 'a node can be reached') met.resolve()
    },
    connect: transportOf,
  })
  await met.promise
  await close()
  expect(said.at(-1)).toBe('a node can be reached')
  await peer.transport.close()
})

function rosterWith(address: string) {
  return new Map([
    [n1, '127.0.0.1:1'],
    [n2, address],
  ])
}

function transportOf(callbacks: TransportCallbacks): TcpTransport {
  const listen = { host: '127.0.0.1', port: 0 }
  return new TcpTransport({ ...callbacks, secret: SECRET, listen, limits: QUICK })
}
