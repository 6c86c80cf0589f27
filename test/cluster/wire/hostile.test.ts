/** Scenario 45: frames that are altered, too long, of another connection, repeated, or no frames at all. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { DropReason } from '../../../src/cluster/wire/index.ts'
import { QUICK, TestNode } from './fixture.ts'
import { Middleman } from './middleman.ts'

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

test.each<[string, DropReason, (frame: Buffer, earlier: Buffer) => Buffer]>([
  ['altered', 'foreign', (frame) => flipped(frame, frame.length - 1)],
  ['with another MAC', 'foreign', (frame) => flipped(frame, 12)],
  ['on another channel', 'foreign', (frame) => flipped(frame, 5)],
  ['longer than any', 'oversized', (frame) => flipped(frame, 0)],
  ['shorter than any', 'malformed', () => Buffer.from([0, 0, 0, 1, 1])],
  ['repeated', 'replayed', (frame) => Buffer.concat([frame, frame])],
  ['of an earlier connection', 'foreign', (_, earlier) => earlier],
  ['random', 'oversized', () => Buffer.alloc(100, 0xe7)],
])(
  'a frame that is %s is counted as %s and ends the connection, for a moment',
  async (_, reason, alter) => {
    const { a, b, middleman } = await meet()
    a.say(b, 'first')
    await b.sees('a: first')
    const earlier = middleman.recorded.at(-1)!.at(-1)!
    middleman.pair.dialer.destroy()
    await a.sees('-b')
    await a.sees('+b', a.log.length)

    middleman.forward = (chunk) => {
      middleman.forward = (rest) => rest
      return alter(chunk, earlier)
    }
    const before = a.log.length
    a.say(b, 'second')
    await a.sees('-b', before)
    await a.sees('+b', before)
    a.say(b, 'third')
    await b.sees('a: third')
    expect(b.counts[reason]).toBe(1)
    const heard = b.log.filter((entry) => entry.startsWith('a: '))
    expect(heard).toEqual(
      reason === 'replayed' ? ['a: first', 'a: second', 'a: third'] : ['a: first', 'a: third'],
    )
  },
)

test('a conversation that is repeated as a whole gets no further than its greeting', async () => {
  const { a, b, middleman } = await meet()
  a.say(b, 'once')
  await b.sees('a: once')
  const socket = connect(b.address)
  for (const chunk of middleman.recorded[0]!) socket.write(chunk)
  await closed(socket)
  expect(b.counts.unauthenticated).toBe(1)
  expect(b.log.filter((entry) => entry === 'a: once')).toHaveLength(1)
})

test.each([
  ['HTTP', utf8('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'oversized'],
  ['zeros', new Uint8Array(10_000), 'malformed'],
  ['a length without end', new Uint8Array(1_000).fill(255), 'oversized'],
  ['the start of TLS', Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3), 'oversized'],
] as const)('a listener that is told %s hangs up', async (_, bytes, reason) => {
  const b = await started('b')
  const socket = connect(b.address)
  socket.write(bytes)
  await closed(socket)
  expect(b.counts[reason]).toBe(1)
})

test('a dialer that is told rubbish hangs up and tries again', async () => {
  const { a, middleman } = await meet()
  middleman.backward = () => Buffer.alloc(50, 1)
  middleman.pair.dialer.destroy()
  await a.sees('-b')
  await a.sees('b unreachable', a.log.length)
  expect(a.counts.oversized).toBeGreaterThan(0)
  middleman.backward = (chunk) => chunk
  await a.sees('+b', a.log.length)
})

test('those who say nothing are few and do not stay, and a peer passes between them', async () => {
  const strangers = 8
  const b = await started('b', { limits: { ...QUICK, strangers, handshakeMs: 300 } })
  const sockets = Array.from({ length: 50 }, () => connect(b.address))
  const closings = sockets.map((socket) => closed(socket))
  await Promise.all(closings.slice(0, 50 - strangers))
  expect(b.counts.unauthenticated).toBe(50 - strangers)
  expect(sockets.slice(50 - strangers).filter((socket) => socket.destroyed)).toEqual([])

  const a = await started('a')
  b.transport.setPeers([a.peer()])
  a.transport.setPeers([b.peer()])
  await a.sees('+b')
  await Promise.all(closings)
  expect(b.counts.unauthenticated).toBe(50)
  expect(a.log).toEqual(['+b'])
})

test.skipIf(process.platform !== 'linux')('a host that floods pushes out its own', async () => {
  const b = await started('b', { limits: { ...QUICK, handshakeMs: 60_000 } })
  const honest = connect({ ...b.address, localAddress: '127.0.0.2' })
  await once(honest, 'data')
  const flood = Array.from({ length: 100 }, () => connect(b.address))
  const closings = flood.map((socket) => closed(socket))
  await Promise.all(closings.slice(0, 84))
  expect(b.counts.unauthenticated).toBe(84)
  expect([honest, ...flood.slice(84)].filter((socket) => socket.destroyed)).toEqual([])
  await b.transport.close()
  await Promise.all([closed(honest), ...closings])
})

test('those who speak one byte at a time have no longer than the others', async () => {
  const b = await started('b', { limits: { ...QUICK, handshakeMs: 200 } })
  const socket = connect(b.address)
  await once(socket, 'connect')
  socket.write(Uint8Array.of(0, 0, 15, 0))
  const drip = setInterval(() => socket.write(Uint8Array.of(1)), 10)
  await closed(socket)
  clearInterval(drip)
  expect(b.counts.unauthenticated).toBe(1)
})

test('a listener that never greets is given up', async () => {
  const { a, middleman } = await meet({ handshakeMs: 100 })
  middleman.backward = () => undefined
  middleman.pair.dialer.destroy()
  await a.sees('-b')
  expect(await a.sees('b unreachable', a.log.length)).toContain('in time')
})

async function started(...args: ConstructorParameters<typeof TestNode>): Promise<TestNode> {
  const node = new TestNode(...args)
  open.push(node.transport)
  return node.start()
}

/** `a` sends to `b` through the middleman. */
async function meet(limits: Partial<typeof QUICK> = {}) {
  // Only what a test says goes over the wire.
  const overrides = { limits: { ...QUICK, pingMs: 60_000, ...limits } }
  const [a, b] = [await started('a', overrides), await started('b', overrides)]
  const middleman = await new Middleman().start(() => b.address)
  open.push({ close: () => middleman.stop() })
  b.transport.setPeers([{ ...a.peer(), address: 'nowhere' }])
  a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
  await a.sees('+b')
  return { a, b, middleman }
}

async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  // Not `once`, which rejects when the other side resets the connection.
  if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve))
}

function flipped(bytes: Buffer, place: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[place]! ^= 0x80
  return copy
}
