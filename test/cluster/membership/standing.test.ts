/** What a member finds out about its own place in the cluster, from peers that it talks to over TCP. */
import { afterEach, expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { type Roster, rosterHash } from '../../../src/cluster/membership/index.ts'
import type { Message } from '../../../src/cluster/rabia/index.ts'
import { CONSENSUS_CHANNEL, decodeMessage, encodeMessage } from '../../../src/cluster/wire/index.ts'
import { TestNode } from '../wire/fixture.ts'
import { diskAt, freeAddress, type MemberSetting, startMember } from './member-at-peers.ts'

const [n1, n2, n3] = ['n1', 'n2', 'n3'] as [NodeId, NodeId, NodeId]

const closings: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closings.splice(0)) await close()
})

type PeerOptions = ConstructorParameters<typeof TestNode>[1]

/** A peer at an address that the member knows before. */
function peerAt(id: NodeId, address: string, options: PeerOptions = {}): TestNode {
  const listen = { host: '127.0.0.1', port: Number(address.split(':')[1]) }
  const node = new TestNode(id, { listen, ...options })
  closings.push(() => node.transport.close())
  return node
}

async function start(setting: MemberSetting) {
  const running = await startMember(setting)
  closings.push(running.close)
  return running
}

/** n1 of the founders n1 and n2, and where both are. */
async function ofTwo(): Promise<MemberSetting & { readonly other: string; roster: Roster }> {
  const [address, other] = [await freeAddress(), await freeAddress()]
  const roster = new Map([
    [n1, address],
    [n2, other],
  ])
  return { self: n1, address, other, roster, founding: { kind: 'form', roster } }
}

/** What resolves once the node has heard such a message, and how it hears them. */
function hearing(until: (message: Message) => boolean) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onMessage = (_: NodeId, __: number, payload: Uint8Array) => {
    const message = decodeMessage(payload)
    if (message.ok && until(message.value)) resolve()
  }
  return { heard: promise, onMessage }
}

test('a disk that was rolled back is refused for good, whoever still knows that it was', async () => {
  const { other, roster, ...setting } = await ofTwo()
  const n2Node = peerAt(n2, other, {
    says: { roster: rosterHash(roster) },
    onMessage(from, _, payload) {
      const message = decodeMessage(payload)
      if (!message.ok || message.value.kind !== 'recall') return
      const { boot } = message.value
      const ballot = { stage: 'state', phase: 1, value: 0, batch: undefined } as const
      const witness = encodeMessage({ kind: 'witness', boot, slot: 9, ballot })
      n2Node.transport.send(from, CONSENSUS_CHANNEL, witness)
    },
  })
  await n2Node.start()
  n2Node.transport.setPeers([{ id: n1, address: setting.address, incarnation: undefined }])
  const { member, disk, close } = await startMember(setting)
  const advice = { code: 'membership-lost', next: expect.stringContaining('empty the data dir') }
  expect(await member.failed).toMatchObject(advice)
  await n2Node.transport.close()
  await close()
  await expect(startMember({ ...setting, disk: disk.crash() })).rejects.toMatchObject(advice)
})

test('a removed node stays until those that remain know it, however often it is started', async () => {
  const { other, roster: _, ...setting } = await ofTwo()
  const members = [
    { id: n2, incarnation: 'n2-1', address: other, role: 'voter' as const },
    { id: n3, incarnation: 'n3-1', address: '127.0.0.1:1', role: 'learner' as const },
  ]
  const disk = await diskAt(setting, { epoch: 7, members })
  const { member, said } = await start({ ...setting, disk })
  await expect.poll(() => said).toContainEqual(expect.stringContaining('stays until'))
  expect(said.join()).toContain('{"peers":["n2"]}')
  expect(member.obstacle()).toContain('stops when enough of n2 know it')
  let met = 0
  const n2Node = peerAt(n2, other, {
    says: { epoch: 6 },
    admit() {
      met++
      return { admit: false, reason: 'removed' }
    },
  })
  await n2Node.start()
  await expect.poll(() => met).toBeGreaterThan(5)
  expect(member.obstacle()).toContain('stops when enough of n2 know it')
  n2Node.says = { ...n2Node.says, epoch: 7 }
  await expect.poll(() => member.obstacle()).toContain('stops soon')
  expect(await member.failed).toMatchObject({
    code: 'membership-lost',
    message: 'n1 was removed from the cluster test',
  })
})

/** Whether a member whose disk is at two founders, neither of them bound, asks to be bound under its name. */
async function binds(founding: 'form' | 'join'): Promise<boolean> {
  const { other, roster, ...setting } = await ofTwo()
  const contacts = new Map([[n2, other]])
  const own = { ...setting, ...(founding === 'join' && { founding: { kind: founding, contacts } }) }
  const members = [n1, n2].map((id) => {
    const address = roster.get(id) ?? ''
    return { id, incarnation: undefined, address, role: 'voter' as const }
  })
  const disk = await diskAt(own, { epoch: 1, members })
  let [fetches, isBinding] = [0, false]
  const { heard, onMessage } = hearing((message) => {
    if (message.kind === 'fetch') fetches++
    isBinding ||= JSON.stringify(message).includes('bind')
    return isBinding || fetches > 2 * TICKS_BETWEEN_CHANGES
  })
  const says = { roster: rosterHash(roster) }
  const n2Node = peerAt(n2, other, { says, onMessage })
  await n2Node.start()
  n2Node.transport.setPeers([{ id: n1, address: setting.address, incarnation: undefined }])
  await start({ ...own, disk })
  await heard
  return isBinding
}

/** A node looks this often whether the members have to be changed; without a vote it asks on each tick for what it lacks. */
const TICKS_BETWEEN_CHANGES = 25

test('a founder has its disk bound to its name', async () => {
  expect(await binds('form')).toBe(true)
})

test('a node that joins does not pass for the founder of its name', async () => {
  expect(await binds('join')).toBe(false)
})

test('a member that was away while all others were replaced says so, and how to come back', async () => {
  const { other, roster: _, ...setting } = await ofTwo()
  const members = [
    { id: n1, incarnation: undefined, address: setting.address, role: 'voter' as const },
    { id: n2, incarnation: 'replaced', address: other, role: 'voter' as const },
  ]
  const disk = await diskAt(setting, { epoch: 3, members })
  const { member, said } = await start({ ...setting, disk })
  expect(member.obstacle()).toBe('waits for n2: 1 of 2 voters can be reached, and 2 are needed')
  const n2Node = peerAt(n2, other, { says: { epoch: 9 } })
  await n2Node.start()
  n2Node.transport.setPeers([{ id: n1, address: setting.address, incarnation: undefined }])
  await expect.poll(() => member.obstacle()).toContain('epoch 9 of the members, this node at 3')
  expect(member.obstacle()).toContain('run `aether cluster remove n1` on n2; here empty the data')
  const log = () => said.filter((line) => line.startsWith('this node is left behind'))
  await expect.poll(log, { timeout: 10_000 }).toHaveLength(1)
  expect(log()[0]).toContain('aether cluster add n1')
}, 20_000)

/** The only founder, when a member at `epoch` has dialed it that knows another disk under its name. */
async function dialedAt(epoch: number) {
  const address = await freeAddress()
  const founding = { kind: 'form', roster: new Map([[n1, address]]) } as const
  const { member } = await start({ self: n1, founding, address })
  await expect.poll(() => member.status().epoch).toBe(2)
  const n2Node = peerAt(n2, await freeAddress(), { says: { epoch } })
  await n2Node.start()
  n2Node.transport.setPeers([{ id: n1, address, incarnation: 'emptied' }])
  await n2Node.sees('n1 refuses')
  return member
}

test('the only founder stops when its disk was emptied and one of those that it had taken in dials it', async () => {
  const member = await dialedAt(5)
  expect(await member.failed).toMatchObject({
    code: 'membership-lost',
    message:
      'the cluster, by n2, knows another disk under the name n1 than the one in this data directory',
    next: expect.stringContaining('aether cluster remove n1'),
  })
})

test('it does not believe one that knows less than it does', async () => {
  const member = await dialedAt(1)
  expect(await Promise.race([member.failed, Promise.resolve('goes on')])).toBe('goes on')
})
