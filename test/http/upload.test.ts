import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, detailOf, head, hex, noise, Wire } from './client.ts'

const UPLOAD_BYTES_MAX = 8 * 1_024 * 1_024
const DIRECTORY = 'releases/org/upload/app/1.0'

const SIZES = [
  { kind: 'empty', size: 0 },
  { kind: 'small', size: 1_000 },
  { kind: 'at the inline limit', size: 65_536 },
  { kind: 'above it', size: 65_537 },
  { kind: 'of several chunks', size: 5 * 1_024 * 1_024 },
]

let server: Server
let client: Client

beforeAll(async () => {
  server = await startServer({ env: { AETHER_UPLOAD_BYTES_MAX: String(UPLOAD_BYTES_MAX) } })
  client = new Client(server)
  expect((await client.put(`${DIRECTORY}/app-1.0.jar`, noise(1_000, 'jar'))).status).toBe(201)
})

afterAll(async () => {
  client.close()
  await server.stop()
})

describe.each(SIZES)('a file ($kind)', ({ size }) => {
  const path = `${DIRECTORY}/app-1.0-${size}.jar`
  const bytes = noise(size, 'file')
  const others = Buffer.from(bytes.map((byte) => byte ^ 1))

  it('is created once, accepted again with the same bytes, and never changed', async () => {
    expect((await client.put(path, bytes)).status).toBe(201)
    expect((await client.put(path, bytes)).status).toBe(200)
    if (size > 0) {
      const refused = await client.put(path, others)
      expect([refused.status, refused.reason]).toEqual([409, 'Conflict'])
      expect(refused.headers['content-type']).toBe('application/problem+json')
      expect(detailOf(refused)).toContain('releases never change')
    }
    expect((await client.put(path, Buffer.concat([bytes, Buffer.of(1)]))).status).toBe(409)
    const stored = await client.get(path)
    expect(stored.body.equals(bytes)).toBe(true)
    expect(stored.headers['x-checksum-sha256']).toBe(hex('sha256', bytes))
  })

  it('can come in chunks of unknown number', async () => {
    const chunked = path.replace('.jar', '-chunked.jar')
    const send = (body: Buffer) =>
      client.send('PUT', `/repository/${chunked}`, { body, chunked: true })
    expect((await send(bytes)).status).toBe(201)
    expect((await send(bytes)).status).toBe(200)
    if (size > 0) expect((await send(others)).status).toBe(409)
    expect((await client.get(chunked)).body.equals(bytes)).toBe(true)
  })
})

describe('an upload with Expect: 100-continue', () => {
  it('gets 100 when the body is wanted, then the answer', async () => {
    const wire = await Wire.connect(server.port)
    const target = `/repository/${DIRECTORY}/app-1.0-expected.jar`
    await wire.write(head(`PUT ${target}`, 'Content-Length: 5', 'Expect: 100-continue'))
    expect((await wire.answer())?.status).toBe(100)
    await wire.write('12345')
    expect((await wire.answer())?.status).toBe(201)
    await wire.write(head(`GET ${target}`))
    expect((await wire.answer())?.body.toString()).toBe('12345')
    wire.destroy()
  })

  const jar = `${DIRECTORY}/app-1.0.jar`
  it.each([
    ['other bytes by their length', 409, jar, 'Content-Length: 1001'],
    ['other bytes by their SHA-256', 409, jar, `X-Checksum-SHA256: ${'0'.repeat(64)}`],
    ['a snapshot in releases', 400, 'releases/g/a/1-SNAPSHOT/a-1-SNAPSHOT.jar'],
    ['a release in snapshots', 400, 'snapshots/g/a/1/a-1.jar'],
    ['a group repository', 405, 'public/g/a/1/a-1.jar'],
    ['an unknown repository', 404, 'none/g/a/1/a-1.jar'],
    ['a forbidden path', 400, 'releases/g/../a-1.jar'],
    ['a directory', 400, 'releases/g/a/'],
    ['too many bytes', 413, `${DIRECTORY}/app-1.0-huge.jar`, 'Content-Length: 8388609'],
    ['a part of a file', 400, `${DIRECTORY}/app-1.0-part.jar`, 'Content-Range: bytes 0-9/10'],
    ['an encoded file', 400, `${DIRECTORY}/app-1.0-gz.jar`, 'Content-Encoding: gzip'],
    ['a malformed SHA-256', 400, `${DIRECTORY}/app-1.0-sum.jar`, 'X-Checksum-SHA256: abc'],
    ['wrong credentials', 401, `${DIRECTORY}/app-1.0-who.jar`, 'Authorization: Bearer wrong'],
    ['an admin repository', 401, 'infra/g/a/1/a-1.jar'],
    ['a foreign origin', 403, `${DIRECTORY}/app-1.0-web.jar`, 'Origin: https://evil.example'],
  ])(
    'is refused without a byte of the body: %s',
    async (_what, status, path, line = 'Accept: */*') => {
      const wire = await Wire.connect(server.port)
      const length = line.startsWith('Content-Length') ? [] : ['Content-Length: 1000']
      await wire.write(head(`PUT /repository/${path}`, ...length, line, 'Expect: 100-continue'))
      const answer = await wire.answer()
      expect(answer?.status).toBe(status)
      expect(answer?.headers['content-type']).toBe('application/problem+json')
      expect(answer?.reason).toMatch(/^[A-Z][\w -]+$/)
      // What would follow on this connection could be the body or a request; so there must be no next one.
      expect(answer?.headers.connection).toBe('close')
      expect(await wire.rest()).toBe('')
    },
  )
})

describe('an upload', () => {
  it.each([
    ['with its length', 'Content-Length: 33554432'],
    ['in chunks', 'Transfer-Encoding: chunked'],
  ])(
    'that is refused while its body is on the way can read the answer: %s',
    async (_what, line) => {
      const wire = await Wire.connect(server.port)
      await wire.write(head(`PUT /repository/snapshots/g/a/1/a-1.jar`, line))
      const isChunked = line.startsWith('Transfer')
      const piece = isChunked ? `10000\r\n${'x'.repeat(0x10000)}\r\n` : 'x'.repeat(0x10000)
      for (let sent = 0; sent < 512; sent++) expect(await wire.write(piece)).toBe(true)
      if (isChunked) await wire.write('0\r\n\r\n')
      const answer = await wire.answer()
      expect(answer?.status).toBe(400)
      expect(await wire.rest()).toBe('')
    },
  )

  it('in chunks that grows too large is refused and leaves nothing', async () => {
    const target = `/repository/${DIRECTORY}/app-1.0-grows.jar`
    const body = Buffer.alloc(UPLOAD_BYTES_MAX + 1)
    expect((await client.send('PUT', target, { body, chunked: true })).status).toBe(413)
    expect((await client.send('GET', target)).status).toBe(404)
  })

  it('must have the SHA-256 that it announces', async () => {
    for (const size of [100, 100_000]) {
      const path = `${DIRECTORY}/app-1.0-announced-${size}.jar`
      const bytes = noise(size, 'announced')
      const wrong = await client.put(path, bytes, { 'X-Checksum-SHA256': hex('sha256', 'else') })
      expect(wrong.status).toBe(400)
      expect((await client.get(path)).status).toBe(404)
      const right = await client.put(path, bytes, { 'X-Checksum-SHA256': hex('sha256', bytes) })
      expect(right.status).toBe(201)
    }
  })

  it.each([100, 200_000])('that is cut after half of %d bytes leaves nothing', async (size) => {
    const path = `${DIRECTORY}/app-1.0-cut-${size}.jar`
    const bytes = noise(size, 'cut')
    const wire = await Wire.connect(server.port)
    await wire.write(head(`PUT /repository/${path}`, `Content-Length: ${size}`))
    await wire.write(bytes.subarray(0, size / 2))
    wire.destroy()
    expect((await client.get(path)).status).toBe(404)
    expect((await client.get(`${DIRECTORY}/`)).body.toString()).not.toContain(`cut-${size}`)
    expect((await client.put(path, bytes)).status).toBe(201)
  })

  it('wins alone among many of one path with other bytes', async () => {
    for (const size of [500, 100_000]) {
      const path = `${DIRECTORY}/app-1.0-race-${size}.jar`
      const bodies = Array.from({ length: 16 }, (_, index) => noise(size, `racer ${index}`))
      const answers = await Promise.all(bodies.map((body) => client.put(path, body)))
      const statuses = answers.map((answer) => answer.status).sort()
      expect(statuses).toEqual([201, ...Array(15).fill(409)])
      const winner = answers.findIndex((answer) => answer.status === 201)
      expect((await client.get(path)).body.equals(bodies[winner] as Buffer)).toBe(true)
    }
  })

  it('succeeds for all of many with the same bytes', async () => {
    const body = noise(100_000, 'same')
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => client.put(`${DIRECTORY}/app-1.0-same.jar`, body)),
    )
    const statuses = answers.map((answer) => answer.status).sort()
    expect(statuses).toEqual([...Array(15).fill(200), 201])
  })
})
