import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  type Admission,
  CHUNK_CHANNEL,
  CONSENSUS_CHANNEL,
} from '../../../src/cluster/wire/index.ts'
import { QUICK, SECRET, TestNode } from './fixture.ts'
import { Middleman } from './middleman.ts'

const BULK = CHUNK_CHANNEL

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

test('two nodes tell each other things, in order', async () => {
  const [a, b] = await pair()
  for (let i = 0; i < 100; i++) expect(a.say(b, `a${i}`)).toBe(true)
  expect(b.say(a, 'back')).toBe(true)
  await b.sees('a: a99')
  await a.sees('b: back')
  expect(b.log.filter((entry) => entry.startsWith('a: '))).toHaveLength(100)
  expect(b.log.indexOf('a: a0')).toBeLessThan(b.log.indexOf('a: a1'))
})

test('one payload goes to several peers, on any channel', async () => {
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((id) => started(id)))
  for (const node of [a, b, c]) node!.transport.setPeers([a!.peer(), b!.peer(), c!.peer()])
  await Promise.all([a!.sees('+b'), a!.sees('+c')])
  const payload = utf8('for both')
  for (const to of [b!, c!]) expect(a!.transport.send(to.id, BULK, payload)).toBe(true)
  await Promise.all([b!.sees('a: #5 for both'), c!.sees('a: #5 for both')])
})

test('large payloads arrive whole', async () => {
  const [a, b] = await pair()
  for (const size of [300_000, 5_000_000]) {
    expect(a.transport.send(b.id, CONSENSUS_CHANNEL, new Uint8Array(size).fill(97))).toBe(true)
    await b.sees(`a: ${size}`)
  }
})

test('nothing is sent to a node that is no peer, nor more than a frame holds', async () => {
  const [a, b] = await pair()
  const stranger = new TestNode('x')
  open.push(stranger.transport)
  expect(a.say(stranger, 'hello')).toBe(false)
  expect(a.counts.unsent).toBe(1)
  const payload = new Uint8Array(10 * 1_024 * 1_024)
  expect(a.transport.send(b.id, BULK, payload)).toBe(false)
  expect(a.counts.oversized).toBe(1)
})

test('a node that restarts is connected again, both ways, without being asked', async () => {
  const [a, b] = await pair()
  await b.transport.close()
  await a.sees('-b')
  await a.sees('b unreachable')
  expect(a.say(b, 'lost')).toBe(false)
  const again = await started('b', { listen: b.address, says: { incarnation: 'b-2' } })
  const before = a.log.length
  again.transport.setPeers([a.peer()])
  await a.sees('+b', before)
  await again.sees('+a')
  a.say(again, 'welcome back')
  await again.sees('a: welcome back')
})

test('a peer that dials is dialed at once, however long the pause has become', async () => {
  const limits = { ...QUICK, backOffMs: 60_000, backOffMaxMs: 60_000 }
  const a = await started('a', { limits })
  const b = await started('b')
  await b.transport.close()
  a.transport.setPeers([b.peer()])
  await a.sees('b unreachable')
  const again = await started('b', { listen: b.address })
  again.transport.setPeers([a.peer()])
  await a.sees('+b')
})

test('an address that is none is reported, not dialed', async () => {
  const a = await started('a')
  a.transport.setPeers([{ id: 'b' as never, address: 'nowhere', incarnation: undefined }])
  expect(await a.sees('b unreachable')).toContain('nowhere is no host:port')
})

test('a node that is not a peer is refused, learns why, and is admitted once it is one', async () => {
  const [a, b] = [await started('a'), await started('b', { says: { epoch: 7 } })]
  a.transport.setPeers([b.peer()])
  expect(await a.sees('b refuses')).toBe('b refuses: not-a-member @7')
  expect(b.counts.refused).toBeGreaterThan(0)
  b.transport.setPeers([a.peer()])
  await a.sees('+b')
})

test.each([
  'not-a-member',
  'other-incarnation',
  'removed',
  'foreign-cluster',
  'foreign-roster',
] as const)('the node decides whom it admits: %s', async (reason) => {
  const refuse = async (): Promise<Admission> => ({ admit: false, reason })
  const [a, b] = [await started('a'), await started('b', { admit: refuse })]
  a.transport.setPeers([b.peer()])
  b.transport.setPeers([a.peer()])
  expect(await a.sees('b refuses')).toBe(`b refuses: ${reason} @1`)
  expect(await b.sees('a unreachable')).toContain(reason)
  expect(a.say(b, 'hello')).toBe(false)
})

test('no frame goes either way before both have decided', async () => {
  const decision = Promise.withResolvers<Admission>()
  const [a, b] = [await started('a'), await started('b', { admit: () => decision.promise })]
  a.transport.setPeers([b.peer()])
  b.transport.setPeers([a.peer()])
  expect(a.transport.isConnected(b.id)).toBe(false)
  expect(b.transport.isConnected(a.id)).toBe(false)
  decision.resolve({ admit: true })
  await a.sees('+b')
  await b.sees('+a')
})

test('a decision that comes after the membership has changed counts for nothing', async () => {
  const [asked, decision] = [Promise.withResolvers<void>(), Promise.withResolvers<Admission>()]
  const admit = () => {
    asked.resolve()
    return decision.promise
  }
  const [a, b] = [await started('a'), await started('b', { admit })]
  b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
  a.transport.setPeers([b.peer()])
  await asked.promise
  b.transport.setPeers([])
  decision.resolve({ admit: true })
  expect(await a.sees('b refuses')).toBe('b refuses: not-a-member @1')
})

test.each(
  [0, 1, 2, 3].flatMap((turns) => [
    { turns, of: 'the dialed' },
    { turns, of: 'the dialing' },
  ]),
)('nor does one of $of node that comes $turns turns before', async ({ turns, of }) => {
  const decision = Promise.withResolvers<Admission>()
  const asked = Promise.withResolvers<void>()
  const admit = () => {
    asked.resolve()
    return decision.promise
  }
  const b = await started('b', of === 'the dialed' ? { admit } : {})
  const a = await started('a', of === 'the dialed' ? {} : { admit })
  b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
  a.transport.setPeers([b.peer()])
  await asked.promise
  decision.resolve({ admit: true })
  for (let i = 0; i < turns; i++) await Promise.resolve()
  if (of === 'the dialed') b.transport.setPeers([])
  else a.transport.setPeers([b.peer('another')])
  const ends = ['b refuses: not-a-member', 'b unreachable', '-b'].map((entry) => a.sees(entry))
  const stays = sleep(2_000).then(() => 'stays')
  expect(await Promise.race([...ends, stays])).not.toBe('stays')
})

test('a decision that fails ends the connection', async () => {
  const admit = () => Promise.reject(new Error('the disk is broken'))
  const [a, b] = [await started('a'), await started('b', { admit })]
  a.transport.setPeers([b.peer()])
  b.transport.setPeers([a.peer()])
  await a.sees('b unreachable')
  expect(await b.sees('a unreachable')).toContain('could not decide')
})

test('a node that is removed is cut off at once, both ways', async () => {
  const [a, b] = await pair()
  a.transport.setPeers([])
  expect(a.log).toContain('-b')
  expect(a.transport.isConnected(b.id)).toBe(false)
  await b.sees('-a')
  expect(await b.sees('a refuses')).toBe('a refuses: not-a-member @1')
})

test('an incarnation that is replaced is cut off at once, both ways', async () => {
  const [a, b] = await pair()
  a.transport.setPeers([b.peer('b-1')])
  expect(a.transport.isConnected(b.id)).toBe(true)
  a.transport.setPeers([b.peer('b-2')])
  expect(a.log).toContain('-b')
  await b.sees('-a')
  expect(await b.sees('a refuses')).toBe('a refuses: other-incarnation @1')
  expect(await a.sees('b unreachable')).toContain('other-incarnation')
})

test('an old incarnation does not get in beside the new one', async () => {
  const a = await started('a')
  const [old, young] = [await started('b'), await started('b', { says: { incarnation: 'b-2' } })]
  a.transport.setPeers([young.peer('b-2')])
  for (const node of [old, young]) node.transport.setPeers([a.peer()])
  await young.sees('+a')
  expect(await old.sees('a refuses')).toBe('a refuses: other-incarnation @1')
  expect(old.say(a, 'hello')).toBe(false)
})

test('a node that answers at the address of another is not taken for it', async () => {
  const [a, c] = [await started('a'), await started('c')]
  c.transport.setPeers([a.peer()])
  a.transport.setPeers([{ ...c.peer(), id: 'b' as never }, c.peer()])
  expect(await a.sees('b unreachable')).toContain('c answers')
})

test('a peer at whose address another one is looked for stays connected', async () => {
  const [a, c] = [await started('a'), await started('c')]
  c.transport.setPeers([a.peer()])
  a.transport.setPeers([c.peer()])
  await a.sees('+c')
  a.transport.setPeers([c.peer(), { ...c.peer(), id: 'b' as NodeId }])
  for (let tries = 0; tries < 3; tries++) await a.sees('b unreachable: c', a.log.length)
  expect(a.log).not.toContain('-c')
})

test('what another node than the peer says of this one does not count, nor does its own echo', async () => {
  const refuses = { admit: (): Admission => ({ admit: false, reason: 'other-incarnation' }) }
  for (const other of [await started('x', refuses), undefined]) {
    const a = await started('a', other ? {} : refuses)
    const answers = other ?? a
    a.transport.setPeers([{ ...answers.peer(), id: 'b' as NodeId }])
    await a.sees(`b unreachable: ${answers.id} answers at its address`)
    expect(a.log.filter((entry) => entry.includes('refuses'))).toEqual([])
  }
})

test('a peer that moves is dialed at its new address', async () => {
  const [a, b] = await pair()
  const moved = await started('b')
  moved.transport.setPeers([a.peer()])
  a.transport.setPeers([moved.peer()])
  a.say(b, 'lost')
  await a.sees('+b', a.log.indexOf('-b'))
  a.say(b, 'hello')
  await moved.sees('a: hello')
})

test('another secret reaches nobody, and both sides can tell', async () => {
  const [a, b] = [await started('a'), await started('b', { secret: utf8('x'.repeat(32)) })]
  a.transport.setPeers([b.peer()])
  b.transport.setPeers([a.peer()])
  expect(await a.sees('b unreachable')).toContain('the same secret')
  await a.sees('b unreachable', 1)
  expect(b.counts.unauthenticated).toBeGreaterThan(0)
  expect([...a.log, ...b.log].filter((entry) => entry.startsWith('+'))).toEqual([])
})

test('another cluster with the same secret is refused, and counted', async () => {
  const [a, b] = [await started('a'), await started('b', { says: { cluster: 'other' } })]
  a.transport.setPeers([b.peer()])
  b.transport.setPeers([a.peer()])
  expect(await a.sees('b refuses')).toBe('b refuses: foreign-cluster @1')
  await a.sees('b refuses', a.log.length)
  expect(b.counts.refused).toBeGreaterThan(0)
})

test('a secret that is too short is a bug of who starts the transport', () => {
  expect(() => new TestNode('a', { secret: SECRET.subarray(0, 31) })).toThrow('too short')
})

test('silence in either direction is noticed', async () => {
  for (const direction of ['forward', 'backward'] as const) {
    const [a, b] = [await started('a'), await started('b')]
    const middleman = await new Middleman().start(() => b.address)
    a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
    b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
    await a.sees('+b')
    middleman[direction] = () => undefined
    await a.sees('-b')
    middleman[direction] = (chunk) => chunk
    await a.sees('+b', a.log.lastIndexOf('-b'))
    await a.transport.close()
    await middleman.stop()
  }
})

test('idle nodes stay connected', async () => {
  const [a, b] = [await started('a'), await started('b')]
  const middleman = await new Middleman().start(() => b.address)
  a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
  b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
  await a.sees('+b')
  const chunks = Promise.withResolvers<void>()
  middleman.forward = (chunk) => {
    if (middleman.recorded[0]!.length > 10) chunks.resolve()
    return chunk
  }
  await chunks.promise
  expect(a.log).toEqual(['+b'])
  await a.transport.close()
  await middleman.stop()
})

test('what waits for a peer that does not read is bounded, and consensus overtakes bulk', async () => {
  const limits = {
    ...QUICK,
    pingMs: 60_000,
    consensusQueueBytes: 3_000_000,
    bulkQueueBytes: 2_000_000,
  }
  const [a, b] = [await started('a', { limits }), await started('b', { limits })]
  const middleman = await new Middleman().start(() => b.address)
  a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
  b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
  await a.sees('+b')
  middleman.pair.dialer.pause()
  const payload = new Uint8Array(100_000).fill(98)
  let taken = 0
  while (a.transport.send(b.id, BULK, payload)) taken++
  expect(taken).toBeLessThan(200)
  expect(a.counts.unsent).toBe(1)
  expect(a.say(b, 'urgent')).toBe(true)
  let urgent = 0
  while (a.transport.send(b.id, CONSENSUS_CHANNEL, payload)) urgent++
  expect(urgent).toBe(29)
  expect(a.counts.unsent).toBe(2)
  middleman.pair.dialer.resume()
  await a.sees('drained b')
  expect(a.say(b, 'last')).toBe(true)
  await b.sees('a: last')
  const heard = b.log.filter((entry) => entry.startsWith('a: '))
  expect(heard.filter((entry) => entry === 'a: #5 100000')).toHaveLength(taken)
  expect(heard.indexOf('a: urgent')).toBeLessThan(heard.lastIndexOf('a: #5 100000') - 10)
  await middleman.stop()
})

test('what waited when a connection ended is not sent on the next one', async () => {
  const [a, b] = await pair()
  while (a.transport.send(b.id, BULK, new Uint8Array(100_000)));
  expect(a.say(b, 'stale')).toBe(true)
  a.transport.setPeers([{ ...b.peer(), address: `localhost:${b.address.port}` }])
  await a.sees('+b', 1)
  a.say(b, 'fresh')
  await b.sees('a: fresh')
  expect(b.log).not.toContain('a: stale')
})

test('a connection whose end nobody was told of is replaced by the next one', async () => {
  const quiet = { limits: { ...QUICK, pingMs: 60_000 } }
  const [a, b] = [await started('a', quiet), await started('b', quiet)]
  const middleman = await new Middleman().start(() => b.address)
  a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
  b.transport.setPeers([{ ...a.peer(), address: '127.0.0.1:1' }])
  await a.sees('+b')
  const { dialer, listener } = middleman.pair
  middleman.isMute = true
  const replaced = once(listener, 'close')
  dialer.destroy()
  await a.sees('+b', 1)
  await replaced
  a.say(b, 'hello')
  await b.sees('a: hello')
  await middleman.stop()
})

test('nothing comes from a transport that has been closed', async () => {
  const [a, b] = await pair()
  for (let i = 0; i < 100; i++) b.say(a, `b${i}`)
  await a.transport.close()
  const { length } = a.log
  await b.sees('-a')
  await b.sees('a unreachable')
  expect(a.log).toHaveLength(length)
})

test('a transport that is closed does not blame the membership', async () => {
  const reasons: string[] = []
  const a = await started('a', { onDisconnected: (_, reason) => reasons.push(reason) })
  const b = await started('b')
  b.transport.setPeers([a.peer()])
  a.transport.setPeers([b.peer()])
  await a.sees('+b')
  await a.transport.close()
  expect(reasons).toEqual(['this node is shutting down'])
})

test('a port that is taken is an error of listen', async () => {
  const a = await started('a')
  const b = new TestNode('b', { listen: a.address })
  open.push(b.transport)
  await expect(b.start()).rejects.toThrow('EADDRINUSE')
})

async function started(...args: ConstructorParameters<typeof TestNode>): Promise<TestNode> {
  const node = new TestNode(...args)
  open.push(node.transport)
  return node.start()
}

/** Two nodes that are connected both ways. */
async function pair(): Promise<[TestNode, TestNode]> {
  const [a, b] = [await started('a'), await started('b')]
  a.transport.setPeers([a.peer(), b.peer()])
  b.transport.setPeers([a.peer(), b.peer()])
  await Promise.all([a.sees('+b'), b.sees('+a')])
  return [a, b]
}
