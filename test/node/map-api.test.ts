import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../src/node/config.ts'
import { type AetherNode, openNode } from '../../src/node/node.ts'
import { type Answer, Client } from '../http/client.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-map-api-'))
let node: AetherNode
let client: Client

beforeAll(async () => {
  const config = readConfig({ data: directory, port: 0, host: '127.0.0.1' }, {})
  if (!config.ok) throw new Error(config.error.detail)
  node = await openNode({ config: config.value, logger: pino({ level: 'silent' }) })
  const { freshToken } = await node.ready
  const port = Number(new URL(node.url).port)
  client = new Client({ port }, { Authorization: `Bearer ${freshToken}` })
})

afterAll(async () => {
  client.close()
  await node.close()
  rmSync(directory, { recursive: true, force: true })
})

test('an entry gives back the bytes that were put, and its version as ETag', async () => {
  const value = Buffer.from([0, 0xff, 0xed, 0xa0, 10, 13])
  const put = await send('PUT', 'user/a/b', { body: value })
  expect(put).toMatchObject({ status: 204, headers: { etag: expect.stringMatching(ETAG) } })
  const got = await send('GET', 'user/a/b')
  expect(got).toMatchObject({ status: 200, headers: { etag: put.headers.etag } })
  expect(got.body).toEqual(value)
  const head = await send('HEAD', 'user/a/b')
  expect([head.headers['content-length'], head.body.length]).toEqual([`${value.length}`, 0])
  const same = await send('GET', 'user/a/b', {
    headers: { 'If-None-Match': `${got.headers.etag}` },
  })
  expect(same.status).toBe(304)
})

test('an entry may be empty and as large as the limit, and is absent once it is deleted', async () => {
  for (const body of ['', 'x'.repeat(256 * 1_024)]) {
    expect((await send('PUT', 'user/size/x', { body })).status).toBe(204)
    expect((await send('GET', 'user/size/x')).body.toString()).toBe(body)
  }
  expect((await send('PUT', 'user/size/x', { body: 'x'.repeat(256 * 1_024 + 1) })).status).toBe(413)
  expect((await send('DELETE', 'user/size/x')).status).toBe(204)
  expect((await send('GET', 'user/size/x')).status).toBe(404)
})

test('partition key and sort key are told apart by the first slash that is not encoded', async () => {
  await send('PUT', 'user/a%2Fb/c', { body: 'encoded' })
  await send('PUT', 'user/a/b/c', { body: 'plain' })
  await send('PUT', 'user/a/../c', { body: 'dots' })
  expect((await send('GET', 'user/a%2fb/c')).body.toString()).toBe('encoded')
  expect((await send('GET', 'user/a/b%2Fc')).body.toString()).toBe('plain')
  expect((await send('GET', 'user/a/%2E%2E/c')).body.toString()).toBe('dots')
})

test('an entry changes only at the version that was named', async () => {
  const absent = { 'If-None-Match': '*' }
  const first = await send('PUT', 'user/cas/x', { body: '1', headers: absent })
  expect(first.status).toBe(204)
  const second = await send('PUT', 'user/cas/x', { body: '2', headers: absent })
  expect(second).toMatchObject({ status: 412, headers: { etag: first.headers.etag } })
  const matching = { 'If-Match': `${first.headers.etag}` }
  const changed = await send('PUT', 'user/cas/x', { body: '3', headers: matching })
  expect(changed.status).toBe(204)
  for (const method of ['PUT', 'DELETE']) {
    const late = await send(method, 'user/cas/x', { body: '4', headers: matching })
    expect(late).toMatchObject({ status: 412, headers: { etag: changed.headers.etag } })
  }
  expect((await send('GET', 'user/cas/x')).body.toString()).toBe('3')
})

test.each(['*', '"1"', '"1.2.3"', '"."', 'W/"1.2"', '"1.2", "1.3"'])(
  'the condition If-Match: %s is refused and not ignored',
  async (match) => {
    const answer = await send('PUT', 'user/odd/x', { body: 'x', headers: { 'If-Match': match } })
    expect([answer.status, detailOf(answer)]).toEqual([400, expect.stringContaining('If-Match')])
    expect((await send('GET', 'user/odd/x')).status).toBe(404)
  },
)

test('a write that is repeated with its idempotency key is done once', async () => {
  const headers = { 'Idempotency-Key': 'k'.repeat(120) }
  const first = await send('PUT', 'user/once/x', { body: 'first', headers })
  await send('PUT', 'user/once/x', { body: 'second' })
  const repeated = await send('PUT', 'user/once/x', { body: 'first', headers })
  expect(repeated).toMatchObject({ status: 204, headers: { etag: first.headers.etag } })
  expect((await send('GET', 'user/once/x')).body.toString()).toBe('second')
  const long = { 'Idempotency-Key': 'k'.repeat(121) }
  expect((await send('PUT', 'user/once/x', { body: 'x', headers: long })).status).toBe(400)
})

test.each(['artifacts/a/b', 'blobs/a/b', 'user/a', 'user/a/', 'user//a', 'user', '%75ser/a/b'])(
  '%s is no entry of clients',
  async (target) => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await send(method, target, { body: 'x' })
      expect([answer.status, detailOf(answer)]).toEqual([403, expect.stringContaining('map/user/')])
    }
  },
)

test.each([
  ['with a query', 'user/a/b?c', '%3F'],
  ['with half an encoding', 'user/a/%', 'percent-encoded'],
  ['with a partition key that is too long', `user/${'x'.repeat(2_049)}/b`, '2048 bytes'],
  ['with a sort key that is too long', `user/a/${'%c3%a4'.repeat(1_025)}`, '2048 bytes'],
])('a target %s is malformed', async (_what, target, told) => {
  const answer = await send('PUT', target, { body: 'x' })
  expect([answer.status, detailOf(answer)]).toEqual([400, expect.stringContaining(told)])
})

test('only administrators get in, with the methods that there are', async () => {
  const anonymous = new Client({ port: client.port })
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const answer = await anonymous.send(method, '/api/v1/map/user/a/b', { body: 'x' })
    expect(answer.status).toBe(401)
  }
  anonymous.close()
  expect((await send('POST', 'user/a/b', { body: 'x' })).status).toBe(405)
})

const ETAG = /^"\d+\.\d+"$/

function send(method: string, target: string, options: Parameters<Client['send']>[2] = {}) {
  return client.send(method, `/api/v1/map/${target}`, options)
}

function detailOf(answer: Answer): string {
  return JSON.parse(answer.body.toString()).detail
}
