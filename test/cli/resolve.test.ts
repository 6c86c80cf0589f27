import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { aether, type Interception, problem, startServer, temporaryDirectory } from './fixture.ts'

const PATH = '/repository/public/org/acme/app/1.0'
const JAR = Buffer.alloc(300_000, 'jar bytes ')

/** Answers the jar without `X-Checksum-SHA256`. */
const withoutHeader: Interception = ({ url = '' }, response) => {
  if (!url.endsWith('.jar')) return undefined
  response.writeHead(200, { 'content-length': JAR.length }).end(JAR)
  return true
}

test('writes the file under its own name into the working directory', async () => {
  const server = await startServer()
  server.files.set(`${PATH}/app-1.0.jar`, JAR)
  const cwd = temporaryDirectory()
  const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
  expect(ran).toMatchObject({ exitCode: 0, stderr: '' })
  expect(ran.stdout).toContain('org.acme:app:1.0')
  expect(readdirSync(cwd)).toEqual(['app-1.0.jar'])
  expect(readFileSync(join(cwd, 'app-1.0.jar'))).toEqual(JAR)
})

test.each([
  ['org.acme:app:1.0:sources', 'app-1.0-sources.jar'],
  ['org.acme:app:1.0@pom', 'app-1.0.pom'],
  ['org.acme:app:zip:dist:1.0', 'app-1.0-dist.zip'],
  ['org.acme:app:1.0:dist@tar.gz', 'app-1.0-dist.tar.gz'],
])('asks for the file that %s names', async (coordinates, name) => {
  const server = await startServer()
  server.files.set(`${PATH}/${name}`, JAR)
  const cwd = temporaryDirectory()
  const ran = await aether(['resolve', coordinates, '--server', server.url], { cwd })
  expect(ran).toMatchObject({ exitCode: 0 })
  expect(readdirSync(cwd)).toEqual([name])
})

test('asks the repository that --repository names, and replaces the file that -o names', async () => {
  const server = await startServer()
  server.files.set('/repository/releases/org/acme/app/1.0/app-1.0.jar', JAR)
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'out.jar'), 'old')
  const args = ['resolve', 'org.acme:app:1.0', '-o', 'out.jar', '--repository', 'releases']
  expect(await aether([...args, '--server', server.url], { cwd })).toMatchObject({ exitCode: 0 })
  expect(readFileSync(join(cwd, 'out.jar'))).toEqual(JAR)
})

test('writes only the bytes to stdout with -o -', async () => {
  const server = await startServer()
  server.files.set(`${PATH}/app-1.0.jar`, JAR)
  const ran = await aether(['resolve', 'org.acme:app:1.0', '-o', '-', '--server', server.url])
  expect(ran).toMatchObject({ exitCode: 0, stderr: '' })
  expect(ran.stdout === JAR.toString()).toBe(true)
  const both = await aether(['resolve', 'org.acme:app:1.0', '-o', '-', '--json'])
  expect(both.exitCode).toBe(2)
})

test('prints one JSON document with --json', async () => {
  const server = await startServer()
  server.files.set(`${PATH}/app-1.0.jar`, JAR)
  const cwd = temporaryDirectory()
  const args = ['resolve', 'org.acme:app:1.0', '--json', '--server', server.url]
  const { stdout } = await aether(args, { cwd })
  expect(JSON.parse(stdout)).toEqual({
    coordinates: 'org.acme:app:1.0',
    url: `${server.url}${PATH}/app-1.0.jar`,
    file: join(cwd, 'app-1.0.jar'),
    sizeBytes: JAR.length,
    sha256: createHash('sha256').update(JAR).digest('hex'),
    sha1: createHash('sha1').update(JAR).digest('hex'),
  })
})

test('an artifact that is not there is a refusal that says how to look', async () => {
  const server = await startServer()
  const cwd = temporaryDirectory()
  const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toMatch(
    /org\.acme:app:1\.0 is not in .* public .*\n.*aether versions org\.acme:app/,
  )
  expect(readdirSync(cwd)).toEqual([])
})

describe('bytes that cannot be trusted', () => {
  test.each<[string, Interception, RegExp]>([
    [
      'do not have the announced SHA-256',
      ({ url = '' }, response) => {
        response.writeHead(200, { 'x-checksum-sha256': 'ab'.repeat(32) }).end(JAR)
        return url !== ''
      },
      /arrived damaged/,
    ],
    [
      'do not have the SHA-1 of the checksum file',
      (request, response, count) => {
        if (request.url?.endsWith('.sha1')) return response.end('ab'.repeat(20)) && true
        return withoutHeader(request, response, count)
      },
      /arrived damaged/,
    ],
    ['have no checksum', withoutHeader, /cannot be verified/],
    [
      'have a checksum file that is none',
      (request, response, count) => {
        if (request.url?.endsWith('.sha1')) return response.end('<html>') && true
        return withoutHeader(request, response, count)
      },
      /is no checksum/,
    ],
  ])('which %s are thrown away', async (_case, intercept, message) => {
    const server = await startServer(intercept)
    const cwd = temporaryDirectory()
    const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
    expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
    expect(ran.stderr).toMatch(message)
    expect(readdirSync(cwd)).toEqual([])
  })

  test('are accepted with the SHA-1 of the checksum file', async () => {
    const server = await startServer(withoutHeader)
    const sha1 = createHash('sha1').update(JAR).digest('hex')
    server.files.set(
      `${PATH}/app-1.0.jar.sha1`,
      Buffer.from(`${sha1.toUpperCase()}  app-1.0.jar\n`),
    )
    const cwd = temporaryDirectory()
    const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
    expect(ran).toMatchObject({ exitCode: 0 })
    expect(existsSync(join(cwd, 'app-1.0.jar'))).toBe(true)
  })
})

test.each([
  ['with', { 'content-length': JAR.length }],
  ['without', {}],
])(
  'a cut download %s a length is a failed connection, and the old file stays',
  async (_case, headers) => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, headers)
      response.write(JAR.subarray(0, 1_000), () => response.destroy())
      return true
    })
    const cwd = temporaryDirectory()
    writeFileSync(join(cwd, 'app-1.0.jar'), 'old')
    const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
    expect(ran.exitCode).toBe(3)
    expect(ran.stderr).toContain(`the connection to ${server.url} was cut`)
    expect(readdirSync(cwd)).toEqual(['app-1.0.jar'])
    expect(readFileSync(join(cwd, 'app-1.0.jar'), 'utf8')).toBe('old')
    expect(server.requests).toHaveLength(1)
  },
)

test('tries again when the server is busy or cuts the connection before it answers', async () => {
  const server = await startServer((_request, response, count) => {
    if (count === 0) return problem(response, 503, 'Busy', 'starting', { 'retry-after': '0' })
    return count === 1 ? response.destroy() && true : undefined
  })
  server.files.set(`${PATH}/app-1.0.jar`, JAR)
  const cwd = temporaryDirectory()
  const ran = await aether(['resolve', 'org.acme:app:1.0', '--server', server.url], { cwd })
  expect(ran).toMatchObject({ exitCode: 0 })
  expect(readFileSync(join(cwd, 'app-1.0.jar'))).toEqual(JAR)
})

test('a place that cannot be written is a refusal', async () => {
  const server = await startServer()
  server.files.set(`${PATH}/app-1.0.jar`, JAR)
  const cwd = temporaryDirectory()
  mkdirSync(join(cwd, 'taken'))
  for (const [output, message] of [
    ['no/such/place.jar', /place\.jar: there is no such file or directory/],
    ['taken', /taken: it is a directory/],
  ] as const) {
    const args = ['resolve', 'org.acme:app:1.0', '-o', output, '--server', server.url]
    const ran = await aether(args, { cwd })
    expect(ran.exitCode).toBe(1)
    expect(ran.stderr).toMatch(message)
  }
  expect(readdirSync(cwd)).toEqual(['taken'])
})

test.each(['org.acme', 'org.acme:app', 'a:b:c:d:e:f', 'org.acme:app:../../1'])(
  '"%s" is bad usage',
  async (coordinates) => {
    const ran = await aether(['resolve', coordinates])
    expect(ran).toMatchObject({ exitCode: 2, stdout: '' })
    expect(ran.stderr).toContain('Examples: ')
  },
)
