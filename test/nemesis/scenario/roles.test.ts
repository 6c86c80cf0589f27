/** Roles in the partitions while processes die, pause, and end in order. Nothing of it is to be slower than an operator was told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/membership/index.ts'
import { ClusterFixture, sendRequest } from '../../fixture/cluster.ts'
import { temporaryDirectory } from '../../fixture/server.ts'

const NODES = ['n1', 'n2', 'n3']
let cluster: ClusterFixture

beforeAll(async () => {
  cluster = await ClusterFixture.found(NODES, { directory: temporaryDirectory() })
  for (const id of NODES) cluster.node(id).launch()
  await Promise.all(NODES.map((id) => cluster.node(id).ready()))
  await cluster.authorize()
}, 60_000)

afterAll(() => cluster.close())

async function statusOf(id: string): Promise<ClusterStatus> {
  const { origin } = cluster.node(id)
  const { body } = await sendRequest(`${origin}/api/v1/cluster`, { headers: cluster.credentials })
  return JSON.parse(body) as ClusterStatus
}

/** How many partitions each node leads, as `id` sees it. */
async function ledOf(id: string): Promise<Record<string, number>> {
  const { partitions } = await statusOf(id)
  return Object.fromEntries(
    (partitions?.led ?? []).map(({ node, partitions }) => [node, partitions]),
  )
}

async function until(id: string, isSo: (status: ClusterStatus) => boolean): Promise<void> {
  const deadlineMs = performance.now() + 30_000
  while (!isSo(await statusOf(id))) {
    if (performance.now() > deadlineMs) {
      throw new Error(`it did not come to be:\n${JSON.stringify(await statusOf(id), null, 1)}`)
    }
    await sleep(20)
  }
}

const leads = (status: ClusterStatus, id: string) =>
  status.partitions?.led.some(({ node }) => node === id) ?? false

const logs = () => NODES.map((id) => cluster.node(id).logTail(Number.POSITIVE_INFINITY)).join('')

const failovers = () => logs().match(/"msg":"failover: /g)?.length ?? 0

async function metric(id: string, name: string): Promise<string | undefined> {
  const { origin } = cluster.node(id)
  const { body } = await sendRequest(`${origin}/metrics`, { headers: cluster.credentials })
  return body.split('\n').find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
}

test('a new cluster gives each node a third of the partitions', async () => {
  for (const id of NODES) await until(id, ({ partitions }) => partitions !== undefined)
  const led = await ledOf('n1')
  expect(Object.keys(led)).toEqual(NODES)
  expect(Object.values(led).reduce((a, b) => a + b)).toBe(1_024)
  for (const count of Object.values(led)) expect(Math.abs(count - 1_024 / 3)).toBeLessThan(20)
  expect(await metric('n2', 'aether_partitions_led')).toBe(`aether_partitions_led ${led['n2']}`)
})

test('who was killed is replaced within three seconds, and gets its roles back', async () => {
  const before = await ledOf('n2')
  await sleep(1_000)
  for (const victim of ['n3', 'n1']) {
    const other = victim === 'n1' ? 'n2' : 'n1'
    const startMs = performance.now()
    await cluster.node(victim).kill()
    await until(other, (status) => !leads(status, victim))
    expect(performance.now() - startMs).toBeLessThan(3_000)
    expect((await statusOf(other)).partitions?.underReplicated).toBe(1_024)
    expect(await metric(other, 'aether_failovers_total')).toMatch(/ [1-9]$/)
    cluster.node(victim).launch()
    await cluster.node(victim).ready()
    await until(other, (status) => leads(status, victim))
    await until('n2', ({ members }) => members.every(({ state }) => state === 'up'))
    expect(await ledOf('n2')).toEqual(before)
  }
  expect(failovers()).toBe(2)
})

test('a pause of two seconds moves nothing', async () => {
  // With a new table the others count as behind until they have said that they have it.
  await until('n1', ({ partitions }) => partitions?.underReplicated === 0)
  const before = await statusOf('n1')
  for (const victim of ['n2', 'n1', 'n3']) {
    cluster.node(victim).pause()
    await sleep(2_000)
    cluster.node(victim).resume()
    await sleep(700)
  }
  const after = await statusOf('n1')
  expect(after.partitions).toEqual(before.partitions)
  expect(failovers()).toBe(2)
})

test('who pauses for longer is replaced', async () => {
  cluster.node('n2').pause()
  const startMs = performance.now()
  try {
    await until('n1', (status) => !leads(status, 'n2'))
    expect(performance.now() - startMs).toBeLessThan(3_000)
  } finally {
    cluster.node('n2').resume()
  }
  const resumedMs = performance.now()
  await until('n3', (status) => !leads(status, 'n2'))
  await until('n3', (status) => leads(status, 'n2'))
  expect(performance.now() - resumedMs).toBeGreaterThan(5_000)
})

test('who is stopped hands its roles over first', async () => {
  const startMs = performance.now()
  await sleep(100)
  const before = failovers()
  await cluster.node('n1').stop()
  expect(performance.now() - startMs).toBeLessThan(5_000)
  expect(leads(await statusOf('n2'), 'n1')).toBe(false)
  expect(failovers()).toBe(before)
  expect(logs()).toMatch(/"msg":"hand-over: /)
  await cluster.node('n1').start()
  await until('n2', (status) => leads(status, 'n1'))
})
