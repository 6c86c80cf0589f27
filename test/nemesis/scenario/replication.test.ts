/** Artifacts that are deployed to one node are on all of them, and stay when a node dies. Small ones: their bodies are in the map. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClusterFixture, sendRequest } from '../../fixture/cluster.ts'
import { temporaryDirectory } from '../../fixture/server.ts'

const NODES = ['n1', 'n2', 'n3']
let cluster: ClusterFixture

beforeAll(async () => {
  cluster = await ClusterFixture.found(NODES, { directory: temporaryDirectory() })
  for (const id of NODES) cluster.node(id).launch()
  await Promise.all(NODES.map((id) => cluster.node(id).ready()))
}, 60_000)

afterAll(() => cluster.close())

const urlOf = (id: string, version: number) =>
  `${cluster.node(id).origin}/repository/releases/org/app/${version}/app-${version}.jar`

/** As a client with some patience does it. */
async function deploy(id: string, version: number): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  for (;;) {
    const body = `content ${version}`
    const answer = await sendRequest(urlOf(id, version), { method: 'PUT', body, timeoutMs: 10_000 })
    if (answer.status === 201) return
    if (answer.status !== 503 || performance.now() > deadlineMs) {
      throw new Error(`${answer.status} ${answer.body}\n${cluster.node(id).logTail()}`)
    }
    await sleep(100)
  }
}

async function expectAll(ids: readonly string[], versions: readonly number[]): Promise<void> {
  for (const id of ids) {
    for (const version of versions) {
      const { status, body } = await sendRequest(urlOf(id, version), { timeoutMs: 10_000 })
      expect([id, version, status, body]).toEqual([id, version, 200, `content ${version}`])
    }
  }
}

const upTo = (end: number, from = 1) => Array.from({ length: end - from + 1 }, (_, i) => from + i)

test('what is deployed to any node can be had from every node at once', async () => {
  for (const version of upTo(30)) {
    await deploy(NODES[version % 3] as string, version)
    await expectAll(NODES, [version])
  }
})

test('nothing is lost with a node that dies, and it catches up when it is back', async () => {
  await cluster.node('n1').kill()
  for (const version of upTo(60, 31)) await deploy(version % 2 === 0 ? 'n2' : 'n3', version)
  await expectAll(['n2', 'n3'], upTo(60))
  await cluster.node('n1').start()
  await cluster.node('n1').ready()
  await expectAll(['n1'], upTo(60))
})

test('everything is there after all nodes were killed', async () => {
  for (const id of NODES) await cluster.node(id).kill()
  for (const id of NODES) cluster.node(id).launch()
  for (const id of NODES) await cluster.node(id).ready()
  await expectAll(NODES, upTo(60))
  expect(NODES.flatMap((id) => cluster.node(id).crashes)).toEqual([])
})
