import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { TransportTls } from '../../../src/cluster/wire/index.ts'
import { QUICK, TestNode } from './fixture.ts'
import { Middleman } from './middleman.ts'

const TLS = tlsOf('node')
const STRANGER = tlsOf('stranger')

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

test('two nodes talk inside TLS, and nobody reads along', async () => {
  const [a, b] = [await started('a', TLS), await started('b', TLS)]
  const middleman = await new Middleman().start(() => b.address)
  open.push({ close: () => middleman.stop() })
  a.transport.setPeers([{ ...b.peer(), address: middleman.address }])
  b.transport.setPeers([a.peer()])
  await Promise.all([a.sees('+b'), b.sees('+a')])
  a.say(b, 'a word in private')
  await b.sees('a: a word in private')
  const recorded = Buffer.concat(middleman.recorded.flat()).toString('latin1')
  for (const word of ['a word in private', 'a-1', 'test']) expect(recorded).not.toContain(word)
})

test('a node with a certificate of another authority reaches nobody', async () => {
  const [a, b] = [await started('a', STRANGER), await started('b', TLS)]
  b.transport.setPeers([a.peer()])
  a.transport.setPeers([b.peer()])
  await a.sees('b unreachable')
  await b.sees('a unreachable')
  expect([...a.log, ...b.log].filter((entry) => entry.startsWith('+'))).toEqual([])
})

test('a certificate that only the listener mistrusts is counted', async () => {
  const [a, b] = [
    await started('a', { ...STRANGER, authority: TLS.authority }),
    await started('b', TLS),
  ]
  b.transport.setPeers([a.peer()])
  a.transport.setPeers([b.peer()])
  await a.sees('b unreachable')
  await a.sees('b unreachable', a.log.length)
  expect(b.counts.unauthenticated).toBeGreaterThan(0)
  expect(a.log.filter((entry) => entry.startsWith('+'))).toEqual([])
})

test('a node without TLS and one with it do not meet', async () => {
  const [a, b] = [await started('a'), await started('b', TLS)]
  b.transport.setPeers([a.peer()])
  a.transport.setPeers([b.peer()])
  await a.sees('b unreachable')
  await b.sees('a unreachable')
  expect([...a.log, ...b.log].filter((entry) => entry.startsWith('+'))).toEqual([])
})

test('whoever ends TLS in the middle, even with a certificate of the cluster, is noticed', async () => {
  const [a, b] = [await started('a', TLS), await started('b', TLS)]
  const options = {
    cert: Buffer.from(TLS.certificate),
    key: Buffer.from(TLS.key),
    ca: Buffer.from(TLS.authority),
  }
  const server = createServer({ ...options, requestCert: true }, (dialer) => {
    const listener = connectTls({ ...options, ...b.address, checkServerIdentity: () => undefined })
    dialer.on('error', () => {}).pipe(listener)
    listener.on('error', () => {}).pipe(dialer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: async () => void server.close() })
  const { port } = server.address() as { port: number }
  b.transport.setPeers([{ ...a.peer(), address: 'nowhere' }])
  a.transport.setPeers([{ ...b.peer(), address: `127.0.0.1:${port}` }])
  await a.sees('b unreachable')
  await a.sees('b unreachable', a.log.length)
  expect(b.counts.unauthenticated).toBeGreaterThan(0)
  expect(a.log.filter((entry) => entry.startsWith('+'))).toEqual([])
})

test('those who do not even begin TLS do not stay', async () => {
  const b = await started('b', TLS, { handshakeMs: 100 })
  const socket = connectTcp(b.address)
  const closed = new Promise((resolve) => socket.on('close', resolve))
  socket.on('error', () => {}).resume()
  await closed
  expect(b.counts.unauthenticated).toBe(1)
})

test.skipIf(process.platform !== 'linux')(
  'connections that end before they are accepted are each counted, and leave no timer',
  async () => {
    const b = await started('b', TLS, { handshakeMs: 60_000 })
    const timers = () => process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length
    const before = timers()
    // While this process waits for the other one, it accepts nothing.
    const script = `for (let i = 0; i < 9; i++) {
      const socket = require('node:net').connect(${b.address.port}, '127.0.0.1')
      socket.on('connect', () => socket.resetAndDestroy())
    }`
    execFileSync(process.execPath, ['--eval', script])
    await expect.poll(() => b.counts.unauthenticated).toBe(9)
    await b.transport.close()
    expect(timers()).toBeLessThanOrEqual(before)
  },
)

test('parts of TLS that do not fit together are refused at once', () => {
  expect(() => new TestNode('a', { tls: { ...TLS, key: STRANGER.key } })).toThrow('key')
})

async function started(
  id: string,
  tls?: TransportTls,
  limits: Partial<typeof QUICK> = {},
): Promise<TestNode> {
  const node = new TestNode(id, {
    limits: { ...QUICK, ...limits },
    ...(tls === undefined ? {} : { tls }),
  })
  open.push(node.transport)
  return node.start()
}

function tlsOf(name: string): TransportTls {
  const file = (ending: string) =>
    readFileSync(join(import.meta.dirname, '../../fixture/tls', `${ending}`))
  return {
    certificate: file(`${name}.pem`),
    key: file(`${name}.key`),
    authority: file(name === 'node' ? 'authority.pem' : `${name}.pem`),
  }
}
