import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { FaultProxy } from './fault-proxy.ts'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

test('passes bytes both ways and the end of a stream', async () => {
  const { near, far } = await pair()
  near.write('ping')
  expect(await next(far)).toBe('ping')
  far.write('pong')
  expect(await next(near)).toBe('pong')
  near.end('bye')
  expect(await next(far)).toBe('bye')
  await once(far, 'end')
})

test('holds bytes back while a link is cut, in that direction alone, and delivers them afterwards', async () => {
  const { proxy, near, far } = await pair()
  proxy.set('a', 'b', { kind: 'cut' })
  near.write('one ')
  far.write('back')
  expect(await next(near)).toBe('back')
  near.write('two')
  await expect.poll(() => proxy.effects.heldBytes).toBe(7)
  expect(far.readableLength).toBe(0)
  proxy.set('a', 'b')
  expect(await read(far, 7)).toBe('one two')
})

test('holds back the end of a stream too: who is cut off does not see the other one die', async () => {
  const { proxy, near, far } = await pair()
  const ended = once(far, 'end')
  far.resume()
  proxy.setBoth('a', 'b', { kind: 'cut' })
  near.destroy()
  expect(await Promise.race([ended, sleep(50, 'nothing')])).toBe('nothing')
  proxy.heal()
  await ended
})

test('does not take more than a socket buffer from a sender that is cut off', async () => {
  const { proxy, near } = await pair()
  proxy.set('a', 'b', { kind: 'cut' })
  const piece = Buffer.alloc(1_024 * 1_024)
  for (let i = 0; i < 64; i++) near.write(piece)
  await sleep(50)
  expect(proxy.effects.heldBytes).toBeLessThan(1_024 * 1_024)
  expect(near.writableLength).toBeGreaterThan(32 * piece.length)
})

test('swallows bytes one way, and resets the connection when the loss ends', async () => {
  const { proxy, near, far } = await pair()
  proxy.set('a', 'b', { kind: 'loss' })
  near.write('lost')
  await expect.poll(() => proxy.effects.swallowedBytes).toBe(4)
  far.write('heard')
  expect(await next(near)).toBe('heard')
  expect(far.readableLength).toBe(0)
  const cut = Promise.all([failure(near), failure(far)])
  proxy.set('a', 'b')
  expect(await cut).toEqual(['ECONNRESET', 'ECONNRESET'])
})

test('a loss of nothing breaks nothing', async () => {
  const { proxy, near, far } = await pair()
  proxy.set('a', 'b', { kind: 'loss' })
  proxy.set('a', 'b')
  near.write('whole')
  expect(await next(far)).toBe('whole')
})

test('delays bytes and keeps their order', async () => {
  const { proxy, near, far } = await pair()
  proxy.set('a', 'b', { kind: 'delay', minMs: 20, maxMs: 60 })
  const startMs = performance.now()
  let sent = ''
  for (let i = 0; i < 10; i++) {
    near.write(`${i},`)
    sent += `${i},`
    await sleep(2)
  }
  expect(await read(far, sent.length)).toBe(sent)
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(38)
  expect(proxy.effects.delayedBytes).toBe(sent.length)
})

test('slows a link down to a rate', async () => {
  const { proxy, near, far } = await pair()
  proxy.set('a', 'b', { kind: 'throttle', bytesPerSecond: 100_000 })
  const startMs = performance.now()
  near.write(Buffer.alloc(20_000, 'x'))
  await read(far, 20_000)
  const tookMs = performance.now() - startMs
  expect(tookMs).toBeGreaterThan(150)
  expect(proxy.effects.throttledBytes).toBe(20_000)
})

test('resets the connections between two nodes, whoever dialled', async () => {
  const { proxy, near, far } = await pair()
  const cut = Promise.all([failure(near), failure(far)])
  expect(proxy.reset('b', 'a')).toBe(1)
  expect(await cut).toEqual(['ECONNRESET', 'ECONNRESET'])
  expect(proxy.reset('a', 'b')).toBe(0)
})

test('applies a fault to connections made during it', async () => {
  const { proxy, dial } = await pair()
  proxy.set('a', 'b', { kind: 'cut' })
  const { near, accepted } = await dial()
  near.write('early')
  const far = await accepted
  await sleep(20)
  expect(far.readableLength).toBe(0)
  proxy.heal()
  expect(await next(far)).toBe('early')
})

test('turns away whoever is no node', async () => {
  const proxy = new FaultProxy({ seed: 1, dialer: () => undefined })
  closers.push(() => proxy.close())
  const stranger = connect(await proxy.open('b', 1), '127.0.0.1')
  expect(await failure(stranger)).toBe('ECONNRESET')
  expect(proxy.effects).toMatchObject({ strangers: 1, connections: 0 })
})

/** Node b behind a proxy, and a connection to it from a. */
async function pair() {
  const proxy = new FaultProxy({ seed: 1, dialer: () => 'a' })
  const listener = createServer({ allowHalfOpen: true })
  await listen(listener)
  closers.push(() => listener.close())
  const port = await proxy.open('b', (listener.address() as AddressInfo).port)
  closers.push(() => proxy.close())
  const dial = async () => {
    const accepted = once(listener, 'connection').then(([socket]) => keep(socket as Socket))
    const near = keep(connect(port, '127.0.0.1'))
    await once(near, 'connect')
    return { near, accepted }
  }
  const { near, accepted } = await dial()
  return { proxy, near, far: await accepted, dial }
}

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

function keep(socket: Socket): Socket {
  socket.on('error', () => undefined)
  closers.push(() => socket.destroy())
  return socket
}

async function next(socket: Socket): Promise<string> {
  return read(socket, 1)
}

/** At least so many bytes, in paused mode, so that what has not been asked for stays visible. */
async function read(socket: Socket, sizeBytes: number): Promise<string> {
  let text = ''
  while (text.length < sizeBytes) {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) await once(socket, 'readable')
    else text += chunk.toString()
  }
  return text
}

function failure(socket: Socket): Promise<string> {
  socket.resume()
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
}
