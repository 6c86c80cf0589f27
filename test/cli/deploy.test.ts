import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseMetadataHint } from '../../src/maven/index.ts'
import {
  aether,
  appJar,
  descriptor,
  pomOf,
  problem,
  startServer,
  temporaryDirectory,
  writeJar,
} from './fixture.ts'

const RELEASES = '/repository/releases/org/acme/app'
const TOKEN = 'tok-3f9a1c'

test('deploys a jar with its own POM and checksums, and the metadata last', async () => {
  const server = await startServer()
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', `${server.url}/`])
  expect(ran).toMatchObject({ exitCode: 0, stderr: '' })
  expect(server.summary()).toEqual([
    'HEAD app-1.0.jar',
    'HEAD app-1.0.pom',
    ...['PUT app-1.0.jar', 'PUT app-1.0.jar.sha1', 'PUT app-1.0.jar.sha256'],
    ...['PUT app-1.0.pom', 'PUT app-1.0.pom.sha1', 'PUT app-1.0.pom.sha256'],
    'PUT maven-metadata.xml',
  ])
  const stored = (name: string) => server.files.get(`${RELEASES}/${name}`)
  const bytes = readFileSync(jar)
  expect(stored('1.0/app-1.0.jar')).toEqual(bytes)
  expect(stored('1.0/app-1.0.jar.sha1')?.toString()).toBe(hexOf('sha1', bytes))
  expect(stored('1.0/app-1.0.jar.sha256')?.toString()).toBe(hexOf('sha256', bytes))
  expect(stored('1.0/app-1.0.pom')?.toString()).toBe(pomOf('org.acme', 'app', '1.0'))
  const metadata = parseMetadataHint(stored('maven-metadata.xml') as Buffer)
  expect(metadata).toMatchObject({ ok: true, value: { groupId: 'org.acme', versions: ['1.0'] } })
})

test('announces the length and sends the body as soon as the server agrees', async () => {
  const server = await startServer()
  const jar = await appJar()
  const startMs = performance.now()
  await aether(['deploy', jar, '--server', server.url])
  // Without listening for the agreement each of the two bodies would wait for a second.
  expect(performance.now() - startMs).toBeLessThan(2_000)
  const put = server.requests.find(({ line }) => line === `PUT ${RELEASES}/1.0/app-1.0.jar`)
  expect(put?.headers).toMatchObject({
    expect: '100-continue',
    'content-length': String(readFileSync(jar).length),
  })
  expect(put?.headers['transfer-encoding']).toBeUndefined()
})

test('prints what to paste into a build', async () => {
  const server = await startServer()
  const jar = await writeJar(
    temporaryDirectory(),
    'app-1.0-all.jar',
    descriptor('org.acme', 'app', '1.0'),
  )
  const { stdout } = await aether(['deploy', jar, '--server', server.url])
  expect(stdout).toContain('  <version>1.0</version>\n    <classifier>all</classifier>\n')
  expect(stdout).toContain("implementation 'org.acme:app:1.0:all'")
})

test('makes a POM when the jar has none', async () => {
  const server = await startServer()
  const jar = await writeJar(temporaryDirectory(), 'tool.jar', { 'a.txt': 'a' })
  const flags = ['--group', 'org.acme', '--artifact', 'app', '--version', '2.0']
  expect(await aether(['deploy', jar, ...flags, '--server', server.url])).toMatchObject({
    exitCode: 0,
  })
  const pom = server.files.get(`${RELEASES}/2.0/app-2.0.pom`)?.toString()
  expect(pom).toContain('<artifactId>app</artifactId>\n  <version>2.0</version>\n  <packaging>jar<')
})

test('stores a -SNAPSHOT under its literal name in snapshots', async () => {
  const server = await startServer()
  const files = descriptor('org.acme', 'app', '1.1-SNAPSHOT')
  const jar = await writeJar(temporaryDirectory(), 'app-1.1-SNAPSHOT.jar', files)
  expect(await aether(['deploy', jar, '--server', server.url])).toMatchObject({ exitCode: 0 })
  const directory = '/repository/snapshots/org/acme/app/1.1-SNAPSHOT'
  expect([...server.files.keys()]).toContain(`${directory}/app-1.1-SNAPSHOT.jar`)
  expect([...server.files.keys()]).toContain(`${directory}/app-1.1-SNAPSHOT.pom`)
})

test('sends no body of which the server has the bytes', async () => {
  const server = await startServer()
  const jar = await appJar()
  await aether(['deploy', jar, '--server', server.url])
  server.requests.splice(0)
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(0)
  expect(ran.stdout).toContain('org.acme:app:1.0 is already in releases')
  expect(server.summary()).toEqual([
    'HEAD app-1.0.jar',
    'HEAD app-1.0.pom',
    'PUT maven-metadata.xml',
  ])
})

test('sends all files of a snapshot when one of them has changed', async () => {
  const server = await startServer()
  const directory = temporaryDirectory()
  const files = descriptor('org.acme', 'app', '1-SNAPSHOT')
  const jar = await writeJar(directory, 'app-1-SNAPSHOT.jar', files)
  await aether(['deploy', jar, '--server', server.url])
  await writeJar(directory, 'app-1-SNAPSHOT.jar', { ...files, 'new.txt': 'new' })
  server.requests.splice(0)
  await aether(['deploy', jar, '--server', server.url])
  expect(server.summary()).toContain('PUT app-1-SNAPSHOT.jar')
  expect(server.summary()).toContain('PUT app-1-SNAPSHOT.pom')
})

test('leaves the POM of a version alone when it adds a classifier to it', async () => {
  const server = await startServer()
  server.files.set(`${RELEASES}/1.0/app-1.0.pom`, Buffer.from('<project/>'))
  const jar = await writeJar(temporaryDirectory(), 'docs.jar', { 'a.txt': 'a' })
  const flags = ['--group=org.acme', '--artifact=app', '--version=1.0', '--classifier=docs']
  expect(await aether(['deploy', jar, ...flags, '--server', server.url])).toMatchObject({
    exitCode: 0,
  })
  expect(server.summary()).toContain('PUT app-1.0-docs.jar')
  expect(server.summary()).not.toContain('PUT app-1.0.pom')
})

test('a refused release costs no body and shows what the server says', async () => {
  const detail = 'org.acme:app:1.0 exists with other bytes; releases never change'
  const server = await startServer(({ method }, response) => {
    if (method !== 'PUT') return undefined
    // Time enough for a client that does not wait to send some of it.
    setTimeout(() => problem(response, 409, 'Exists', detail), 50)
    return true
  })
  const files = { ...descriptor('org.acme', 'app', '1.0'), 'big.bin': randomBytes(1_000_000) }
  const jar = await writeJar(temporaryDirectory(), 'app-1.0.jar', files)
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  const url = `${server.url}${RELEASES}/1.0/app-1.0.jar`
  expect(ran.stderr).toContain(`aether: ${detail} (409 for PUT ${url})`)
  const puts = server.requests.filter(({ line }) => line.startsWith('PUT'))
  expect(puts.map(({ body }) => body.length)).toEqual([0])
})

test('a checksum that the server refuses fails the deployment', async () => {
  const server = await startServer(
    ({ url = '' }, response) =>
      url.endsWith('.jar.sha1') && problem(response, 409, 'Checksum mismatch', 'not the same'),
  )
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(server.summary()).not.toContain('PUT maven-metadata.xml')
})

test('without a token a 401 says how to give one', async () => {
  const server = await startServer(
    ({ method }, response) =>
      method === 'PUT' && problem(response, 401, 'Unauthorized', 'who are you?'),
  )
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toMatch(/who are you\?.*\n {2}.*AETHER_TOKEN/)
})

test.each([['--token'], ['AETHER_TOKEN']])(
  'sends the token of %s and never prints it, even when the server does',
  async (way) => {
    const server = await startServer(({ method, headers }, response) => {
      return method === 'PUT' && problem(response, 403, 'Forbidden', `no: ${headers.authorization}`)
    })
    const jar = await appJar()
    const flags = way === '--token' ? ['--token', TOKEN] : []
    const env = way === '--token' ? {} : { AETHER_TOKEN: TOKEN }
    const ran = await aether(['deploy', jar, ...flags, '--json', '--server', server.url], { env })
    expect(ran.exitCode).toBe(1)
    expect(
      server.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`),
    ).toBe(true)
    expect(ran.stdout + ran.stderr).not.toContain(TOKEN)
    expect(ran.stderr).toContain('no: Bearer ***')
  },
)

test('tries again when the server is busy or cuts the connection, with the whole body', async () => {
  const server = await startServer(({ method, url = '' }, response, count) => {
    if (method !== 'PUT' || !url.endsWith('.jar')) return undefined
    if (count === 0) return problem(response, 503, 'Busy', 'starting', { 'retry-after': '0' })
    if (count === 1) return response.destroy() && true
    return undefined
  })
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran).toMatchObject({
    exitCode: 0,
    stderr: 'aether: the server is busy (503), trying again\n',
  })
  expect(server.summary().filter((line) => line === 'PUT app-1.0.jar')).toHaveLength(3)
  expect(server.files.get(`${RELEASES}/1.0/app-1.0.jar`)).toEqual(readFileSync(jar))
})

test('gives up on a server that stays busy', async () => {
  const server = await startServer((_request, response) =>
    problem(response, 503, 'Busy', 'no quorum', { 'retry-after': '0' }),
  )
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(server.requests).toHaveLength(4)
})

test('an upload that is cut each time is a failed connection', async () => {
  const server = await startServer(({ method }, response) => {
    if (method !== 'PUT') return undefined
    response.writeContinue()
    response.req.once('data', () => response.destroy())
    return true
  })
  const files = { ...descriptor('org.acme', 'app', '1.0'), 'big.bin': randomBytes(5_000_000) }
  const jar = await writeJar(temporaryDirectory(), 'app-1.0.jar', files)
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(3)
  expect(ran.stderr).toContain(`the connection to ${server.url} was cut`)
})

test('sends the body after a while to a server that ignores Expect', async () => {
  const server = await startServer(({ method, headers }, response) => {
    if (method !== 'PUT' || headers.expect === undefined) return undefined
    response.req.on('end', () => response.writeHead(201).end())
    return true
  })
  const jar = await appJar()
  expect(await aether(['deploy', jar, '--server', server.url])).toMatchObject({ exitCode: 0 })
  const put = server.requests.find(({ line }) => line.endsWith('.jar') && line.startsWith('PUT'))
  expect(put?.body).toEqual(readFileSync(jar))
})

test('a file that shrinks under the upload is not stored as whole', async () => {
  const jar = await appJar()
  const server = await startServer(() => {
    truncateSync(jar, 100)
    return undefined
  })
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toContain('app-1.0.jar: it changed while it was read')
  expect(server.files.size).toBe(0)
})

test('does not follow a redirect with a body, and names the place', async () => {
  const server = await startServer(({ method }, response) => {
    if (method !== 'PUT') return undefined
    response.writeHead(307, { location: 'http://127.0.0.1:9/elsewhere' }).end()
    return true
  })
  const jar = await appJar()
  const ran = await aether(['deploy', jar, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toContain('has moved to http://127.0.0.1:9/elsewhere (307)')
})

test('prints one JSON document with --json', async () => {
  const server = await startServer()
  const jar = await appJar()
  const bytes = readFileSync(jar)
  const { stdout } = await aether(['deploy', jar, '--json', '--server', server.url])
  expect(JSON.parse(stdout)).toEqual({
    coordinates: { groupId: 'org.acme', artifactId: 'app', version: '1.0', extension: 'jar' },
    name: 'org.acme:app:1.0',
    repository: 'releases',
    server: server.url,
    files: [
      {
        path: 'org/acme/app/1.0/app-1.0.jar',
        sizeBytes: bytes.length,
        sha1: hexOf('sha1', bytes),
        sha256: hexOf('sha256', bytes),
        uploaded: true,
      },
      expect.objectContaining({ path: 'org/acme/app/1.0/app-1.0.pom', uploaded: true }),
    ],
  })
})

test('shows progress on a terminal and takes it away', async () => {
  const server = await startServer()
  const files = { ...descriptor('org.acme', 'app', '1.0'), 'big.bin': randomBytes(3_000_000) }
  const jar = await writeJar(temporaryDirectory(), 'app-1.0.jar', files)
  const { stderr } = await aether(['deploy', jar, '--server', server.url], { isTTY: true })
  const [, ...pictures] = stderr.split('\r\x1b[K')
  expect(pictures.at(0)).toMatch(/^app-1\.0\.(jar|pom) {2}[\d.]+ of [\d.]+ MB$/)
  expect(pictures.at(-1)).toBe('')
})

test('with --pom that file is stored and says what the artifact is', async () => {
  const server = await startServer()
  const directory = temporaryDirectory()
  const file = join(directory, 'app-1.0.tar.gz')
  writeFileSync(file, 'not a zip')
  writeFileSync(join(directory, 'pom.xml'), pomOf('org.acme', 'app', '1.0'))
  const ran = await aether(
    ['deploy', 'app-1.0.tar.gz', '--pom', 'pom.xml', '--server', server.url],
    {
      cwd: directory,
    },
  )
  expect(ran).toMatchObject({ exitCode: 0 })
  expect([...server.files.keys()]).toContain(`${RELEASES}/1.0/app-1.0.tar.gz`)
  expect(server.files.get(`${RELEASES}/1.0/app-1.0.pom`)?.toString()).toBe(
    pomOf('org.acme', 'app', '1.0'),
  )
})

test.each([
  ['a file that is not there', undefined, /gone\.jar: there is no such file/],
  ['a file that is no archive', 'plain text', /gone\.jar is not a jar/],
  ['an empty file', '', /gone\.jar/],
])('refuses %s', async (_case, content, message) => {
  const server = await startServer()
  const directory = temporaryDirectory()
  if (content !== undefined) writeFileSync(join(directory, 'gone.jar'), content)
  const flags = ['--group=g', '--artifact=a', '--version=1', '--server', server.url]
  const ran = await aether(['deploy', join(directory, 'gone.jar'), ...flags])
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  expect(ran.stderr).toMatch(message)
  expect(server.requests).toEqual([])
})

function hexOf(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex')
}
