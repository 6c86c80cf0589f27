import { expect, test } from 'vitest'
import { freePort } from '../fixture/port.ts'
import { aether, startServer } from './fixture.ts'

test.each([
  [['deplo'], /unknown command 'deplo' \(Did you mean deploy\?\)/],
  [['deploy'], /missing required argument 'jar'/],
  [['deploy', 'a.jar', 'b.jar'], /too many arguments/],
  [['versions', 'g:a', '--frobnicate'], /unknown option '--frobnicate'/],
  [['start', '--port', '70000'], /'70000' is invalid/],
  [['start', '--port', '80a'], /'80a' is invalid/],
  [['versions', 'g:a', '--server', 'localhost:8080'], /no http URL/],
  [['versions', 'g:a', '--server', 'ftp://localhost'], /no http URL/],
  [['versions', 'g:a', '--repository', '../x'], /no name of a repository/],
  [['versions', 'g:a', '--token', 'two words'], /the token has characters/],
])('%j is bad usage', async (args, message) => {
  const ran = await aether(args)
  expect(ran).toMatchObject({ exitCode: 2, stdout: '' })
  expect(ran.stderr).toMatch(message)
  const json = await aether([...args, '--json'])
  expect(json.exitCode).toBe(2)
  expect(JSON.parse(json.stdout)).toMatchObject({ error: { kind: 'bad-usage' } })
})

test.each([
  'http://me:s3cret@127.0.0.1:1',
  'http://s3cret@127.0.0.1:1',
  'http://127.0.0.1:1/?s3cret',
])('a secret in %s is refused and not repeated', async (url) => {
  const ran = await aether(['versions', 'g:a', '--server', url])
  expect(ran.exitCode).toBe(2)
  expect(ran.stderr).not.toContain('s3cret')
})

test('help is no error, and a command line without a command gets help', async () => {
  const help = await aether(['--help'])
  expect(help).toMatchObject({ exitCode: 0, stderr: '' })
  for (const command of ['start', 'deploy', 'versions', 'resolve', 'version']) {
    expect(help.stdout).toMatch(new RegExp(`^ +${command}\\b`, 'm'))
  }
  const none = await aether([])
  expect(none).toMatchObject({ exitCode: 2, stdout: '' })
  expect(none.stderr).toContain('Usage: aether')
})

test('version and --version name the version and the Node', async () => {
  const pattern = /^aether \d+\.\d+\.\d+ \(Node \d+\.\d+\.\d+, \w+-\w+\)\n$/
  expect((await aether(['version'])).stdout).toMatch(pattern)
  expect((await aether(['--version'])).stdout).toMatch(pattern)
  const data = JSON.parse((await aether(['version', '--json'])).stdout)
  expect(data).toMatchObject({ version: expect.any(String), node: process.versions.node })
})

test('a server that is not there is a failed connection', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const ran = await aether(['versions', 'g:a', '--json', '--server', url])
  expect(ran.exitCode).toBe(3)
  expect(JSON.parse(ran.stdout)).toEqual({
    error: {
      kind: 'no-connection',
      message: `no answer from ${url}: connection refused`,
      next: expect.stringContaining('aether start'),
    },
  })
})

test('the server of AETHER_SERVER is asked unless --server names another', async () => {
  const [one, other] = [await startServer(), await startServer()]
  const env = { AETHER_SERVER: one.url }
  await aether(['versions', 'g:a'], { env })
  await aether(['versions', 'g:a', '--server', `${other.url}/prefix/`], { env })
  expect(one.requests.map(({ line }) => line)).toEqual([
    'GET /repository/public/g/a/maven-metadata.xml',
  ])
  expect(other.requests.map(({ line }) => line)).toEqual([
    'GET /prefix/repository/public/g/a/maven-metadata.xml',
  ])
})

test('start hands the flags over and ends with the exit code of the node', async () => {
  const started: unknown[] = []
  const args = ['start', '--data', 'd', '--host', '::1', '--port', '0', '--config', 'c.toml']
  const { exitCode } = await aether(args, {
    env: { AETHER_PORT: '1' },
    startNode: async ({ flags, env }) => {
      started.push({ flags, env })
      return { stopped: Promise.resolve(4) }
    },
  })
  expect(exitCode).toBe(4)
  expect(started).toEqual([
    { flags: { data: 'd', host: '::1', port: 0, config: 'c.toml' }, env: { AETHER_PORT: '1' } },
  ])
})

test('a bug is one line, and a stack for those who ask for it', async () => {
  const startNode = () => Promise.reject(new TypeError('x is not a function'))
  const ran = await aether(['start'], { startNode })
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  expect(ran.stderr).toMatch(
    /^aether: this is a bug in aether: x is not a function\n {2}.*AETHER_DEBUG=1.*\n$/,
  )
  const debugged = await aether(['start'], { startNode, env: { AETHER_DEBUG: '1' } })
  expect(debugged.stderr).toMatch(/TypeError: x is not a function\n {4}at /)
})
