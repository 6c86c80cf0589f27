import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/membership/index.ts'
import { readConfig } from '../../src/node/config.ts'
import { type AetherNode, openNode } from '../../src/node/node.ts'
import { freePort } from '../fixture/port.ts'
import { type Answer, Client, head, Wire } from '../http/client.ts'

/** A node that ran alone becomes a cluster and takes in others; the tests go on from each other. */
const directory = mkdtempSync(join(tmpdir(), 'aether-cluster-api-'))
const nodes = new Map<string, AetherNode>()
let addresses: Record<string, string>
let credentials: string
let client: Client

beforeAll(async () => {
  writeFileSync(join(directory, 'cluster.secret'), 'x'.repeat(64))
  const first = await freePort(3)
  const ids = ['node-1', 'n2', 'n3']
  addresses = Object.fromEntries(ids.map((id, at) => [id, `127.0.0.1:${first + at}`]))
  const alone = await open({ data: join(directory, 'node-1'), port: 0 })
  const { freshToken } = await alone.ready
  credentials = `Bearer ${freshToken}`
  await alone.close()
  const founder = await start('node-1')
  await founder.ready
  client = new Client({ port: portOf(founder) }, { Authorization: credentials })
})

afterAll(async () => {
  client.close()
  for (const node of nodes.values()) await node.close()
  rmSync(directory, { recursive: true, force: true })
})

test('every reader sees the members, and only administrators change them', async () => {
  const anonymous = new Client({ port: client.port })
  // Where it is reached the node has the log say itself, a moment after it is up.
  const seen = async () => statusOf(await anonymous.send('GET', '/api/v1/cluster'))
  await expect.poll(seen).toMatchObject({
    cluster: 'aether',
    self: 'node-1',
    hasQuorum: true,
    members: [
      {
        id: 'node-1',
        address: addresses['node-1'],
        role: 'voter',
        isConnected: true,
        behindSlots: 0,
      },
    ],
    waiting: [],
  })
  const added = await anonymous.send('POST', '/api/v1/cluster/members', { body: '{"id":"n2"}' })
  expect(added).toMatchObject({
    status: 401,
    headers: { 'www-authenticate': expect.stringContaining('Basic') },
  })
  expect((await anonymous.send('DELETE', '/api/v1/cluster/members/node-1')).status).toBe(401)
  anonymous.close()
})

test('a node that does not ask to join is not added, nor is a member', async () => {
  expect(problemOf(await add('n2'))).toMatchObject({
    status: 409,
    kind: 'not-waiting',
    detail: 'n2 does not ask to join; waiting: none.',
    next: expect.stringContaining('join = true'),
  })
  expect(problemOf(await add('node-1'))).toMatchObject({
    status: 409,
    kind: 'already-member',
    next: expect.stringContaining('aether cluster remove node-1'),
  })
})

test('the last voter is not removed, nor is who was never a member', async () => {
  expect(problemOf(await remove('node-1'))).toMatchObject({
    status: 409,
    kind: 'last-voter',
    next: expect.stringContaining('aether cluster add'),
  })
  expect(problemOf(await remove('n7'))).toMatchObject({
    status: 404,
    kind: 'not-a-member',
    detail: 'n7 is not a member; members are node-1.',
  })
})

test('the members say how they are', async () => {
  await expect
    .poll(async () => (await status()).members[0], { timeout: 20_000 })
    .toMatchObject({
      replicas: 1_024,
      replicasBehind: 0,
      vitals: {
        boot: expect.stringMatching(/^[0-9a-f]{16}$/),
        startedMs: expect.any(Number),
        isReady: true,
        diskFreeBytes: expect.any(Number),
        hasAllChunks: true,
      },
    })
})

test('a restart names a member, and is for administrators', async () => {
  const ask = (from: Client, body: string) => from.send('POST', '/api/v1/cluster/restart', { body })
  const anonymous = new Client({ port: client.port })
  expect((await ask(anonymous, '{"node":"node-1"}')).status).toBe(401)
  anonymous.close()
  expect(problemOf(await ask(client, '{"node":"n7"}'))).toMatchObject({
    status: 404,
    kind: 'not-a-member',
  })
  for (const body of ['', '{}', '{"node":1}', '{"node":"node-1","now":true}']) {
    expect((await ask(client, body)).status).toBe(400)
  }
  expect((await client.send('GET', '/api/v1/cluster/restart')).status).toBe(405)
  // The process that it names is not this one: nothing happens.
  const other = await ask(client, '{"node":"node-1","boot":"another"}')
  expect(other.status).toBe(202)
  expect(JSON.parse(other.body.toString())).toEqual({ node: 'node-1', boot: 'another' })
})

test('the metrics tell how the copies fare', async () => {
  const metrics = (await client.send('GET', '/metrics')).body.toString()
  for (const name of [
    'aether_partitions_taking_over 0',
    'aether_chunks_missing 0',
    'aether_takeovers_total 0',
    'aether_fenced_requests_total 0',
    'aether_quorum_refusals_total 0',
    'aether_chunks_repaired_total 0',
  ]) {
    expect(metrics).toContain(`\n${name}\n`)
  }
  expect(metrics).toContain('# TYPE aether_replicas_lagging gauge')
})

test('a node that waits is added, and votes once it has caught up', async () => {
  for (const id of ['n2', 'n3']) {
    await start(id, 'join = true')
    await expect
      .poll(async () => (await status()).waiting)
      .toEqual([{ id, address: addresses[id] }])
    const added = await add(id)
    expect(added.status).toBe(201)
    const { members, waiting } = statusOf(added)
    expect(members.map((member) => member.id)).toContain(id)
    expect(waiting).toEqual([])
    await expect
      .poll(async () => (await status()).members.find((member) => member.id === id), {
        timeout: 20_000,
      })
      .toMatchObject({ role: 'voter', isConnected: true })
  }
})

test('a voter is not removed when too few would be left to reach', async () => {
  await nodes.get('n3')?.close()
  nodes.delete('n3')
  await expect
    .poll(async () => (await status()).members.map(({ isConnected }) => isConnected), {
      timeout: 20_000,
    })
    .toEqual([true, false, true])
  expect(problemOf(await remove('n2'))).toMatchObject({
    status: 409,
    kind: 'would-lose-quorum',
    next: expect.stringContaining('Start the voters'),
  })
})

test('a member that is removed is in the status no more', async () => {
  const before = await status()
  const removed = await remove('n3')
  expect(removed.status).toBe(200)
  const { members, epoch } = statusOf(removed)
  expect(members.map(({ id }) => id)).toEqual(['n2', 'node-1'])
  expect(epoch).toBe(before.epoch + 1)
})

test.each([
  ['nothing in it', ''],
  ['no JSON', 'n4'],
  ['a number as id', '{"id":4}'],
  ['an empty id', '{"id":""}'],
  ['a wish', '{"id":"n4","role":"voter"}'],
  ['an endless id', `{"id":"${'n'.repeat(2_000)}"}`],
])('an addition with %s is malformed', async (_what, body) => {
  const answer = await client.send('POST', '/api/v1/cluster/members', { body })
  expect(problemOf(answer)).toMatchObject({
    status: 400,
    detail: expect.stringContaining('{"id":"n4"}'),
  })
})

test('an addition that waits for permission gets it', async () => {
  const wire = await Wire.connect(client.port)
  const line = 'POST /api/v1/cluster/members'
  const token = `Authorization: ${credentials}`
  await wire.write(head(line, token, 'Content-Length: 11', 'Expect: 100-continue'))
  expect((await wire.answer())?.status).toBe(100)
  await wire.write('{"id":"n9"}')
  expect((await wire.answer())?.status).toBe(409)
  wire.destroy()
})

test.each([
  ['PUT', '/api/v1/cluster', 'GET, HEAD'],
  ['GET', '/api/v1/cluster/members', 'POST'],
  ['GET', '/api/v1/cluster/members/node-1', 'DELETE'],
  ['POST', '/api/v1/status', 'GET, HEAD'],
])('%s %s is answered with what it takes', async (method, target, allow) => {
  const answer = await client.send(method, target)
  expect(answer).toMatchObject({ status: 405, headers: { allow } })
})

test.each(['/api/v1/cluster/', '/api/v1/cluster/none', '/api/v1/clusters', '/api/', '/api/v2/'])(
  '%s is not found, and the answer says what is',
  async (target) => {
    const answer = await client.send('GET', target)
    expect(problemOf(answer)).toMatchObject({
      status: 404,
      detail: expect.stringContaining('/api/v1/cluster'),
    })
  },
)

async function start(id: string, ...settings: string[]): Promise<AetherNode> {
  const peers = id === 'node-1' ? ['node-1'] : ['node-1', id]
  const lines = peers.map((peer) => `${peer} = "${addresses[peer]}"`)
  const file = join(directory, `${id}.toml`)
  writeFileSync(
    file,
    `data = "${join(directory, id)}"
port = 0
[cluster]
id = "${id}"
secret_file = "cluster.secret"
${settings.join('\n')}
[cluster.peers]
${lines.join('\n')}
`,
  )
  const node = await open({ config: file })
  nodes.set(id, node)
  return node
}

function open(flags: Parameters<typeof readConfig>[0]): Promise<AetherNode> {
  const config = readConfig(flags, {})
  if (!config.ok) throw new Error(config.error.detail)
  return openNode({ config: config.value, logger: pino({ level: 'silent' }) })
}

function add(id: string): Promise<Answer> {
  return client.send('POST', '/api/v1/cluster/members', { body: JSON.stringify({ id }) })
}

function remove(id: string): Promise<Answer> {
  return client.send('DELETE', `/api/v1/cluster/members/${id}`)
}

async function status(): Promise<ClusterStatus> {
  return statusOf(await client.send('GET', '/api/v1/cluster'))
}

function statusOf(answer: Answer): ClusterStatus {
  return JSON.parse(answer.body.toString())
}

function problemOf(answer: Answer): unknown {
  return JSON.parse(answer.body.toString())
}

function portOf(node: AetherNode): number {
  return Number(new URL(node.url).port)
}
