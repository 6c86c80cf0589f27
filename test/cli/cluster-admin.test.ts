import { expect, test } from 'vitest'
import { freePort } from '../fixture/port.ts'
import { aether, problem, startServer } from './fixture.ts'

const vitals = (more: object) => ({
  boot: 'b1',
  startedMs: Date.now() - 1_000,
  isReady: true,
  diskTotalBytes: 100e9,
  diskFreeBytes: 40e9,
  missingChunks: 0,
  hasAllChunks: true,
  ...more,
})

const STATUS = {
  cluster: 'builds',
  self: 'n1',
  epoch: 4,
  slot: 1_234,
  hasQuorum: true,
  members: [
    {
      id: 'n1',
      address: '10.0.0.1:8090',
      role: 'voter',
      state: 'up',
      isConnected: true,
      behindSlots: 0,
      replicas: 1_024,
      replicasBehind: 0,
      vitals: vitals({ startedMs: Date.now() - 3 * 3_600_000 }),
    },
    {
      id: 'n2',
      address: '10.0.0.2:8090',
      role: 'voter',
      state: 'up',
      isConnected: true,
      behindSlots: 12,
      replicas: 1_024,
      replicasBehind: 7,
      vitals: vitals({ isReady: false, diskFreeBytes: 8_120_000_000 }),
    },
    {
      id: 'node-3',
      address: '',
      role: 'learner',
      state: 'down',
      isConnected: false,
      behindSlots: undefined,
      replicas: 0,
      replicasBehind: 0,
      vitals: undefined,
    },
  ],
  waiting: [] as { id: string; address: string }[],
  partitions: {
    tableVersion: 7,
    total: 1_024,
    underReplicated: 0,
    led: [
      { node: 'n1', partitions: 500 },
      { node: 'n2', partitions: 524 },
    ],
  },
}

test('status shows the members in a table', async () => {
  const { server, run } = await answering(200, STATUS)
  const ran = await run(['status'])
  expect(ran).toEqual({
    exitCode: 0,
    stderr: '',
    stdout: `cluster builds as n1 sees it: epoch 4, slot 1234
quorum: 2 of 2 voters
partitions: 1024, none under-replicated, table version 7
strength: NOT FULL, node-3 is down

node    role     state      address        connected  slots behind  leads  holds  lacks  disk free      up for
n1      voter    up         10.0.0.1:8090  yes        0             500    1024   0      40 of 100 GB   3 h
n2      voter    not ready  10.0.0.2:8090  yes        12            524    1024   7      8.1 of 100 GB  1 s
node-3  learner  down       -              no         ?             0      0      0      ?              -
`,
  })
  expect(server.requests.map(({ line }) => line)).toEqual(['GET /api/v1/cluster'])
})

test('status says whether any node may be taken away', async () => {
  const members = STATUS.members.slice(0, 1)
  const { run } = await answering(200, { ...STATUS, members })
  expect((await run(['status'])).stdout).toContain('\nstrength: full, ')
})

test('status says what to do about nodes that wait and voters that are missing', async () => {
  const [n1, n2] = STATUS.members
  const { run } = await answering(200, {
    ...STATUS,
    hasQuorum: false,
    members: [n1, { ...n2, isConnected: false }],
    waiting: [{ id: 'n4', address: '10.0.0.4:8090' }],
  })
  const { exitCode, stdout } = await run(['status'])
  expect(exitCode).toBe(0)
  expect(stdout).toContain('NO QUORUM: 1 of 2 voters, so nothing can be decided. Start n2.\n')
  expect(stdout).toContain('n4 at 10.0.0.4:8090 waits to be added: aether cluster add n4\n')
})

test('status of a node that does not know the members yet says so', async () => {
  const { run } = await answering(200, { ...STATUS, epoch: 0, members: [], hasQuorum: false })
  expect((await run(['status'])).stdout).toContain('\nn1 does not know the members yet\n')
})

test('status tells whose absence leaves partitions with fewer replicas', async () => {
  const partitions = { ...STATUS.partitions, underReplicated: 341 }
  const { run } = await answering(200, { ...STATUS, partitions })
  expect((await run(['status'])).stdout).toContain(
    'partitions: 341 of 1024 UNDER-REPLICATED while node-3 is down, table version 7\n',
  )
  const members = STATUS.members.slice(0, 2)
  const growing = await answering(200, { ...STATUS, members, partitions })
  expect((await growing.run(['status'])).stdout).toContain(
    'partitions: 341 of 1024 UNDER-REPLICATED until n2 has what it lacks, table version 7\n',
  )
  const young = await answering(200, { ...STATUS, partitions: undefined })
  expect((await young.run(['status'])).stdout).toContain(
    'partitions: not given to the members yet\n',
  )
})

test('add and remove ask for the change with the token, and show what came of it', async () => {
  const { server, run } = await answering(200, STATUS)
  const added = await run(['add', 'node-3', '--token', 'secret'])
  expect(added.stdout).toMatch(/^node-3 is a member\. .*\n\ncluster builds as n1 sees it/)
  const removed = await run(['remove', 'n7', '--token', 'secret'])
  expect(removed.stdout).toMatch(/^n7 is no member any more.*\n\ncluster builds as n1 sees it/)
  expect(server.requests.map(({ line, headers }) => [line, headers.authorization])).toEqual([
    ['POST /api/v1/cluster/members', 'Bearer secret'],
    ['DELETE /api/v1/cluster/members/n7', 'Bearer secret'],
  ])
  expect(server.requests[0]?.body.toString()).toBe('{"id":"node-3"}')
})

test.each([['status'], ['add', 'node-3'], ['remove', 'node-3']])(
  '%s prints one JSON document with --json',
  async (...args) => {
    const { run } = await answering(200, STATUS)
    expect(JSON.parse((await run([...args, '--json'])).stdout)).toEqual(
      JSON.parse(JSON.stringify(STATUS)),
    )
  },
)

test('a refusal comes with the command that the server names', async () => {
  const server = await startServer((_request, response) => {
    response.writeHead(409, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ detail: 'n2 is a member already.', next: 'Remove it first.' }))
    return true
  })
  const ran = await aether(['cluster', 'add', 'n2', '--server', server.url])
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  expect(ran.stderr).toMatch(
    /^aether: n2 is a member already\. \(409.*\)\n {2}Remove it first\.\n$/,
  )
})

test('a change of which the outcome is unknown is not tried again by itself', async () => {
  const server = await startServer((_request, response) =>
    problem(response, 504, 'Outcome unknown', 'It is not known whether this was done.'),
  )
  for (const command of ['add', 'remove']) {
    expect((await aether(['cluster', command, 'n2', '--server', server.url])).exitCode).toBe(1)
  }
  expect(server.requests).toHaveLength(2)
})

test.each(['', 'N4', 'n4/..', 'a b', '-n4'])('the name %j is bad usage', async (id) => {
  for (const command of ['add', 'remove']) {
    const ran = await aether(['cluster', command, '--', id])
    expect(ran).toMatchObject({ exitCode: 2, stdout: '' })
  }
})

test.each(['<html></html>', '{}', 'null', '{"members":[]}'])(
  'an answer that is not of Aether is a refusal: %s',
  async (body) => {
    const server = await startServer((_request, response) => Boolean(response.end(body)))
    const ran = await aether(['cluster', 'status', '--server', server.url])
    expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
    expect(ran.stderr).toContain('--server <url>')
  },
)

test('words of the server cannot steer the terminal', async () => {
  const { run } = await answering(200, { ...STATUS, cluster: '\u001b[2Jx\n\u0007' })
  expect((await run(['status'])).stdout).toContain('cluster  [2Jx   as n1 sees it')
})

test('without a server it cannot connect, and without a command it shows the commands', async () => {
  const port = await freePort()
  const ran = await aether(['cluster', 'status', '--server', `http://127.0.0.1:${port}`])
  expect(ran.exitCode).toBe(3)
  const help = await aether(['cluster'])
  expect(help.exitCode).toBe(2)
  for (const command of ['start', 'status', 'rolling-restart', 'add', 'remove']) {
    expect(help.stderr).toMatch(new RegExp(`^ +${command}\\b`, 'm'))
  }
})

/** A server that gives every request the same answer, and the command line that asks it. */
async function answering(status: number, body: object) {
  const server = await startServer((request, response) => {
    request.on('end', () => response.writeHead(status).end(JSON.stringify(body)))
    return true
  })
  const run = (args: readonly string[]) =>
    aether(['cluster', ...args, '--server', server.url], { env: {} })
  return { server, run }
}
