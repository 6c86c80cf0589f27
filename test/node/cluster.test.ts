/** Several nodes as users start them: a process and a configuration file each, on loopback. */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ClusterFixture, type HttpAnswer, sendRequest } from '../fixture/cluster.ts'
import { temporaryDirectory } from '../fixture/server.ts'

const clusters: ClusterFixture[] = []
afterAll(() => Promise.all(clusters.map((cluster) => cluster.close())))

async function found(...founders: string[]): Promise<ClusterFixture> {
  const cluster = await ClusterFixture.found(founders, { directory: temporaryDirectory() })
  clusters.push(cluster)
  return cluster
}

/** All of these nodes at once, until each of them serves. */
async function run(cluster: ClusterFixture, ...ids: string[]): Promise<void> {
  for (const id of ids) cluster.node(id).launch()
  await Promise.all(ids.map((id) => cluster.node(id).ready()))
}

type Call = { readonly method?: string; readonly body?: string; readonly timeoutMs?: number }

function ask(cluster: ClusterFixture, id: string, path: string, call: Call = {}) {
  const { origin } = cluster.node(id)
  return sendRequest(`${origin}${path}`, { ...call, headers: cluster.credentials })
}

function put(cluster: ClusterFixture, id: string, key: string, body: string): Promise<HttpAnswer> {
  return ask(cluster, id, `/api/v1/control/user/${key}`, { method: 'PUT', body, timeoutMs: 15_000 })
}

async function get(cluster: ClusterFixture, id: string, key: string): Promise<string> {
  return (await ask(cluster, id, `/api/v1/control/user/${key}`, { timeoutMs: 15_000 })).body
}

type Status = {
  readonly epoch: number
  readonly hasQuorum: boolean
  readonly members: { id: string; role: string; isConnected: boolean; behindSlots: number }[]
  readonly waiting: { id: string }[]
}

async function statusOf(cluster: ClusterFixture, id: string): Promise<Status> {
  return JSON.parse((await ask(cluster, id, '/api/v1/cluster')).body)
}

/** Asks until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to be in time')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('three nodes', () => {
  let cluster: ClusterFixture

  test('form a cluster, and one of them prints the only token', async () => {
    cluster = await found('n1', 'n2', 'n3')
    await run(cluster, 'n1', 'n2', 'n3')
    await cluster.authorize()
    const said = ['n1', 'n2', 'n3'].map((id) => cluster.node(id).logTail(Number.POSITIVE_INFINITY))
    expect(said.join('').match(/aether_[\w-]{20,}/g)).toHaveLength(1)
    await until(async () => (await statusOf(cluster, 'n2')).epoch === 4)
    expect(await statusOf(cluster, 'n2')).toMatchObject({
      hasQuorum: true,
      members: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }],
      waiting: [],
    })
  })

  test('hold what was written to one of them, whichever is killed', async () => {
    for (const [i, victim] of ['n1', 'n2', 'n3'].entries()) {
      const [other, third] = ['n1', 'n2', 'n3'].filter((id) => id !== victim) as [string, string]
      expect((await put(cluster, victim, `k${i}`, 'before')).status).toBe(204)
      await cluster.node(victim).kill()
      expect(await get(cluster, other, `k${i}`)).toBe('before')
      expect((await put(cluster, third, `k${i}`, 'after')).status).toBe(204)
      cluster.node(victim).launch()
      await cluster.node(victim).ready()
      expect(await get(cluster, victim, `k${i}`)).toBe('after')
    }
  })

  test('refuse one whose disk was emptied, and it says how to come back', async () => {
    const lost = cluster.node('n3')
    await lost.stop()
    rmSync(lost.data, { recursive: true })
    lost.launch()
    expect(await lost.ends()).toEqual({ code: 1, signal: null })
    expect(lost.logTail()).toMatch(/aether: .*another disk under the name n3/)
    expect(lost.logTail()).toContain('aether cluster remove n3')
    expect(lost.logTail()).toContain('aether cluster add n3')
    expect(lost.logTail(Number.POSITIVE_INFINITY)).not.toMatch(/^\s+at /m)
  })

  test('take it in again when it was removed and added', async () => {
    const removed = await ask(cluster, 'n1', '/api/v1/cluster/members/n3', { method: 'DELETE' })
    expect(removed.status).toBe(200)
    await cluster.empty('n3')
    await cluster.node('n3').start()
    await until(async () => (await statusOf(cluster, 'n1')).waiting.length > 0)
    const waits = await sendRequest(`${cluster.node('n3').origin}/health/ready`)
    expect(waits.status).toBe(503)
    expect(waits.body).toContain('aether cluster add n3')
    const body = '{"id":"n3"}'
    const added = await ask(cluster, 'n1', '/api/v1/cluster/members', { method: 'POST', body })
    expect(added.status).toBe(201)
    await cluster.node('n3').ready()
    await until(async () => {
      const { members } = await statusOf(cluster, 'n3')
      return members.every(({ role, isConnected }) => role === 'voter' && isConnected)
    })
    expect(await get(cluster, 'n3', 'k0')).toBe('after')
  })

  test('go on where they were when all were killed at once', async () => {
    await Promise.all(['n1', 'n2', 'n3'].map((id) => cluster.node(id).kill()))
    await run(cluster, 'n1', 'n2', 'n3')
    expect(await get(cluster, 'n2', 'k2')).toBe('after')
    expect((await put(cluster, 'n3', 'k2', 'again')).status).toBe(204)
  })

  test('stop the one that is removed while it runs', async () => {
    const removed = await ask(cluster, 'n1', '/api/v1/cluster/members/n2', { method: 'DELETE' })
    expect(removed.status).toBe(200)
    expect(await cluster.node('n2').ends()).toEqual({ code: 1, signal: null })
    expect(cluster.node('n2').logTail()).toMatch(/aether: .*n2/)
    expect(await get(cluster, 'n3', 'k2')).toBe('again')
  })

  test('show what the log does as metrics', async () => {
    const metrics = (await ask(cluster, 'n1', '/metrics')).body
    for (const name of [
      'consensus_slots_total',
      'consensus_forfeited_slots_total',
      'consensus_phases_per_slot_bucket',
      'consensus_requests_per_batch_bucket',
      'consensus_sync_duration_seconds_bucket',
      'consensus_applied_slot',
      'consensus_snapshots_total',
      'cluster_peer_lag_slots',
      'cluster_peer_connected',
      'cluster_frames_dropped_total',
    ]) {
      expect(metrics).toMatch(new RegExp(`^aether_${name}.* [\\d.]+$`, 'm'))
    }
    expect(metrics).toMatch(/^aether_cluster_peer_connected\{peer="n3"\} 1$/m)
  })
})

test('one of three is up, tells what it waits for, and calls nothing absent', async () => {
  const cluster = await found('n1', 'n2', 'n3')
  await cluster.node('n1').start()
  const ready = await ask(cluster, 'n1', '/health/ready')
  expect(ready.status).toBe(503)
  expect(JSON.parse(ready.body)).toEqual({
    status: 'not-ready',
    reason: 'waits for n2 and n3: 1 of 3 voters can be reached, and 2 are needed',
  })
  expect((await ask(cluster, 'n1', '/repository/releases/a/b/1/b-1.pom')).status).toBe(503)
  cluster.credentials = { Authorization: 'Bearer aether_unknown' }
  expect((await ask(cluster, 'n1', '/api/v1/cluster')).status).toBe(503)
  expect((await ask(cluster, 'n1', '/health/live')).status).toBe(200)
  await cluster.node('n1').stop()
})

test('founders that do not name the same peers do not form a cluster', async () => {
  const cluster = await found('n1', 'n2', 'n3')
  cluster.declare('n2', ['n1', 'n2'])
  await Promise.all(['n1', 'n2'].map((id) => cluster.node(id).start()))
  const reason = async () => (await ask(cluster, 'n1', '/health/ready')).body
  await until(async () => (await reason()).includes('n2 forms a cluster with other'))
  await cluster.node('n2').stop()
  // It has begun with these peers, and may have promised something to them.
  cluster.declare('n2', ['n1', 'n2', 'n3'])
  cluster.node('n2').launch()
  expect(await cluster.node('n2').ends()).toMatchObject({ code: 1 })
  expect(cluster.node('n2').logTail()).toContain('has begun to form a cluster with other peers')
  rmSync(join(cluster.node('n2').data, 'consensus'), { recursive: true })
  cluster.node('n2').launch()
  await Promise.all(['n1', 'n2'].map((id) => cluster.node(id).ready()))
})

test('a node that was alone grows', async () => {
  const cluster = await found('node-1')
  const first = cluster.node('node-1')
  await run(cluster, 'node-1')
  await cluster.authorize()
  expect((await put(cluster, 'node-1', 'k', 'alone')).status).toBe(204)
  for (const id of ['n2', 'n3']) {
    await (await cluster.prepareJoiner(id)).start()
    await until(async () => (await statusOf(cluster, 'node-1')).waiting.some((it) => it.id === id))
    const body = JSON.stringify({ id })
    const added = await ask(cluster, 'node-1', '/api/v1/cluster/members', { method: 'POST', body })
    expect(added.status).toBe(201)
    await cluster.node(id).ready()
    await until(async () => {
      const { members } = await statusOf(cluster, 'node-1')
      return members.every(({ role }) => role === 'voter')
    })
  }
  await first.kill()
  expect(await get(cluster, 'n2', 'k')).toBe('alone')
  expect((await put(cluster, 'n3', 'k', 'grown')).status).toBe(204)
  // With an emptied disk it begins anew, until one of those that it took in tells it.
  rmSync(first.data, { recursive: true })
  first.launch()
  expect(await first.ends()).toEqual({ code: 1, signal: null })
  expect(first.logTail()).toMatch(/aether: .*another disk under the name node-1/)
  expect(first.logTail()).toContain('aether cluster remove node-1')
})

test('a data directory of another node is refused with the name it has', async () => {
  const cluster = await found('n1')
  await run(cluster, 'n1')
  await cluster.node('n1').stop()
  const other = await found('n2')
  const node = other.node('n2')
  await cluster.node('n1').saveData(node.data)
  expect(existsSync(join(node.data, 'consensus', 'identity'))).toBe(true)
  node.launch()
  expect(await node.ends()).toMatchObject({ code: 1 })
  expect(node.logTail()).toContain('the node n1 in the cluster proof, not of n2')
  expect(node.logTail()).toContain('id = "n1"')
})
