import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../src/base/ids.ts'
import { ControlMachine } from '../../src/cluster/control/machine.ts'
import { ReplicatedControlStore } from '../../src/cluster/control/replicated.ts'
import { Authenticator } from '../../src/node/auth.ts'
import { readConfig } from '../../src/node/config.ts'
import { controlApi } from '../../src/node/control-api.ts'
import { Guard } from '../../src/node/guard.ts'
import { HttpServer } from '../../src/node/http.ts'
import { NodeMetrics } from '../../src/node/metrics.ts'
import { type AetherNode, openNode } from '../../src/node/node.ts'
import { type Answer, Client, head, Wire } from '../http/client.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-control-api-'))
const logger = pino({ level: 'silent' })
let node: AetherNode
let token: string | undefined
let client: Client

beforeAll(async () => {
  const config = readConfig({ data: directory, port: 0, host: '127.0.0.1' }, {})
  if (!config.ok) throw new Error(config.error.detail)
  node = await openNode({ config: config.value, logger })
  token = (await node.ready).freshToken
  client = new Client({ port: portOf(node.url) }, bearer(token))
})

afterAll(async () => {
  client.close()
  await node.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a key', () => {
  test('gives back what was put, and its revision as ETag', async () => {
    const value = 'Grüße \u{1f600}\n\0 und mehr'
    const put = await send('PUT', 'user/a', { body: value })
    expect(put).toMatchObject({ status: 204, headers: { etag: expect.stringMatching(/^"\d+"$/) } })
    const got = await send('GET', 'user/a')
    expect(got).toMatchObject({ status: 200, headers: { etag: put.headers.etag } })
    expect(got.body.toString()).toBe(value)
    const asked = await send('HEAD', 'user/a')
    expect(asked.headers['content-length']).toBe(`${Buffer.byteLength(value)}`)
    expect(asked.body).toHaveLength(0)
    const same = await send('GET', 'user/a', {
      headers: { 'If-None-Match': `${got.headers.etag}` },
    })
    expect(same).toMatchObject({ status: 304, headers: { etag: got.headers.etag } })
  })

  test('may be empty, and as large as the limit', async () => {
    for (const body of ['', 'ä'.repeat(32 * 1_024)]) {
      expect((await send('PUT', 'user/size', { body })).status).toBe(204)
      expect((await send('GET', 'user/size')).body.toString()).toBe(body)
    }
  })

  test('is absent before it is put and after it is deleted', async () => {
    const absent = await send('GET', 'user/gone')
    expect([absent.status, detailOf(absent)]).toEqual([404, 'The key has no value.'])
    await send('PUT', 'user/gone', { body: 'x' })
    expect(await send('DELETE', 'user/gone')).toMatchObject({ status: 204 })
    expect((await send('GET', 'user/gone')).status).toBe(404)
    expect((await send('DELETE', 'user/gone')).status).toBe(204)
  })

  test('is text: what is encoded in the URL is decoded once, and dots mean nothing', async () => {
    await send('PUT', 'user/a%20%2F%3F%2541', { body: 'encoded' })
    expect((await send('GET', 'user/a /?%41'.replace(/[ ?%]/g, encodeURIComponent))).status).toBe(
      200,
    )
    await send('PUT', 'user/../tokens/admin', { body: 'dots' })
    expect((await send('GET', 'user%2F..%2Ftokens%2Fadmin')).body.toString()).toBe('dots')
    const status = await client.send('GET', '/api/v1/status')
    expect(status.status).toBe(200)
  })
})

describe('compare and set', () => {
  test('creates a key only when it is absent', async () => {
    const headers = { 'If-None-Match': '*' }
    const first = await send('PUT', 'user/lock', { body: '1', headers })
    expect(first.status).toBe(204)
    const second = await send('PUT', 'user/lock', { body: '2', headers })
    expect(second).toMatchObject({ status: 412, headers: { etag: first.headers.etag } })
    expect(kindOf(second)).toBe('conflict')
    expect((await send('GET', 'user/lock')).body.toString()).toBe('1')
  })

  test('changes and deletes a key only at the revision that was named', async () => {
    const { headers } = await send('PUT', 'user/cas', { body: '1' })
    const matching = { 'If-Match': `${headers.etag}` }
    const changed = await send('PUT', 'user/cas', { body: '2', headers: matching })
    expect(changed.status).toBe(204)
    for (const method of ['PUT', 'DELETE']) {
      const late = await send(method, 'user/cas', { body: '3', headers: matching })
      expect(late).toMatchObject({ status: 412, headers: { etag: changed.headers.etag } })
    }
    const fresh = { 'If-Match': `${changed.headers.etag}` }
    expect((await send('DELETE', 'user/cas', { headers: fresh })).status).toBe(204)
    const gone = await send('PUT', 'user/cas', { body: '4', headers: fresh })
    expect(gone.status).toBe(412)
    expect(gone.headers).not.toHaveProperty('etag')
  })

  test('lets one of many win', async () => {
    const attempts = Array.from({ length: 16 }, (_, at) =>
      send('PUT', 'user/race', { body: `${at}`, headers: { 'If-None-Match': '*' } }),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 204)).toHaveLength(1)
    expect(statuses.filter((status) => status === 412)).toHaveLength(15)
  })

  test.each([
    { 'If-Match': '*' },
    { 'If-Match': '"1", "2"' },
    { 'If-Match': 'W/"1"' },
    { 'If-Match': '"0"' },
    { 'If-Match': '"1e3"' },
    { 'If-Match': '' },
    { 'If-None-Match': '"1"' },
    { 'If-Match': '"1"', 'If-None-Match': '*' },
  ])('is refused and not ignored with %j', async (headers) => {
    for (const method of ['PUT', 'DELETE']) {
      const answer = await send(method, 'user/odd', { body: 'x', headers: { ...headers } })
      expect([answer.status, detailOf(answer)]).toEqual([400, expect.stringContaining('If-Match')])
    }
    expect((await send('GET', 'user/odd')).status).toBe(404)
  })
})

test('a write that is repeated with its idempotency key is done once', async () => {
  const headers = { 'Idempotency-Key': 'a5c1-17' }
  const first = await send('PUT', 'user/once', { body: 'first', headers })
  await send('PUT', 'user/once', { body: 'second' })
  const repeated = await send('PUT', 'user/once', { body: 'first', headers })
  expect(repeated).toMatchObject({ status: 204, headers: { etag: first.headers.etag } })
  expect((await send('GET', 'user/once')).body.toString()).toBe('second')
  for (const bad of ['', 'two words', 'x'.repeat(129)]) {
    const refused = await send('PUT', 'user/once', {
      body: '3',
      headers: { 'Idempotency-Key': bad },
    })
    expect([refused.status, detailOf(refused)]).toEqual([
      400,
      expect.stringContaining('Idempotency'),
    ])
  }
})

describe('refusals', () => {
  test.each(['tokens/admin', '', 'user', 'user/', 'User/a', '/user/a', '%2e/user/a'])(
    'the key %j is not for clients',
    async (target) => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await send(method, target, { body: 'x' })
        expect([answer.status, detailOf(answer)]).toEqual([403, expect.stringContaining('user/')])
      }
    },
  )

  test.each([
    ['with a query', 'user/a?b', '%3F'],
    ['with half an encoding', 'user/%', 'percent-encoded'],
    ['with bytes that are no text', 'user/%ff', 'percent-encoded'],
    ['that is too long', `user/${'%c3%a4'.repeat(1_022)}`, '2048 bytes'],
  ])('a target %s is malformed', async (_what, target, told) => {
    const answer = await send('PUT', target, { body: 'x' })
    expect([answer.status, detailOf(answer)]).toEqual([400, expect.stringContaining(told)])
  })

  test('bytes that are no text are refused', async () => {
    for (const body of [Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80])]) {
      expect((await send('PUT', 'user/bytes', { body })).status).toBe(400)
    }
    expect((await send('GET', 'user/bytes')).status).toBe(404)
  })

  test('a value that is too large is refused, announced or not', async () => {
    const body = 'x'.repeat(64 * 1_024 + 1)
    expect((await send('PUT', 'user/large', { body })).status).toBe(413)
    expect((await send('PUT', 'user/large', { body, chunked: true })).status).toBe(413)
    const wire = await Wire.connect(client.port)
    const line = 'PUT /api/v1/control/user/large'
    const credentials = `Authorization: Bearer ${token}`
    await wire.write(head(line, credentials, 'Content-Length: 65537', 'Expect: 100-continue'))
    expect((await wire.answer())?.status).toBe(413)
    expect(await wire.rest()).toBe('')
    expect((await send('GET', 'user/large')).status).toBe(404)
  })

  test('a value that waits for permission gets it', async () => {
    const wire = await Wire.connect(client.port)
    const line = 'PUT /api/v1/control/user/patient'
    const credentials = `Authorization: Bearer ${token}`
    await wire.write(head(line, credentials, 'Content-Length: 7', 'Expect: 100-continue'))
    expect((await wire.answer())?.status).toBe(100)
    await wire.write('patient')
    expect((await wire.answer())?.status).toBe(204)
    wire.destroy()
    expect((await send('GET', 'user/patient')).body.toString()).toBe('patient')
  })

  test('a value of which the end never comes is not written', async () => {
    const wire = await Wire.connect(client.port)
    const credentials = `Authorization: Bearer ${token}`
    await wire.write(head('PUT /api/v1/control/user/cut', credentials, 'Content-Length: 9'))
    await wire.write('cut')
    wire.destroy()
    expect((await send('GET', 'user/cut')).status).toBe(404)
  })

  test('other methods are named', async () => {
    const answer = await send('POST', 'user/a', { body: 'x' })
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, PUT, DELETE' } })
  })

  test('only administrators get in', async () => {
    const anonymous = new Client({ port: client.port })
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await anonymous.send(method, '/api/v1/control/user/a', { body: 'x' })
      expect(answer).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': expect.stringContaining('Basic') },
      })
    }
    anonymous.close()
  })
})

describe('a node that reaches no other', () => {
  let http: HttpServer
  let store: ReplicatedControlStore
  let lonely: Client

  beforeAll(async () => {
    const authenticator = new Authenticator('none')
    authenticator.use([administrator('secret')])
    store = new ReplicatedControlStore({
      node: 'n1' as NodeId,
      boot: 'a',
      machine: new ControlMachine(),
      input: () => {},
    })
    const api = controlApi(store, () => 'generated' as RequestId)
    http = new HttpServer({
      guard: new Guard('127.0.0.1', []),
      authenticator,
      metrics: new NodeMetrics('0'),
      logger,
      requestLog: false,
      tls: undefined,
      fallback: () => {},
    })
    http.mount('/control/', async (exchange) => {
      const refusal = await api.serve(exchange, `${exchange.request.url}`.slice('/control/'.length))
      if (refusal !== undefined) exchange.refuse(refusal.problem, refusal.headers)
    })
    lonely = new Client({ port: await http.listen('127.0.0.1', 0) }, bearer('secret'))
  })

  afterAll(async () => {
    lonely.close()
    store.close()
    await http.close()
  })

  /** The answer of a node for which time passes and nothing comes. */
  async function outlast(answer: Promise<Answer>): Promise<Answer> {
    const passing = setInterval(() => store.tick(), 1)
    try {
      return await answer
    } finally {
      clearInterval(passing)
    }
  }

  test('does not know whether a key is absent, and says when to ask again', async () => {
    const answer = await outlast(lonely.send('GET', '/control/user/a'))
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(kindOf(answer)).toBe('unavailable')
  })

  test('does not know whether a write was done, and gives the key with which it is repeated', async () => {
    const named = { headers: { 'Idempotency-Key': 'mine' }, body: 'x' }
    for (const [options, key] of [
      [{ body: 'x' }, 'generated'],
      [named, 'mine'],
    ] as const) {
      const answer = await outlast(lonely.send('PUT', '/control/user/a', options))
      expect(answer).toMatchObject({ status: 504, headers: { 'idempotency-key': key } })
      expect(answer.headers).not.toHaveProperty('retry-after')
      expect(kindOf(answer)).toBe('outcome-unknown')
    }
  })
})

function send(method: string, key: string, options: Parameters<Client['send']>[2] = {}) {
  return client.send(method, `/api/v1/control/${key}`, options)
}

function bearer(token: string | undefined): Record<string, string> {
  return { Authorization: `Bearer ${token}` }
}

function administrator(token: string) {
  const digest = createHash('sha256').update(token).digest()
  return { digest, principal: { name: 'admin', isAnonymous: false, may: () => true } }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

function kindOf(answer: Answer): string {
  return JSON.parse(answer.body.toString()).kind
}

function detailOf(answer: Answer): string {
  return JSON.parse(answer.body.toString()).detail
}
