import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, head, Wire } from './client.ts'

const SAFE = 'releases/org/wire/app/1.0/app-1.0.jar'
const SMUGGLED = 'releases/org/wire/smuggled/1.0/smuggled-1.0.jar'

/** A whole request, to be hidden in the body of another one. */
const INNER = `PUT /repository/${SMUGGLED} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx`

/** Sent behind everything, to see where the server takes the next request to begin. */
const LAST = head(`GET /repository/${SAFE}`, 'Connection: close')

let server: Server
let client: Client

beforeAll(async () => {
  server = await startServer()
  client = new Client(server)
  expect((await client.put(SAFE, 'safe')).status).toBe(201)
})

/** Whatever was sent: the server works, and no hidden request was carried out. */
afterEach(async () => {
  expect((await client.get(SAFE)).body.toString()).toBe('safe')
  expect((await client.get(SMUGGLED)).status).toBe(404)
})

afterAll(async () => {
  client.close()
  await server.stop()
})

let count = 0
function newTarget(): string {
  count += 1
  return `/repository/releases/org/wire/target/${count}/target-${count}.jar`
}

describe('a body whose end can be read in two ways', () => {
  const length = `Content-Length: ${INNER.length}`
  it.each([
    [
      'a length and chunks',
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      `0\r\n\r\n${INNER}`,
    ],
    ['chunks and a length', ['Transfer-Encoding: chunked', length], `0\r\n\r\n${INNER}`],
    ['two lengths', ['Content-Length: 0', length], INNER],
    ['a list of lengths', [`Content-Length: 0, ${INNER.length}`], INNER],
    ['a signed length', [`Content-Length: +${INNER.length}`], INNER],
    ['a negative length', ['Content-Length: -1'], INNER],
    ['a hexadecimal length', ['Content-Length: 0x10'], INNER],
    ['a length with a point', ['Content-Length: 5.0'], INNER],
    ['an endless length', ['Content-Length: 99999999999999999999999'], INNER],
    ['an empty length', ['Content-Length:'], INNER],
    ['a coding that it does not know', ['Transfer-Encoding: gzip'], INNER],
    ['chunked not last', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${INNER}`],
    ['a coding of another name', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${INNER}`],
    ['a space before the colon', ['Transfer-Encoding : chunked', length], `0\r\n\r\n${INNER}`],
    ['a folded line', ['Transfer-Encoding:\r\n chunked', length], `0\r\n\r\n${INNER}`],
    ['a bare line feed', ['X: y\nTransfer-Encoding: chunked', length], `0\r\n\r\n${INNER}`],
    ['a bare carriage return', ['X: y\rTransfer-Encoding: chunked', length], INNER],
    ['a NUL in a field', ['X: a\0b', length], INNER],
    ['a vertical tab', ['Transfer-Encoding: \x0bchunked', length], `0\r\n\r\n${INNER}`],
  ])('is refused: %s', async (_what, lines, body) => {
    for (const method of ['PUT', 'GET']) {
      const wire = await Wire.connect(server.port)
      const request = head(`${method} ${newTarget()}`, ...lines) + body
      await wire.write(Buffer.from(request + LAST, 'latin1'))
      const [status, ...more] = await allAnswers(wire)
      expect([400, 501]).toContain(status)
      expect(more).toEqual([])
    }
  })

  it.each([
    ['no digits', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
    ['a size that overflows', `ffffffffffffffff5\r\nhello\r\n0\r\n\r\n`],
    ['more than its size', '1\r\nhello\r\n0\r\n\r\n'],
    ['bare line feeds', '5\nhello\n0\n\n'],
  ])('is refused: a chunk with %s', async (_what, body) => {
    const wire = await Wire.connect(server.port)
    const target = newTarget()
    await wire.write(head(`PUT ${target}`, 'Transfer-Encoding: chunked') + body + LAST)
    expect(await allAnswers(wire)).toEqual([400])
    expect((await client.send('GET', target)).status).toBe(404)
  })

  it.each(['GET', 'HEAD', 'DELETE', 'POST'])('of %s is no next request', async (method) => {
    const wire = await Wire.connect(server.port)
    const request = head(`${method} ${newTarget()}`, `Content-Length: ${INNER.length}`) + INNER
    await wire.write(request + LAST)
    const [status, ...more] = await allAnswers(wire, method)
    expect(status).toBeGreaterThanOrEqual(400)
    // Then the connection is closed, or the next request is the one behind the body.
    expect(more).toEqual(more.length === 0 ? [] : [200])
  })
})

describe('a connection', () => {
  it('answers requests in their order, also when they come at once', async () => {
    const wire = await Wire.connect(server.port)
    const targets = Array.from({ length: 20 }, newTarget)
    const requests = targets.map((target, index) => {
      const body = `body ${index}`
      return head(`PUT ${target}`, `Content-Length: ${body.length}`) + body
    })
    await wire.write(requests.join(''))
    for (const _ of targets) expect((await wire.answer())?.status).toBe(201)
    await wire.write(targets.map((target) => head(`GET ${target}`)).join(''))
    for (const index of targets.keys()) {
      expect((await wire.answer())?.body.toString()).toBe(`body ${index}`)
    }
    wire.destroy()
  })

  it.each([
    'garbage\r\n\r\n',
    '\0\0\0\0\0\0\0\0',
    '\x16\x03\x01\x02\x00\x01',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ])('is closed at garbage behind a request: %j', async (garbage) => {
    const wire = await Wire.connect(server.port)
    await wire.write(Buffer.from(head(`GET /repository/${SAFE}`) + garbage, 'latin1'))
    const statuses = await allAnswers(wire)
    expect(statuses.at(-1)).toBe(400)
    expect(statuses.slice(0, -1)).toEqual(statuses.length === 1 ? [] : [200])
  })

  it.each([
    [
      'a longer head than is read',
      431,
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ],
    [
      'a longer target than is read',
      431,
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    ],
    ['an unknown version', 400, 'GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n'],
    ['no version', 400, 'GET /\r\n\r\n'],
    ['an unknown method', 400, 'BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['a method in small letters', 400, 'get / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    [
      'an unknown expectation',
      417,
      `PUT /repository/${SMUGGLED} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nExpect: 200-maybe\r\n\r\nx`,
    ],
  ])('refuses %s', async (_what, status, request) => {
    const wire = await Wire.connect(server.port)
    await wire.write(request)
    expect((await wire.answer())?.status).toBe(status)
    wire.destroy()
  })

  it('is not turned into a tunnel', async () => {
    const wire = await Wire.connect(server.port)
    await wire.write('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    expect((await wire.answer())?.status ?? 400).toBeGreaterThanOrEqual(400)
    wire.destroy()
  })

  it.each([
    [
      'h2c',
      ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAAAAIAAAAA'],
    ],
    ['websocket', ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']],
  ])('offered an upgrade to %s goes on as it is', async (_what, lines) => {
    const wire = await Wire.connect(server.port)
    const target = newTarget()
    await wire.write(`${head(`PUT ${target}`, 'Content-Length: 5', ...lines)}hello`)
    expect((await wire.answer())?.status).toBe(201)
    await wire.write(head(`GET ${target}`, ...lines))
    expect((await wire.answer())?.body.toString()).toBe('hello')
    wire.destroy()
  })

  it('that sends its head or body slowly does not hold up the others', async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, () => Wire.connect(server.port)))
    for (const [index, wire] of slow.entries()) {
      const isHead = index % 2 === 0
      const line = `PUT /repository/releases/org/wire/slow/1/slow-1-${index}.jar`
      const request = head(line, 'Content-Length: 1000000')
      await wire.write(isHead ? request.slice(0, 30) : `${request}x`)
    }
    const startMs = performance.now()
    for (let round = 0; round < 20; round++) {
      expect((await client.put(newTarget().slice('/repository/'.length), 'x')).status).toBe(201)
    }
    expect(performance.now() - startMs).toBeLessThan(5_000)
    for (const wire of slow) wire.destroy()
    expect((await client.get('releases/org/wire/slow/')).status).toBe(404)
  })

  it('that is cut anywhere in a request does no harm', async () => {
    const request = `${head(`PUT ${newTarget()}`, 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n`
    for (let end = 1; end <= request.length; end += 7) {
      const wire = await Wire.connect(server.port)
      await wire.write(request.slice(0, end))
      wire.destroy()
    }
  })
})

describe('what a client names', () => {
  it.each([
    '%0d%0aX-Injected:%201',
    '%0aX-Injected:%201',
    '%0d%0a%0d%0a<script>',
    '%c4%8d%c4%8aX-Injected:1',
  ])('does not get into the head of an answer: %s', async (text) => {
    for (const path of [`releases/${text}`, text, `${text}/x`, `releases/x/${text}/`]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const body = method === 'PUT' ? { body: 'x' } : {}
        const answer = await client.send(method, `/repository/${path}`, body)
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(answer.headers).not.toHaveProperty('x-injected')
        expect(answer.reason).toMatch(/^[\w -]+$/)
        expect(answer.headers['content-type']).toBe('application/problem+json')
        expect(() => JSON.parse(answer.body.toString())).not.toThrow()
      }
    }
  })

  it('does not get into the log as a line of its own', async () => {
    const id = 'abc"}\n{"level":"fatal"'
    const wire = await Wire.connect(server.port)
    await wire.write(head(`GET /repository/${SAFE}`, `X-Request-Id: ${id.replace('\n', ' ')}`))
    await wire.answer()
    await client.get('releases/org/wire/%22%7D%0A%7B%22level%22:%22fatal%22')
    await client.get('releases/org/wire/marker')
    await expect.poll(() => server.output.stderr, { timeout: 5_000 }).toContain('wire/marker')
    for (const line of server.output.stderr.trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ level: expect.stringMatching(/^(info|warn)$/) })
    }
    wire.destroy()
  })
})

/** The statuses of all answers until the server closes; `method` is that of the first request. */
async function allAnswers(wire: Wire, method = 'GET'): Promise<number[]> {
  const statuses: number[] = []
  for (;;) {
    const answer = await wire.answer(statuses.length === 0 ? method : 'GET')
    if (answer === undefined) return statuses
    statuses.push(answer.status)
  }
}
