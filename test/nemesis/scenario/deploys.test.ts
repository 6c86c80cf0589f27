/** Builds on three nodes that share one repository, while one of them dies and comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClusterFixture } from '../../fixture/cluster.ts'
import { temporaryDirectory } from '../../fixture/server.ts'
import { Random } from '../../sim/random.ts'
import { hex } from '../build.ts'
import { MavenClient } from '../maven-client.ts'
import { RepositoryLoad } from '../repository-load.ts'
import { judgeRepository } from '../repository-verdict.ts'

const NODES = ['n1', 'n2', 'n3']
const DEPLOYS = 1_000
const BUILDERS = 72
const DOWN_MS = 3_000
/** What a failover may take, and twice as much for a machine that is busy with other things. */
const GAP_MS_MAX = 6_000

let cluster: ClusterFixture
let client: MavenClient

const nodes = () => NODES.map((id) => cluster.node(id))

beforeAll(async () => {
  cluster = await ClusterFixture.found(NODES, { directory: temporaryDirectory() })
  client = new MavenClient({ nodes, credentials: () => cluster.credentials })
  for (const node of nodes()) node.launch()
  await Promise.all(nodes().map((node) => node.ready()))
}, 60_000)

afterAll(async () => {
  client.close()
  await cluster.close()
})

test(`of ${DEPLOYS} deploys, during which a node is killed and started again, every node has everything`, async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const load = new RepositoryLoad({
    random: new Random(seed),
    builders: BUILDERS,
    readers: 8,
    deploysMax: DEPLOYS,
    thinkMs: 0,
    nodes,
    credentials: () => cluster.credentials,
  })
  try {
    const done = load.start()
    while (load.outcomes.deploys < DEPLOYS / 5) await sleep(50)
    const killedMs = performance.now()
    await cluster.node('n2').kill()
    await sleep(DOWN_MS)
    await cluster.node('n2').start()
    await cluster.node('n2').ready()
    const gapMs = load.longestGapMs(killedMs, performance.now())
    // It came back in the middle of the work.
    expect(load.outcomes.deploys).toBeLessThan(DEPLOYS * 0.9)
    await done
    await load.stop()
    const { deploys, beaten } = load.outcomes
    expect(load.faults).toEqual([])
    expect(load.givenUp).toEqual([])
    expect(deploys + beaten).toBe(DEPLOYS)
    expect(load.inFlightMax).toBeGreaterThanOrEqual(64)
    expect(gapMs).toBeLessThan(GAP_MS_MAX)
    const verdict = await judgeRepository(load.ledger, load.client, nodes())
    expect(verdict.faults).toEqual([])
    expect(verdict.files).toBeGreaterThanOrEqual(2 * deploys)
    console.log(
      `${deploys} deploys, ${verdict.files} files, ${verdict.versions} versions; ` +
        `${load.client.retries} requests repeated; at most ${Math.round(gapMs)} ms without an upload`,
    )
    await expectAlone('n2', load)
  } finally {
    load.close()
    await load.stop()
  }
}, 300_000)

test('of concurrent deploys of one release with different bytes exactly one is taken', async () => {
  for (let round = 0; round < 30; round++) {
    const path = `releases/org/contest/app/1.${round}/app-1.${round}.jar`
    const bodies = Array.from({ length: 6 }, (_, at) => Buffer.from(`bytes ${at} of ${round}`))
    const answers = await Promise.all(
      bodies.map((body, at) => client.once(cluster.node(NODES[at % 3] ?? ''), 'PUT', path, body)),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.toSorted()).toEqual([201, 409, 409, 409, 409, 409])
    const winner = bodies[statuses.indexOf(201)] ?? Buffer.alloc(0)
    for (const node of nodes()) {
      const { status, body } = await client.once(node, 'GET', path)
      expect([status, `${body}`]).toEqual([200, `${winner}`])
    }
  }
})

test('a node that was killed and is started again resolves at once, and never says that nothing is there', async () => {
  const paths = Array.from(
    { length: 20 },
    (_, at) => `releases/org/back/app/1.${at}/app-1.${at}.jar`,
  )
  for (const path of paths) {
    const answer = await client.once(cluster.node('n1'), 'PUT', path, Buffer.from(path))
    expect(answer.status).toBe(201)
  }
  const node = cluster.node('n3')
  await node.kill()
  node.launch()
  const early = new Set<number>()
  let isReady = false
  const asking = (async () => {
    for (let at = 0; !isReady; at++) {
      const path = paths[at % paths.length] ?? ''
      const answer = await client.once(node, 'GET', path).catch(() => undefined)
      if (answer !== undefined) early.add(answer.status)
      await sleep(5)
    }
  })()
  await node.ready()
  isReady = true
  await asking
  for (const path of paths) {
    const { status, body } = await client.once(node, 'GET', path)
    expect([status, `${body}`]).toEqual([200, path])
  }
  for (const status of early) expect([200, 503]).toContain(status)
})

/** A release that is known to be committed is served by any one node, the others being gone; they are started again. */
async function expectAlone(id: string, load: RepositoryLoad): Promise<void> {
  const others = NODES.filter((other) => other !== id)
  for (const other of others) await cluster.node(other).kill()
  const releases = load.ledger.acknowledgedPaths().filter((path) => path.startsWith('releases/'))
  const wrong: string[] = []
  for (const path of releases) {
    const { status, body } = await load.client.once(cluster.node(id), 'GET', path)
    if (status !== 200 || hex('sha256', body) !== load.ledger.acknowledged(path))
      wrong.push(`${path}: ${status} ${body.toString('utf8', 0, 200)}`)
  }
  expect(wrong.slice(0, 10)).toEqual([])
  for (const other of others) await cluster.node(other).start()
  for (const other of others) await cluster.node(other).ready()
}
