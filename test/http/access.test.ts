import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, detailOf, head, Wire } from './client.ts'

const JAR = 'releases/org/access/app/1.0/app-1.0.jar'

function basic(user: string, password: string): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

function bearer(token: string | undefined): Record<string, string> {
  return { Authorization: `Bearer ${token}` }
}

describe('a node on loopback', () => {
  let server: Server
  let client: Client

  beforeAll(async () => {
    server = await startServer({ env: { AETHER_HOSTS: 'repo.example,mirror.example' } })
    client = new Client(server)
  })

  afterAll(async () => {
    client.close()
    await server.stop()
  })

  it('lets anyone on the machine deploy, read and delete', async () => {
    const path = 'releases/org/access/open/1.0/open-1.0.jar'
    expect((await client.put(path, 'x')).status).toBe(201)
    expect((await client.get(path)).status).toBe(200)
    expect((await client.delete(path)).status).toBe(204)
  })

  it.each([
    ['an unknown token', 'Bearer aether_unknown'],
    ['a wrong password', basic('admin', 'password')['Authorization'] ?? ''],
    ['an empty password', basic('admin', '')['Authorization'] ?? ''],
    ['no colon', `Basic ${Buffer.from('admin').toString('base64')}`],
    ['no base64', 'Basic ???'],
    ['another scheme', 'Digest username="admin"'],
    ['nothing', ''],
  ])(
    'refuses credentials that it does not know, rather than ignoring them: %s',
    async (_what, value) => {
      for (const method of ['GET', 'PUT', 'HEAD', 'DELETE']) {
        const answer = await client.send(method, `/repository/${JAR}`, {
          headers: { Authorization: value },
          ...(method === 'PUT' ? { body: 'x' } : {}),
        })
        expect(answer.status).toBe(401)
        expect(answer.headers['www-authenticate']).toContain('Basic realm=')
      }
    },
  )

  it('lets only the administrator deploy to infra', async () => {
    const path = 'infra/org/access/service/1.0/service-1.0.jar'
    const anonymous = await client.put(path, 'x')
    expect(anonymous.status).toBe(401)
    expect(anonymous.headers['www-authenticate']).toBeDefined()
    expect((await client.put(`${path}.sha1`, 'x')).status).toBe(401)
    expect((await client.put('infra/org/access/maven-metadata.xml', 'x')).status).toBe(401)
    expect((await client.put(path, 'x', bearer(server.token))).status).toBe(201)
    expect((await client.delete(path)).status).toBe(401)
    expect((await client.get(path)).status).toBe(200)
  })

  it.each(['POST', 'PATCH', 'MKCOL', 'OPTIONS', 'PROPFIND', 'TRACE', 'LOCK', 'MOVE', 'COPY'])(
    'answers 405 to %s and names what it does take',
    async (method) => {
      const answer = await client.send(method, `/repository/${JAR}`)
      expect(answer.status).toBe(405)
      expect(answer.headers.allow).toBe('GET, HEAD, PUT, DELETE')
      expect(detailOf(answer)).toContain('GET, HEAD, PUT, DELETE')
    },
  )

  it.each(['https://evil.example', 'http://127.0.0.1.evil.example', 'null', 'http://', 'file://'])(
    'refuses to change anything for a page of %s',
    async (origin) => {
      const path = `releases/org/access/origin/1.0/origin-1.0.jar`
      for (const method of ['PUT', 'DELETE', 'POST']) {
        const options = { headers: { Origin: origin }, ...(method === 'PUT' ? { body: 'x' } : {}) }
        const answer = await client.send(method, `/repository/${path}`, options)
        expect(answer.status).toBe(403)
      }
      expect((await client.get(path, { Origin: origin })).status).toBe(404)
      expect((await client.get(path, { Origin: origin })).headers).not.toHaveProperty(
        'access-control-allow-origin',
      )
    },
  )

  it.each(['http://127.0.0.1:8080', 'http://localhost:3000', 'https://repo.example'])(
    'lets a page of its own name change things: %s',
    async (origin) => {
      const path = `releases/org/access/own/1.0/${new URL(origin).hostname}.jar`
      expect((await client.put(path, 'x', { Origin: origin })).status).toBe(201)
    },
  )

  it.each([
    ['evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['127.0.0.1@evil.example', 421],
    ['[::2]', 421],
    ['', 421],
    ['localhost', 404],
    ['LOCALHOST:9999', 404],
    ['127.0.0.1', 404],
    ['[::1]:8080', 404],
    ['repo.example', 404],
    ['mirror.example:443', 404],
  ])('is asked by the name %j: %d', async (host, status) => {
    const wire = await Wire.connect(server.port)
    await wire.write(`GET /repository/${JAR} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    expect((await wire.answer())?.status).toBe(status)
    wire.destroy()
  })

  it.each([
    ['no Host', 'GET /repository/releases/ HTTP/1.1\r\n\r\n'],
    ['no Host in HTTP/1.0', 'GET /repository/releases/ HTTP/1.0\r\n\r\n'],
    [
      'a foreign name in the target',
      'GET http://evil.example/repository/releases/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    ],
    [
      'two Hosts',
      'GET /repository/releases/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n',
    ],
    [
      'two Hosts the other way round',
      'GET /repository/releases/ HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\n\r\n',
    ],
  ])('does not serve a request with %s', async (_what, request) => {
    const wire = await Wire.connect(server.port)
    await wire.write(request)
    const answer = await wire.answer()
    expect(answer?.status).toBeGreaterThanOrEqual(400)
    expect(answer?.status).toBeLessThan(500)
    wire.destroy()
  })

  it('answers operators and is silent about everything else', async () => {
    expect((await client.send('GET', '/health/live')).status).toBe(200)
    expect((await client.send('GET', '/health/ready')).status).toBe(200)
    const metrics = await client.send('GET', '/metrics')
    expect(metrics.body.toString()).toMatch(/^aether_http_requests_total\{.*method="GET".*\} \d+$/m)
    for (const target of ['/none', '/repository', '/api/v1/none', '/none/..%2f', '//']) {
      const answer = await client.send('GET', target)
      expect([target, answer.status]).toEqual([target, 404])
      expect(answer.headers['content-type']).toBe('application/problem+json')
    }
  })

  it('reads the refusal of a body that nobody wanted', async () => {
    const wire = await Wire.connect(server.port)
    await wire.write(head('PUT /none', 'Content-Length: 16777216'))
    const piece = 'x'.repeat(65_536)
    for (let sent = 0; sent < 256; sent++) await wire.write(piece)
    expect((await wire.answer())?.status).toBe(404)
    wire.destroy()
    const asking = await Wire.connect(server.port)
    await asking.write(head('PUT /none', 'Content-Length: 9', 'Expect: 100-continue'))
    const answer = await asking.answer()
    expect([answer?.status, answer?.headers.connection]).toEqual([404, 'close'])
    expect(await asking.rest()).toBe('')
  })

  it('never writes a token into its log', async () => {
    await client.get(JAR, bearer(server.token))
    await client.get(JAR, basic('admin', `${server.token}`))
    await expect
      .poll(() => server.output.stderr, { timeout: 5_000 })
      .toContain('"principal":"admin"')
    expect(server.output.stderr).not.toContain(server.token)
    expect(server.output.stderr).not.toMatch(/authorization/i)
  })
})

describe('a node that others can reach', () => {
  let server: Server
  let anonymous: Client

  beforeAll(async () => {
    server = await startServer({ host: '0.0.0.0' })
    anonymous = new Client(server)
  })

  afterAll(async () => {
    anonymous.close()
    await server.stop()
  })

  it('makes one administrator token and prints it', () => {
    expect(server.token).toMatch(/^aether_[\w-]{43}$/)
    expect(server.output.stdout.split(`${server.token}`)).toHaveLength(2)
  })

  it('asks for a token before anything else', async () => {
    for (const path of [
      JAR,
      `${JAR}.sha1`,
      'releases/',
      'releases/org/maven-metadata.xml',
      'none/x',
    ]) {
      const answer = await anonymous.get(path)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('Basic realm=')
      expect((await anonymous.head(path)).status).toBe(401)
    }
    for (const path of [
      JAR,
      `${JAR}.sha1`,
      'releases/org/maven-metadata.xml',
      'none/x',
      'infra/x',
    ]) {
      expect((await anonymous.put(path, 'x')).status).toBe(401)
      expect((await anonymous.delete(path)).status).toBe(401)
    }
  })

  it('takes not a byte of a body without a token', async () => {
    const wire = await Wire.connect(server.port)
    const line = `PUT /repository/${JAR}`
    await wire.write(head(line, 'Content-Length: 30000000', 'Expect: 100-continue'))
    expect((await wire.answer())?.status).toBe(401)
    expect(await wire.rest()).toBe('')
  })

  it('takes the token as Bearer, and as password of any user', async () => {
    for (const [index, headers] of [
      bearer(server.token),
      basic('admin', `${server.token}`),
      basic('anyone', `${server.token}`),
      basic('', `${server.token}`),
      { Authorization: `bearer ${server.token}` },
    ].entries()) {
      const path = JAR.replaceAll('1.0', `1.${index}`)
      expect((await anonymous.put(path, 'x', headers)).status).toBe(201)
      expect((await anonymous.get(path, headers)).status).toBe(200)
    }
    const path = 'infra/org/access/service/1.0/service-1.0.jar'
    expect((await anonymous.put(path, 'x', bearer(server.token))).status).toBe(201)
  })

  it.each([
    ['a prefix', (token: string) => token.slice(0, -1)],
    ['more', (token: string) => `${token}x`],
    ['another case', (token: string) => token.toUpperCase()],
    ['nothing', () => ''],
  ])('does not take %s of the token', async (_what, change) => {
    const wrong = change(`${server.token}`)
    expect((await anonymous.get(JAR, bearer(wrong))).status).toBe(401)
    expect((await anonymous.get(JAR, basic('admin', wrong))).status).toBe(401)
  })
})

describe('a node that others may read', () => {
  it('asks for a token only to change things', async () => {
    const server = await startServer({ host: '0.0.0.0', env: { AETHER_ANONYMOUS_READ: 'true' } })
    const client = new Client(server)
    expect((await client.get(JAR)).status).toBe(404)
    expect((await client.put(JAR, 'x')).status).toBe(401)
    expect((await client.put(JAR, 'x', bearer(server.token))).status).toBe(201)
    expect((await client.get(JAR)).body.toString()).toBe('x')
    expect((await client.delete(JAR)).status).toBe(401)
    client.close()
    await server.stop()
  })

  it('keeps its token over a restart, and does not show it again', async () => {
    const first = await startServer({ host: '0.0.0.0' })
    const { data, token } = first
    const before = new Client(first)
    expect((await before.put(JAR, 'x', bearer(token))).status).toBe(201)
    before.close()
    await first.terminate()
    const second = await startServer({ host: '0.0.0.0', data })
    expect(second.token).toBeUndefined()
    const after = new Client(second)
    expect((await after.get(JAR, bearer(token))).body.toString()).toBe('x')
    after.close()
    await second.stop()
    await first.stop()
  })
})
