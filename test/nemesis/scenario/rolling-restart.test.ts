/** A rolling restart of nodes in processes of their own, which stay the same processes to whoever supervises them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/membership/index.ts'
import { aether } from '../../cli/fixture.ts'
import { ClusterFixture, type HttpOptions, sendRequest } from '../../fixture/cluster.ts'
import { temporaryDirectory } from '../../fixture/server.ts'

const NODES = ['n1', 'n2', 'n3']

/** A node is away for two seconds, on a busy machine for longer. */
const ATTEMPTS_MAX = 10
const RETRY_MS = 500

let cluster: ClusterFixture

beforeAll(async () => {
  cluster = await ClusterFixture.found(NODES, { directory: temporaryDirectory() })
  for (const id of NODES) cluster.node(id).launch()
  await Promise.all(NODES.map((id) => cluster.node(id).ready()))
  await cluster.authorize()
}, 60_000)

afterAll(() => cluster.close())

test('every node becomes a new one in the same process, and is asked while all others are well', async () => {
  const pids = NODES.map((id) => cluster.node(id).pid)
  const boots = await bootsOf('n1')
  const load = deployAll()
  const run = await roll('n2')
  expect(await load.end()).toEqual({ refused: [], lost: [] })
  expect(load.count).toBeGreaterThan(100)
  expect(run).toMatchObject({ exitCode: 0 })
  expect(run.stdout).toMatch(
    /n1 restarts\nn1 is back after [\d.]+ s\n(.*waiting\n)*n2 restarts\nn2 is back after [\d.]+ s\n(.*waiting\n)*n3 restarts\nn3 is back after [\d.]+ s\n(.*waiting\n)*3 nodes restarted/,
  )
  expect(NODES.map((id) => cluster.node(id).pid)).toEqual(pids)
  const after = await bootsOf('n1')
  expect(NODES.filter((id) => after.get(id) === boots.get(id))).toEqual([])
  expect(NODES.flatMap((id) => cluster.node(id).crashes)).toEqual([])
  for (const id of NODES) {
    const log = cluster.node(id).logTail(Number.POSITIVE_INFINITY)
    expect(log.match(/"msg":"restarting, /g)).toHaveLength(1)
    expect(log).not.toContain('failover: ')
  }
})

test('two at once take turns: no two nodes are away together', async () => {
  const away = countAway()
  const runs = await Promise.all([roll('n1'), roll('n3')])
  expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0])
  expect(await away.end()).toBe(1)
})

test('a node that has restarted can be stopped, killed and started as before', async () => {
  await cluster.node('n1').stop()
  await cluster.node('n1').start()
  await cluster.node('n1').ready()
})

test('with a node down nothing is restarted', async () => {
  await cluster.node('n3').kill()
  const boots = await bootsOf('n1')
  const run = await roll('n1', '--timeout', '2', '--json')
  expect(run.exitCode).toBe(1)
  expect(JSON.parse(run.stdout)).toMatchObject({
    error: { message: expect.stringContaining('n3 is down'), next: expect.any(String) },
  })
  expect(run.stderr).toContain('restarted before: none')
  expect((await bootsOf('n1')).get('n1')).toBe(boots.get('n1'))
  await cluster.node('n3').start()
  await cluster.node('n3').ready()
})

test('a wish is granted once, to the process that it names', async () => {
  const boots = await bootsOf('n2')
  const boot = boots.get('n3') as string
  expect(await wish('n1', { node: 'n3', boot })).toBe(202)
  await until(async () => (await bootsOf('n2')).get('n3') !== boot)
  await cluster.node('n3').ready()
  const next = (await bootsOf('n2')).get('n3')
  expect(await wish('n1', { node: 'n3', boot })).toBe(202)
  await sleep(1_500)
  expect((await bootsOf('n2')).get('n3')).toBe(next)
})

/** Deploys to all nodes in turn, each file with the retries of a usual client, until it is told to end. */
function deployAll() {
  let isEnding = false
  const deployed: string[] = []
  const refused: string[] = []
  const work = async (worker: number) => {
    for (let i = 0; !isEnding; i++) {
      const path = `/repository/releases/com/acme/a${worker}-${i}/1.0/a${worker}-${i}-1.0.jar`
      const body = 'x'.repeat(i % 10 === 0 ? 200_000 : 2_000)
      const status = await send(path, i + worker, { method: 'PUT', body })
      if (status === 201 || status === 200) deployed.push(path)
      else refused.push(`${status} for ${path}`)
    }
  }
  const workers = [1, 2, 3, 4].map(work)
  return {
    get count() {
      return deployed.length
    },
    /** What was refused in spite of all retries, and what was acknowledged and is not there. */
    async end() {
      isEnding = true
      await Promise.all(workers)
      const lost: string[] = []
      for (const [at, path] of deployed.entries()) {
        if ((await send(path, at, { method: 'HEAD' })) !== 200) lost.push(path)
      }
      return { refused, lost }
    },
  }
}

/** How many nodes take no connections at the same time, at most, until it is told to end. */
function countAway() {
  let isEnding = false
  const isAway = (id: string) =>
    sendRequest(`${cluster.node(id).origin}/health/live`).then(
      () => false,
      () => true,
    )
  const count = async () => {
    let most = 0
    while (!isEnding) {
      const answers = await Promise.all(NODES.map(isAway))
      most = Math.max(most, answers.filter((each) => each).length)
      await sleep(50)
    }
    return most
  }
  const counted = count()
  return {
    end: () => {
      isEnding = true
      return counted
    },
  }
}

/** The last status of a few attempts; 0 for a connection that failed. */
async function send(path: string, at: number, options: HttpOptions): Promise<number> {
  const origin = cluster.node(NODES[at % NODES.length] as string).origin
  let status = 0
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const answer = await sendRequest(origin + path, { ...options, timeoutMs: 10_000 }).catch(
      () => undefined,
    )
    status = answer?.status ?? 0
    if (status !== 0 && status < 500) return status
    await sleep(RETRY_MS)
  }
  return status
}

async function roll(at: string, ...flags: string[]) {
  const { Authorization = '' } = cluster.credentials
  const token = Authorization.replace('Bearer ', '')
  const { origin } = cluster.node(at)
  return aether(['cluster', 'rolling-restart', ...flags, '--server', origin, '--token', token])
}

async function wish(at: string, body: object): Promise<number> {
  const { status } = await sendRequest(`${cluster.node(at).origin}/api/v1/cluster/restart`, {
    method: 'POST',
    headers: cluster.credentials,
    body: JSON.stringify(body),
  })
  return status
}

async function bootsOf(at: string): Promise<Map<string, string | undefined>> {
  const { origin } = cluster.node(at)
  const { body } = await sendRequest(`${origin}/api/v1/cluster`, { headers: cluster.credentials })
  const { members } = JSON.parse(body) as ClusterStatus
  return new Map(members.map(({ id, vitals }) => [id, vitals?.boot]))
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to be in time')
    await sleep(50)
  }
}
