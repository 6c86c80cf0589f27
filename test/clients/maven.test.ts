import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server as HttpServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client, hex } from '../http/client.ts'
import { dependency, GROUP, GROUP_PATH, Maven, missingMaven, type Run } from './maven.ts'

const missing = missingMaven()
const isRequired = process.env['AETHER_REQUIRE_CLIENTS'] === '1'
if (missing !== undefined) console.log(`skipped: ${missing}, so Maven is not tested`)

describe.skipIf(missing !== undefined && !isRequired)('Maven', () => {
  const directory = temporaryDirectory()
  let server: Server
  let client: Client
  let maven: Maven

  beforeAll(async () => {
    expect(missing).toBeUndefined()
    server = await startServer()
    client = new Client(server)
    maven = new Maven(directory, server.url)
    succeeded(await maven.fetchPlugins())
  })

  afterAll(async () => {
    client.close()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** A project of one jar that holds `content`. */
  function jarProject(artifactId: string, version: string, content = version): string {
    return maven.project({
      'pom.xml': maven.pom({ artifactId, version }),
      'src/main/resources/content.txt': content,
    })
  }

  /** A parent, a library and an application that depends on it. */
  function multiModule(version: string): string {
    const parent = `<parent><groupId>${GROUP}</groupId><artifactId>parent</artifactId><version>${version}</version></parent>`
    const modules = '<modules><module>library</module><module>app</module></modules>'
    return maven.project({
      'pom.xml': maven.pom({ artifactId: 'parent', version, packaging: 'pom', body: modules }),
      'library/pom.xml': maven.pom({ artifactId: 'library', version, body: parent }),
      'library/src/main/resources/library.txt': `library ${version}`,
      'app/pom.xml': maven.pom({
        artifactId: 'app',
        version,
        body: parent + dependency('library', version),
      }),
      'app/src/main/resources/app.txt': `app ${version}`,
    })
  }

  /** Builds a project that needs one artifact, from a local repository without it, and gives that repository. */
  async function resolveWithMaven(artifactId: string, version: string): Promise<string> {
    const project = maven.project({
      'pom.xml': maven.pom({
        artifactId: 'consumer',
        version: '1.0',
        body: dependency(artifactId, version),
      }),
    })
    const repository = maven.localRepository()
    succeeded(await maven.mvn(project, ['compile', '-C'], repository))
    return join(repository, GROUP_PATH)
  }

  async function versionsOf(artifactId: string, repository = 'releases'): Promise<string[]> {
    const path = `${repository}/${GROUP_PATH}/${artifactId}/maven-metadata.xml`
    const { status, body } = await client.get(path)
    if (status === 404) return []
    expect((await client.get(`${path}.sha1`)).body.toString()).toBe(hex('sha1', body))
    return [...body.toString().matchAll(/<version>([^<]+)<\/version>/g)].map((one) => `${one[1]}`)
  }

  it('deploys a release of several modules, which then resolve with strict checksums', async () => {
    const project = multiModule('1.0')
    succeeded(await maven.mvn(project, ['deploy']))
    for (const artifactId of ['parent', 'library', 'app']) {
      expect(await versionsOf(artifactId)).toEqual(['1.0'])
    }
    const resolved = await resolveWithMaven('app', '1.0')
    for (const artifactId of ['library', 'app']) {
      const built = readFileSync(join(project, artifactId, 'target', `${artifactId}-1.0.jar`))
      const got = readFileSync(join(resolved, artifactId, '1.0', `${artifactId}-1.0.jar`))
      expect(got.equals(built)).toBe(true)
    }
  })

  it('deploys a snapshot of several modules, and each resolves to its newest build', async () => {
    succeeded(await maven.mvn(multiModule('2.0-SNAPSHOT'), ['deploy']))
    const newest = multiModule('2.0-SNAPSHOT')
    succeeded(await maven.mvn(newest, ['deploy']))
    const resolved = await resolveWithMaven('app', '2.0-SNAPSHOT')
    for (const artifactId of ['library', 'app']) {
      const name = `${artifactId}-2.0-SNAPSHOT.jar`
      const built = readFileSync(join(newest, artifactId, 'target', name))
      expect(readFileSync(join(resolved, artifactId, '2.0-SNAPSHOT', name)).equals(built)).toBe(
        true,
      )
    }
    const listing = await client.get(`snapshots/${GROUP_PATH}/app/2.0-SNAPSHOT/`)
    expect(listing.body.toString().match(/href="app-2\.0-[^"]+\.jar"/g)).toHaveLength(2)
  })

  it('finds the highest version of a range', async () => {
    for (const version of ['1.2', '1.10', '1.9', '2.0', '1.11-rc-1']) {
      const stem = `releases/${GROUP_PATH}/ranged/${version}/ranged-${version}`
      expect((await client.put(`${stem}.jar`, `jar ${version}`)).status).toBe(201)
      await client.put(`${stem}.pom`, maven.pom({ artifactId: 'ranged', version }))
    }
    const resolved = await resolveWithMaven('ranged', '[1.0,1.11-alpha)')
    const jar = readFileSync(join(resolved, 'ranged', '1.10', 'ranged-1.10.jar'))
    expect(jar.toString()).toBe('jar 1.10')
  })

  it('lists all of 8 versions that are deployed at once', async () => {
    const versions = Array.from({ length: 8 }, (_, index) => `1.${index}`)
    const projects = versions.map((version) => jarProject('parallel', version))
    const runs = await Promise.all(projects.map((project) => maven.mvn(project, ['deploy'])))
    for (const one of runs) succeeded(one)
    expect(await versionsOf('parallel')).toEqual(versions)
  })

  it('keeps all of 6 snapshot builds that are deployed at once', async () => {
    const projects = Array.from({ length: 6 }, (_, index) =>
      jarProject('builds', '1.0-SNAPSHOT', `build ${index}`),
    )
    const deploy = async (project: string): Promise<void> => {
      const { code, output } = await maven.mvn(project, ['deploy'])
      if (code === 0) return
      // Two clients took the same second and number for their builds: the later one is refused, and goes again.
      expect(output).toContain('409 Conflict')
      await deploy(project)
    }
    await Promise.all(projects.map(deploy))
    const directoryPath = `snapshots/${GROUP_PATH}/builds/1.0-SNAPSHOT/`
    const listing = (await client.get(directoryPath)).body.toString()
    const names = [...listing.matchAll(/href="(builds-1\.0-\d[^"]*\.jar)"/g)].map((one) => one[1])
    const stored = await Promise.all(
      names.map(async (name) => hex('sha256', (await client.get(directoryPath + name)).body)),
    )
    const built = projects.map((project) =>
      hex('sha256', readFileSync(join(project, 'target', 'builds-1.0-SNAPSHOT.jar'))),
    )
    expect(stored.sort()).toEqual(built.sort())
  })

  it('fails a deploy whose file is changed on the way, and nobody can resolve it', async () => {
    const proxy = await startTamperingProxy(server, '.jar')
    const { port } = proxy.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const project = maven.project({
      'pom.xml': maven.pom({ artifactId: 'tampered', version: '1.0', url }),
      'src/main/resources/content.txt': 'x'.repeat(1_000),
    })
    const { code, output } = await maven.mvn(project, ['deploy'])
    proxy.close()
    expect(code).not.toBe(0)
    expect(output).toContain('BUILD FAILURE')
    expect(output).toMatch(/maven-metadata\.xml.*409 Conflict/)
    const stem = `releases/${GROUP_PATH}/tampered/1.0/tampered-1.0`
    expect((await client.get(`${stem}.jar`)).status).toBe(404)
    expect(await versionsOf('tampered')).toEqual([])

    succeeded(
      await maven.mvn(project, ['deploy', `-DaltDeploymentRepository=${target('releases')}`]),
    )
    expect(await versionsOf('tampered')).toEqual(['1.0'])
  })

  it('fails the second deploy of a release with a message that says why', async () => {
    succeeded(await maven.mvn(jarProject('again', '1.0', 'first'), ['deploy']))
    const { code, output } = await maven.mvn(jarProject('again', '1.0', 'second'), ['deploy'])
    expect(code).not.toBe(0)
    expect(output).toMatch(/again-1\.0\.(jar|pom).*409 Conflict/)
    const project = maven.project({
      'pom.xml': maven.pom({ artifactId: 'again', version: '2.0-SNAPSHOT' }),
    })
    const alternative = `-DaltDeploymentRepository=${target('releases')}`
    const misplaced = await maven.mvn(project, ['deploy', alternative])
    expect(misplaced.code).not.toBe(0)
    expect(misplaced.output).toMatch(/again-2\.0-.*400/)
  })

  it('deploys single files with deploy-file, the same ones again too', async () => {
    const jar = join(directory, 'foreign.jar')
    const sources = join(directory, 'foreign-sources.jar')
    writeFileSync(jar, 'the bytes of a jar')
    writeFileSync(sources, 'the bytes of its sources')
    const deploy = () =>
      maven.mvn(directory, [
        'deploy:deploy-file',
        `-Durl=${server.url}/repository/releases`,
        '-DrepositoryId=aether',
        `-Dfile=${jar}`,
        `-Dsources=${sources}`,
        `-DgroupId=${GROUP}`,
        '-DartifactId=foreign',
        '-Dversion=1.0',
        '-Dpackaging=jar',
      ])
    succeeded(await deploy())
    succeeded(await deploy())
    expect(await versionsOf('foreign')).toEqual(['1.0'])
    const stem = `releases/${GROUP_PATH}/foreign/1.0/foreign-1.0`
    expect((await client.get(`${stem}-sources.jar`)).body.equals(readFileSync(sources))).toBe(true)
    const resolved = await resolveWithMaven('foreign', '1.0')
    const got = readFileSync(join(resolved, 'foreign', '1.0', 'foreign-1.0.jar'))
    expect(got.equals(readFileSync(jar))).toBe(true)
  })

  it('deploys to a private node with the token as password, and not without', async () => {
    const shut = await startServer({ host: '0.0.0.0' })
    const settings = join(directory, 'settings.xml')
    writeFileSync(
      settings,
      '<settings><servers><server><id>aether</id><username>ci</username>' +
        `<password>${shut.token}</password></server></servers></settings>`,
    )
    const project = maven.project({
      'pom.xml': maven.pom({ artifactId: 'private', version: '1.0', url: shut.url }),
    })
    const refused = await maven.mvn(project, ['deploy'])
    expect(refused.code).not.toBe(0)
    expect(refused.output).toMatch(/401/)
    // The plugins are all there; without the user's settings Maven would not know where they came from.
    const withToken = ['-s', settings, '-llr']
    succeeded(await maven.mvn(project, ['deploy', ...withToken]))
    const consumer = maven.project({
      'pom.xml': maven.pom({
        artifactId: 'consumer',
        version: '1.0',
        url: shut.url,
        body: dependency('private', '1.0'),
      }),
    })
    succeeded(await maven.mvn(consumer, ['compile', '-C', ...withToken]))
    await shut.stop()
  })

  function target(repository: string): string {
    return `aether::default::${server.url}/repository/${repository}`
  }
})

/** Forwards everything to the node, and turns one bit of each file with this ending on its way there. */
function startTamperingProxy(server: Server, ending: string): Promise<HttpServer> {
  const proxy = createServer(async (incoming, outgoing) => {
    const { method, url = '', headers } = incoming
    const body = await buffer(incoming)
    if (method === 'PUT' && url.endsWith(ending)) body.writeUInt8(body.readUInt8(99) ^ 1, 99)
    const { expect: _expect, connection: _connection, ...rest } = headers
    const options = { host: '127.0.0.1', port: server.port, method, path: url, headers: rest }
    const forwarded = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.end(body)
  })
  return new Promise((resolve) => proxy.listen(0, '127.0.0.1', () => resolve(proxy)))
}

function succeeded({ code, output }: Run): void {
  expect(code, output.slice(-4_000)).toBe(0)
}
