import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/membership/index.ts'
import { freePort } from '../fixture/port.ts'
import { temporaryDirectory as directoryOfFile } from '../fixture/server.ts'
import { Client } from '../http/client.ts'
import { aether, temporaryDirectory } from './fixture.ts'

describe('a trial of three nodes', () => {
  const data = join(directoryOfFile(), 'trial')
  let port: number
  let trial: Trial
  let token: string

  beforeAll(async () => {
    port = await freePort(HTTP_TO_CLUSTER + 3)
    trial = await startTrial(['--nodes', '3', '--port', `${port}`, '--data', data])
    token = /\baether_[\w-]+/.exec(trial.stdout())?.[0] ?? ''
  }, START_MS)

  test('is up when all nodes are, and shows where they are and one token', () => {
    const out = trial.stdout()
    expect(out).toMatch(/^3 of 3 nodes are up:\n/)
    for (const at of [0, 1, 2]) expect(out).toContain(`n${at + 1}  http://127.0.0.1:${port + at}\n`)
    expect(out.match(/aether_[\w-]{43}/g)).toHaveLength(1)
    expect(out).toContain('Every node has all artifacts')
  })

  test('has lines of all nodes, each with its name and without colour', async () => {
    const linesOf = () => trial.stderr().split('\n').slice(0, -1)
    const names = () => new Set(linesOf().map((line) => line.slice(0, 2)))
    await expect.poll(names, { timeout: 10_000 }).toEqual(new Set(['n1', 'n2', 'n3']))
    expect(linesOf().filter((line) => !/^n[123] \| \d\d:\d\d:\d\d /.test(line))).toEqual([])
  })

  test('keeps its secret and settings to its user', () => {
    for (const file of ['cluster.secret', 'n1.toml', 'n2.toml', 'n3.toml']) {
      expect(statSync(join(data, file)).mode & 0o777).toBe(0o600)
    }
  })

  test('is one cluster: each node knows the members, and what another was told', async () => {
    for (const at of [0, 1, 2]) {
      await expect
        .poll(async () => statusOf(port + at), { timeout: 10_000 })
        .toMatchObject({ self: `n${at + 1}`, hasQuorum: true, members: [1, 2, 3].map(connected) })
    }
    expect(await control('PUT', port, 'told to n1')).toBe(204)
    expect(await control('GET', port + 2)).toBe('told to n1')
  })

  test('starts a node again that was asked to restart', async () => {
    const before = await bootOf('n2')
    const client = new Client({ port }, { Authorization: `Bearer ${token}` })
    const asked = await client.send('POST', '/api/v1/cluster/restart', { body: '{"node":"n2"}' })
    expect(asked.status).toBe(202)
    await expect.poll(() => bootOf('n2'), { timeout: 30_000 }).not.toBe(before)
    for (const path of ['/health/ready', '/api/v1/cluster']) {
      const second = new Client({ port: port + 1 }, { Authorization: `Bearer ${token}` })
      const answer = async () => (await second.send('GET', path).catch(() => undefined))?.status
      await expect.poll(answer, { timeout: 30_000 }).toBe(200)
      second.close()
    }
    expect(trial.stderr()).not.toContain('n2 has ended')
    client.close()
  })

  test('ends with its nodes, and goes on with what they held', async () => {
    trial.child.kill('SIGTERM')
    expect(await trial.ended).toBe(0)
    for (const at of [0, 1, 2]) {
      expect(await statusOf(port + at)).toMatchObject({ error: { kind: 'no-connection' } })
    }
    trial = await startTrial(['--data', data])
    expect(trial.stdout()).not.toMatch(/aether_[\w-]{43}/)
    expect(await control('GET', port + 1)).toBe('told to n1')
    trial.child.kill('SIGINT')
    expect(await trial.ended).toBe(0)
  })

  test('goes on without a node that ends, and says how to start it again', async () => {
    appendFileSync(join(data, 'n2.toml'), '\nnonsense = 1\n')
    trial = await startTrial(['--data', data, '--json'])
    expect(JSON.parse(trial.stdout())).toEqual({
      nodes: [
        { id: 'n1', url: `http://127.0.0.1:${port}` },
        { id: 'n3', url: `http://127.0.0.1:${port + 2}` },
      ],
    })
    expect(trial.stderr()).toContain('aether: n2 has ended with exit code 2, the others go on\n')
    expect(trial.stderr()).toMatch(/ {2}Start it again: aether start --config \S+\/n2\.toml\n/)
  })

  test('leaves no node behind when it is killed', async () => {
    const remaining = () =>
      execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.includes(data))
    expect(remaining()).toHaveLength(3)
    trial.child.kill('SIGKILL')
    await expect.poll(remaining, { timeout: 20_000 }).toEqual([])
  })

  function connected(id: number) {
    return { id: `n${id}`, role: 'voter', isConnected: true }
  }

  async function statusOf(port: number): Promise<unknown> {
    const { stdout } = await aether(['cluster', 'status', '--json', '--server', urlOf(port)])
    return JSON.parse(stdout)
  }

  async function bootOf(id: string): Promise<unknown> {
    const status = (await statusOf(port)) as ClusterStatus
    return status.members.find((member) => member.id === id)?.vitals?.boot
  }

  async function control(method: string, port: number, body?: string): Promise<unknown> {
    const client = new Client({ port }, { Authorization: `Bearer ${token}` })
    const options = body === undefined ? {} : { body }
    const answer = await client.send(method, '/api/v1/control/user/trial', options)
    client.close()
    return method === 'GET' ? answer.body.toString() : answer.status
  }
})

describe('a trial does not start', () => {
  const listening: Server[] = []
  afterEach(() => {
    for (const server of listening.splice(0)) server.close()
  })

  test('when one of its ports is taken, and names all that it takes', async () => {
    const port = await freePort(HTTP_TO_CLUSTER + 2)
    for (const taken of [port + 1, port + 11]) {
      const server = createServer().listen(taken, '127.0.0.1')
      await once(server, 'listening')
      const ran = await start(['--nodes', '2', '--port', `${port}`, '--data', temporaryDirectory()])
      expect(ran.exitCode).toBe(1)
      const all = [port, port + 1, port + 10, port + 11].join(', ')
      expect(ran.stderr).toContain(`the port ${taken} is taken; 2 nodes take ${all}`)
      server.close()
    }
  })

  test('in the data directory of a single node, or among other files', async () => {
    const single = temporaryDirectory()
    mkdirSync(join(single, 'engine'))
    const other = temporaryDirectory()
    writeFileSync(join(other, 'thesis.txt'), '')
    for (const [data, what] of [
      [single, 'the data of a single node'],
      [other, 'other files'],
    ] as const) {
      const ran = await start(['--data', data])
      expect(ran.exitCode).toBe(1)
      expect(ran.stderr).toContain(`${data} holds ${what} and no cluster\n`)
      expect(ran.stderr).toContain('aether cluster start --data <directory>')
    }
  })

  test('as another cluster than the one it has', async () => {
    const data = temporaryDirectory()
    writeFileSync(join(data, 'cluster.json'), '{"format":1,"nodes":2,"port":9000}')
    for (const flags of [
      ['--nodes', '3'],
      ['--port', '9001'],
    ]) {
      const ran = await start(['--data', data, ...flags])
      expect(ran.exitCode).toBe(2)
      expect(ran.stderr).toContain('holds a cluster of 2 nodes on the ports from 9000')
    }
  })

  test('from a plan that it does not understand', async () => {
    const data = temporaryDirectory()
    for (const plan of ['{"format":2,"nodes":2,"port":9000}', '{"format":1', '[]']) {
      writeFileSync(join(data, 'cluster.json'), plan)
      const ran = await start(['--data', data])
      expect(ran.exitCode).toBe(1)
      expect(ran.stderr).toContain('cluster.json')
      expect(ran.stderr).toContain('--data')
    }
  })

  test.each([
    ['--nodes', '0'],
    ['--nodes', '6'],
    ['--port', '0'],
    ['--port', '65530'],
  ])('with %s %s', async (...flags) => {
    const data = join(temporaryDirectory(), 'new')
    expect((await start([...flags, '--data', data])).exitCode).toBe(2)
    expect(() => readFileSync(join(data, 'cluster.json'))).toThrow('ENOENT')
  })

  function start(flags: readonly string[]) {
    return aether(['cluster', 'start', ...flags])
  }
})

type Trial = {
  readonly child: ChildProcess
  /** The exit code; null when it was killed. */
  readonly ended: Promise<number | null>
  stdout(): string
  stderr(): string
}

/** Far above what three nodes need to start, so that a busy machine fails no test. */
const START_MS = 60_000

/** A trial's nodes talk to each other on the ports ten above those of their HTTP. */
const HTTP_TO_CLUSTER = 10

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))

const running = new Set<ChildProcess>()
afterAll(async () => {
  const ends = [...running].map((child) => once(child, 'exit'))
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(ends)
})

/** Resolves when the trial has said on stdout that it is up. */
async function startTrial(flags: readonly string[]): Promise<Trial> {
  const env = { PATH: process.env['PATH'] ?? '' }
  const child = spawn(process.execPath, [LAUNCHER, 'cluster', 'start', ...flags], {
    cwd: tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const output = { stdout: '', stderr: '' }
  const isUp = new Promise<void>((resolve) => {
    child.stdout.on('data', (text) => {
      output.stdout += text
      resolve()
    })
  })
  child.stderr.on('data', (text) => {
    output.stderr += text
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const failed = ended.then((code) => {
    throw new Error(`it does not start: exit ${code}\n${output.stderr.slice(-4_000)}`)
  })
  await Promise.race([isUp, failed])
  failed.catch(() => {})
  return { child, ended, stdout: () => output.stdout, stderr: () => output.stderr }
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`
}
