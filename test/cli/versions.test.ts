import { expect, test } from 'vitest'
import { aether, problem, startServer } from './fixture.ts'

const METADATA = '/repository/public/org/acme/app/maven-metadata.xml'

const XML = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <groupId>org.acme</groupId>
  <artifactId>app</artifactId>
  <versioning>
    <latest>1.11-SNAPSHOT</latest>
    <release>1.10</release>
    <versions>
      <version>1.11-SNAPSHOT</version>
      <version>1.10</version>
      <version>1.2</version>
      <version>1.10-rc-1</version>
    </versions>
    <lastUpdated>20260102030405</lastUpdated>
  </versioning>
</metadata>
`)

test('prints the versions ascending and marks the newest', async () => {
  const server = await startServer()
  server.files.set(METADATA, XML)
  const ran = await aether(['versions', 'org.acme:app', '--server', server.url])
  const lines = ['1.2', '1.10-rc-1', '1.10  (release)', '1.11-SNAPSHOT  (latest)', '']
  expect(ran).toEqual({ exitCode: 0, stdout: lines.join('\n'), stderr: '' })
})

test('prints one JSON document with --json', async () => {
  const server = await startServer()
  server.files.set(METADATA, XML)
  const { stdout } = await aether(['versions', 'org.acme:app', '--json', '--server', server.url])
  expect(JSON.parse(stdout)).toEqual({
    groupId: 'org.acme',
    artifactId: 'app',
    repository: 'public',
    versions: ['1.2', '1.10-rc-1', '1.10', '1.11-SNAPSHOT'],
    release: '1.10',
    latest: '1.11-SNAPSHOT',
  })
})

test('an unknown artifact is a refusal that says what to do', async () => {
  const server = await startServer()
  const args = ['versions', 'org.acme:app', '--repository', 'releases', '--json']
  const ran = await aether([...args, '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(JSON.parse(ran.stdout)).toEqual({
    error: {
      kind: 'refused',
      message: `org.acme:app has no versions in the repository releases of ${server.url}`,
      next: expect.stringContaining('aether deploy'),
    },
  })
})

test('an answer that is no metadata is a refusal', async () => {
  const server = await startServer()
  server.files.set(METADATA, Buffer.from('<html><body>Welcome</body>'))
  const ran = await aether(['versions', 'org.acme:app', '--server', server.url])
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  expect(ran.stderr).toContain('is no Maven metadata')
})

test('words of the server cannot steer the terminal', async () => {
  const server = await startServer((_request, response) =>
    problem(response, 403, 'Forbidden', 'a\u001b[2Jb\u0000\nc'),
  )
  const ran = await aether(['versions', 'org.acme:app', '--server', server.url])
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toContain('aether: a [2Jb c (403')
})

test.each(['org.acme', 'org.acme:app:1.0', ':app', ''])('"%s" is bad usage', async (artifact) => {
  expect(await aether(['versions', artifact])).toMatchObject({ exitCode: 2, stdout: '' })
})
