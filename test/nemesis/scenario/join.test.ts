/** A node that ran alone, with what was deployed to it, becomes one of three; after that it is not needed any more. */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/membership/index.ts'
import { aether } from '../../cli/fixture.ts'
import { ClusterFixture, sendRequest } from '../../fixture/cluster.ts'
import { temporaryDirectory } from '../../fixture/server.ts'

/** Inline in their records, one chunk, and several. */
const SIZES = [3_000, 3_000, 300_000, 9_000_000]
const deployed = new Map<string, string>()
let cluster: ClusterFixture

beforeAll(async () => {
  // As a node calls itself and its cluster when nothing else is said.
  const directory = temporaryDirectory()
  cluster = await ClusterFixture.found(['node-1'], { directory, name: 'aether' })
  const first = cluster.node('node-1')
  first.runAlone()
  await first.start()
  await first.ready()
  await cluster.authorize()
  for (const [at, size] of SIZES.entries()) await deploy(at, size)
  await first.stop()
  cluster.declare('node-1', ['node-1'])
}, 60_000)

afterAll(() => cluster.close())

test('a node with data takes in two empty ones, and its data is copied to them', async () => {
  await cluster.node('node-1').start()
  await cluster.node('node-1').ready()
  for (const id of ['n2', 'n3']) {
    const node = await cluster.prepareJoiner(id)
    await node.start()
    await until(async () => (await status()).waiting.some((one) => one.id === id), 'waits')
    expect((await run('add', id)).exitCode).toBe(0)
  }
  await until(async () => {
    const { members, partitions } = await status()
    return (
      members.length === 3 &&
      members.every(({ role, replicas }) => role === 'voter' && replicas === 1_024) &&
      members.every(({ replicasBehind, vitals }) => replicasBehind === 0 && vitals?.hasAllChunks) &&
      partitions?.underReplicated === 0
    )
  }, 'has everything everywhere')
  expect((await run('status')).stdout).toContain('\nstrength: full, ')
  await until(async () => (await status()).partitions?.led.length === 3, 'shares the roles')
})

test('what was deployed before is served by each of the new nodes when the first one is dead', async () => {
  await cluster.node('node-1').kill()
  for (const id of ['n2', 'n3']) {
    for (const [path, digest] of deployed) expect(await digestFrom(id, path)).toBe(digest)
    const metadata = await fetchFrom(id, '/repository/releases/com/acme/a0/maven-metadata.xml')
    expect(await metadata.text()).toContain('<version>1.0</version>')
  }
})

async function deploy(at: number, size: number): Promise<void> {
  const bytes = randomBytes(size)
  const base = `/repository/releases/com/acme/a${at}/1.0/a${at}-1.0`
  const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>com.acme</groupId><artifactId>a${at}</artifactId><version>1.0</version></project>`
  for (const [path, body] of [
    [`${base}.pom`, Buffer.from(pom)],
    [`${base}.jar`, bytes],
  ] as const) {
    const { origin } = cluster.node('node-1')
    const answer = await fetch(origin + path, { method: 'PUT', body })
    expect(answer.status).toBe(201)
    deployed.set(path, createHash('sha256').update(body).digest('hex'))
  }
}

/** Asks again for as long as a failover may take. */
async function fetchFrom(id: string, path: string): Promise<Response> {
  const { origin } = cluster.node(id)
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch(origin + path, { headers: cluster.credentials })
    if (answer.status < 500 || attempt > 20) return answer
    await sleep(500)
  }
}

async function digestFrom(id: string, path: string): Promise<string> {
  const answer = await fetchFrom(id, path)
  if (answer.status !== 200) throw new Error(`${id}: ${answer.status} for ${path}`)
  const body = Buffer.from(await answer.arrayBuffer())
  return createHash('sha256').update(body).digest('hex')
}

async function run(command: string, ...args: string[]) {
  const token = (cluster.credentials['Authorization'] ?? '').replace('Bearer ', '')
  const { origin } = cluster.node('node-1')
  return aether(['cluster', command, ...args, '--server', origin, '--token', token])
}

async function status(): Promise<ClusterStatus> {
  const { origin } = cluster.node('node-1')
  const { body } = await sendRequest(`${origin}/api/v1/cluster`, { headers: cluster.credentials })
  return JSON.parse(body) as ClusterStatus
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 90_000
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`not in time: it ${what}\n${JSON.stringify(await status(), null, 1)}`)
    }
    await sleep(100)
  }
}
