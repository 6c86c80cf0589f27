import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { type Answer, Client, detailOf, hex, noise } from './client.ts'

/** Small bodies are kept with their record, larger ones as blobs; the largest here does not fit into the cache. */
const FILES = [
  { kind: 'inline', path: 'releases/org/read/app/1.0/app-1.0.pom', bytes: noise(3_000, 'inline') },
  { kind: 'cached', path: 'releases/org/read/app/1.0/app-1.0.jar', bytes: noise(200_001, 'blob') },
  {
    kind: 'streamed',
    path: 'releases/org/read/app/1.0/app-1.0.zip',
    bytes: noise(9 * 1_024 * 1_024 + 7, 'large'),
  },
] as const

const CHUNK = 4 * 1_024 * 1_024

let server: Server
let client: Client

beforeAll(async () => {
  server = await startServer({ env: { AETHER_CACHE_BYTES_MAX: '1048576' } })
  client = new Client(server)
  for (const { path, bytes } of FILES) expect((await client.put(path, bytes)).status).toBe(201)
})

afterAll(async () => {
  client.close()
  await server.stop()
})

describe.each(FILES)('reading a file ($kind)', ({ path, bytes }) => {
  const etag = `"${hex('sha256', bytes)}"`
  const size = bytes.length
  let modified: string

  beforeAll(async () => {
    modified = (await client.head(path)).headers['last-modified'] ?? ''
  })

  it('gives the bytes with length, strong ETag, checksums and time', async () => {
    for (let round = 0; round < 2; round++) {
      const { status, headers, body } = await client.get(path)
      expect(status).toBe(200)
      expect(body.equals(bytes)).toBe(true)
      expect(headers).toMatchObject({
        'content-length': String(size),
        etag,
        'accept-ranges': 'bytes',
        'x-checksum-sha1': hex('sha1', bytes),
        'x-checksum-sha256': hex('sha256', bytes),
        'x-content-type-options': 'nosniff',
        'content-security-policy': 'sandbox',
      })
      expect(headers['cache-control']).toContain('immutable')
      expect(Math.abs(Date.parse(headers['last-modified'] ?? '') - Date.now())).toBeLessThan(60_000)
    }
  })

  it('gives the same head and no body to HEAD', async () => {
    const withBody = await client.get(path)
    const without = await client.head(path)
    expect(without.status).toBe(200)
    expect(without.body).toHaveLength(0)
    expect(lasting(without)).toEqual(lasting(withBody))
  })

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-99', 0, 100],
    ['bytes=10-', 10, size],
    ['bytes=-5', size - 5, size],
    [`bytes=-${size * 2}`, 0, size],
    [`bytes=5-${size * 2}`, 5, size],
    [`bytes=${size - 1}-`, size - 1, size],
    [`bytes=0-${size - 1}`, 0, size],
    [`bytes=${CHUNK - 3}-${CHUNK + 3}`, CHUNK - 3, CHUNK + 4],
    [`bytes=${CHUNK}-${2 * CHUNK - 1}`, CHUNK, 2 * CHUNK],
  ])('gives the part %s', async (range, start, end) => {
    if (start >= size) return
    const { status, headers, body } = await client.get(path, { Range: range })
    const part = bytes.subarray(start, end)
    expect(status).toBe(206)
    expect(headers['content-range']).toBe(`bytes ${start}-${start + part.length - 1}/${size}`)
    expect(headers['content-length']).toBe(String(part.length))
    expect(headers.etag).toBe(etag)
    expect(body.equals(part)).toBe(true)
  })

  it.each([`bytes=${size}-`, `bytes=${size + 5}-${size + 9}`, 'bytes=-0'])(
    'answers 416 to %s and tells the size',
    async (range) => {
      const { status, headers } = await client.get(path, { Range: range })
      expect(status).toBe(416)
      expect(headers['content-range']).toBe(`bytes */${size}`)
    },
  )

  it.each([
    'bytes=9-5',
    'bytes=a-b',
    'bytes=',
    'bytes=-',
    'lines=0-1',
    'bytes=0-1,3-4',
    `bytes=${'0-0,'.repeat(1_000)}0-0`,
    'bytes=99999999999999999999-',
  ])('ignores the range %.20s, which it does not know', async (range) => {
    const { status, body } = await client.get(path, { Range: range })
    expect(status).toBe(200)
    expect(body).toHaveLength(size)
  })

  it('ignores a range on HEAD', async () => {
    const { status, headers } = await client.head(path, { Range: 'bytes=0-9' })
    expect([status, headers['content-length']]).toEqual([200, String(size)])
  })

  it('gives a part only if If-Range still holds', async () => {
    const ask = async (ifRange: string) =>
      (await client.get(path, { Range: 'bytes=0-9', 'If-Range': ifRange })).status
    expect(await ask(etag)).toBe(206)
    expect(await ask(modified)).toBe(206)
    expect(await ask('"0000"')).toBe(200)
    expect(await ask(`W/${etag}`)).toBe(200)
    expect(await ask('Mon, 01 Jan 2001 00:00:00 GMT')).toBe(200)
  })

  it.each([etag, `W/${etag}`, `"0000", ${etag}`, '*'])(
    'answers 304 to If-None-Match with its ETag (%.10s)',
    async (value) => {
      const { status, headers, body } = await client.get(path, { 'If-None-Match': value })
      expect(status).toBe(304)
      expect(headers.etag).toBe(etag)
      expect(body).toHaveLength(0)
    },
  )

  it('heeds the time only when no ETag is asked for', async () => {
    const ask = async (headers: Record<string, string>) => (await client.get(path, headers)).status
    expect(await ask({ 'If-None-Match': '"0000"' })).toBe(200)
    expect(await ask({ 'If-Modified-Since': modified })).toBe(304)
    expect(await ask({ 'If-Modified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).toBe(200)
    expect(await ask({ 'If-Modified-Since': 'yesterday' })).toBe(200)
    expect(await ask({ 'If-Modified-Since': modified, 'If-None-Match': '"0000"' })).toBe(200)
  })

  it('answers 412 when the file is not the one that a download began with', async () => {
    const ask = async (headers: Record<string, string>) =>
      (await client.get(path, { Range: 'bytes=5-', ...headers })).status
    expect(await ask({ 'If-Unmodified-Since': modified })).toBe(206)
    expect(await ask({ 'If-Unmodified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).toBe(412)
    expect(await ask({ 'If-Match': etag })).toBe(206)
    expect(await ask({ 'If-Match': '"0000"' })).toBe(412)
  })

  it.each(['sha1', 'md5', 'sha256', 'sha512'])('makes the .%s file', async (algorithm) => {
    const { status, headers, body } = await client.get(`${path}.${algorithm}`)
    expect([status, body.toString()]).toEqual([200, hex(algorithm, bytes)])
    expect(headers['content-type']).toContain('text/plain')
    const again = await client.head(`${path}.${algorithm}`)
    expect([again.status, again.headers['content-length']]).toEqual([200, String(body.length)])
  })
})

describe('reading', () => {
  it('names every uploaded and verified checksum in the head', async () => {
    const [{ path, bytes }] = FILES
    for (const algorithm of ['md5', 'sha512']) {
      await client.put(`${path}.${algorithm}`, hex(algorithm, bytes))
    }
    expect((await client.head(path)).headers).toMatchObject({
      'x-checksum-md5': hex('md5', bytes),
      'x-checksum-sha512': hex('sha512', bytes),
    })
  })

  it('gives generated metadata the same head, conditions, ranges and checksum files', async () => {
    const path = 'releases/org/read/app/maven-metadata.xml'
    const { status, headers, body } = await client.get(path)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/xml',
      etag: `"${hex('sha256', body)}"`,
      'x-checksum-sha1': hex('sha1', body),
      'cache-control': 'no-cache',
      'accept-ranges': 'bytes',
    })
    expect(headers['last-modified']).toBeDefined()
    for (const algorithm of ['sha1', 'md5', 'sha256', 'sha512']) {
      const sum = await client.get(`${path}.${algorithm}`)
      expect(sum.body.toString()).toBe(hex(algorithm, body))
    }
    const etag = headers.etag ?? ''
    expect((await client.get(path, { 'If-None-Match': etag })).status).toBe(304)
    const part = await client.get(path, { Range: 'bytes=5-9' })
    expect([part.status, part.body.toString()]).toEqual([206, body.subarray(5, 10).toString()])
  })

  it.each([
    'releases/org/read/app/1.0/app-1.0-none.jar',
    'releases/org/read/app/1.0/app-1.0-none.jar.sha1',
    'releases/org/read/none/maven-metadata.xml',
    'releases/org/read/none/maven-metadata.xml.sha1',
    'releases/org/none/',
    'none/org/read/app/1.0/app-1.0.jar',
  ])('answers 404 with a problem that names what is missing: %s', async (path) => {
    const answer = await client.get(path)
    expect([answer.status, answer.reason]).toEqual([404, 'Not found'])
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 404, title: 'Not found' })
    expect(detailOf(answer)).toMatch(/no /)
    const withoutBody = await client.head(path)
    expect([withoutBody.status, withoutBody.body.length]).toEqual([404, 0])
  })
})

/** What must be equal between two answers about the same thing. */
function lasting({ headers }: Answer): object {
  const { date: _date, connection: _connection, ...rest } = headers
  return rest
}
