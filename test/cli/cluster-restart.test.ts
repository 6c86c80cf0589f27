import { expect, test } from 'vitest'
import { aether, problem, startServer } from './fixture.ts'

const IDS = ['n1', 'n2', 'n3']

type Member = {
  id: string
  state: string
  isConnected: boolean
  behindSlots?: number
  replicasBehind: number
  vitals: { boot: string; isReady: boolean; missingChunks: number; hasAllChunks: boolean }
}

/** A cluster that restarts its nodes when it is asked to, unless the test says otherwise. */
class Cluster {
  readonly members: Member[] = IDS.map((id) => ({
    id,
    state: 'up',
    isConnected: true,
    behindSlots: 0,
    replicasBehind: 0,
    vitals: { boot: `${id}-0`, isReady: true, missingChunks: 0, hasAllChunks: true },
  }))
  underReplicated = 0
  readonly asked: string[] = []
  /** Called with each request; true when it has been answered. */
  intercept: (line: string) => number | undefined = () => undefined
  restart = (member: Member): void => {
    member.vitals = { ...member.vitals, boot: `${member.id}-${this.asked.length}` }
  }

  async run(...flags: string[]) {
    const server = await startServer((request, response) => {
      const status = this.intercept(`${request.method} ${request.url}`)
      if (status !== undefined) return problem(response, status, 'No', 'It is not to be.')
      const chunks: Buffer[] = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        if (request.method === 'POST') this.#take(Buffer.concat(chunks).toString())
        response.writeHead(200).end(JSON.stringify(this.#status()))
      })
      return true
    })
    return aether(['cluster', 'rolling-restart', ...flags, '--server', server.url])
  }

  #take(body: string): void {
    const { node, boot } = JSON.parse(body)
    const member = this.members.find(({ id }) => id === node)
    this.asked.push(`${node} ${boot}`)
    if (member !== undefined && member.vitals.boot === boot) this.restart(member)
  }

  #status(): object {
    const partitions = { tableVersion: 1, total: 1_024, underReplicated: this.underReplicated }
    return { self: 'n1', hasQuorum: true, members: this.members, waiting: [], partitions }
  }
}

test('one node after the other is asked to restart, by the name of its process', async () => {
  const cluster = new Cluster()
  const { exitCode, stdout } = await cluster.run()
  expect(exitCode).toBe(0)
  expect(stdout.replace(/\d+(\.\d+)? s/g, 'T s')).toBe(`n1 restarts
n1 is back after T s
n2 restarts
n2 is back after T s
n3 restarts
n3 is back after T s
3 nodes restarted; all are well, and every partition has all its replicas
`)
  expect(cluster.asked).toEqual(['n1 n1-0', 'n2 n2-0', 'n3 n3-0'])
})

test('with --json there is one document, and the steps are on stderr', async () => {
  const { exitCode, stdout, stderr } = await new Cluster().run('--json')
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual({
    restarted: IDS.map((node) => ({ node, seconds: expect.any(Number) })),
  })
  expect(stderr).toMatch(/^n1 restarts\n/)
})

const WEAKNESSES: readonly [string, (cluster: Cluster, member: Member) => void][] = [
  ['n2 is down', (_, member) => Object.assign(member, { state: 'down' })],
  ['n1 does not reach n2', (_, member) => Object.assign(member, { isConnected: false })],
  ['n2 is not ready', (_, { vitals }) => Object.assign(vitals, { isReady: false })],
  ['n2 has yet to learn', (_, member) => Object.assign(member, { behindSlots: 101 })],
  ['n2 lacks something in 7 parti', (_, member) => Object.assign(member, { replicasBehind: 7 })],
  ['n2 lacks 4 chunks', (_, { vitals }) => Object.assign(vitals, { missingChunks: 4 })],
  ['n2 looks for chunks', (_, { vitals }) => Object.assign(vitals, { hasAllChunks: false })],
  ['9 of 1024 partitions', (cluster) => Object.assign(cluster, { underReplicated: 9 })],
]

test('no node is asked while anything is missing', async () => {
  const trials = WEAKNESSES.map(async ([reason, weaken]) => {
    const cluster = new Cluster()
    weaken(cluster, cluster.members[1] as Member)
    const { exitCode, stdout, stderr } = await cluster.run('--timeout', '1')
    expect(exitCode).toBe(1)
    expect(stdout).toContain(reason)
    expect(stderr).toContain(reason)
    expect(stderr).toContain('restarted before: none')
    expect(cluster.asked).toEqual([])
  })
  await Promise.all(trials)
})

test('a node that does not come back ends it, and says who was restarted', async () => {
  const cluster = new Cluster()
  const { restart } = cluster
  cluster.restart = (member) => {
    if (member.id === 'n2') Object.assign(member, { state: 'down' })
    else restart(member)
  }
  const { exitCode, stderr } = await cluster.run('--timeout', '1')
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(
    /^aether: n2 did not come back: n2 has yet to restart \(after 1 s\); restarted before: n1\n {2}Its log says why\./,
  )
  expect(cluster.asked).toEqual(['n1 n1-0', 'n2 n2-0'])
})

test('a server that is away for a moment is asked again', async () => {
  const cluster = new Cluster()
  let refusals = 0
  cluster.intercept = (line) => (line.startsWith('POST') && refusals++ % 2 === 0 ? 503 : undefined)
  expect((await cluster.run()).exitCode).toBe(0)
  expect(cluster.asked).toEqual(['n1 n1-0', 'n2 n2-0', 'n3 n3-0'])
})

test('before it is asked again, all have to be well again', async () => {
  const cluster = new Cluster()
  const seen: string[] = []
  cluster.intercept = (line) => {
    const [method] = line.split(' ')
    if (seen.filter((each) => each === 'GET 9').length === 2) cluster.underReplicated = 0
    seen.push(`${method} ${cluster.underReplicated}`)
    if (method !== 'POST' || seen.includes('GET 9')) return undefined
    cluster.underReplicated = 9
    return 503
  }
  const { exitCode, stdout } = await cluster.run()
  expect(exitCode).toBe(0)
  expect(seen.slice(2, 7)).toEqual(['POST 0', 'GET 9', 'GET 9', 'GET 0', 'POST 0'])
  expect(stdout).toContain('9 of 1024 partitions are under-replicated; waiting\nn1 restarts\n')
})

test('a node that has restarted though the answer was lost is not asked again', async () => {
  const cluster = new Cluster()
  const [first] = cluster.members as [Member]
  cluster.intercept = (line) => {
    if (!line.startsWith('POST') || first.vitals.boot !== 'n1-0') return undefined
    cluster.restart(first)
    first.vitals.boot = 'n1-1'
    return 504
  }
  const { exitCode, stdout } = await cluster.run()
  expect(exitCode).toBe(0)
  expect(stdout).toContain('n1 restarts\nn1 is back')
  expect(cluster.asked).toEqual(['n2 n2-0', 'n3 n3-0'])
})

test('while another node restarts it waits, says so once, and not for ever', async () => {
  const cluster = new Cluster()
  let refusals = 0
  cluster.intercept = (line) => (line.startsWith('POST') && refusals++ < 3 ? 409 : undefined)
  const { exitCode, stdout } = await cluster.run()
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^It is not to be\. \(409 for .*\); waiting\nn1 restarts\n/)

  cluster.intercept = (line) => (line.startsWith('POST') ? 409 : undefined)
  const { exitCode: late, stderr } = await cluster.run('--timeout', '1')
  expect(late).toBe(1)
  expect(stderr).toMatch(/^aether: It is not to be\. \(409 for .*\); restarted before: none\n/)
})

test('who may not ask is told so at once', async () => {
  const cluster = new Cluster()
  cluster.intercept = (line) => (line.startsWith('POST') ? 403 : undefined)
  const { exitCode, stderr } = await cluster.run()
  expect(exitCode).toBe(1)
  expect(stderr).toContain('It is not to be. (403')
})
