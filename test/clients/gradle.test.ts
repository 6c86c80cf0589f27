import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client, hex, noise } from '../http/client.ts'
import { isInstalled, run } from './maven.ts'

// Gradle need not be on the machine that proves a change, so without it there are no such tests rather than skipped ones.
const isMissing = !isInstalled('gradle', '--version')
if (isMissing) console.log('gradle is not installed: what it resolves is not tested')

/** A JVM that lives for seconds is faster without the optimising compiler. */
const GRADLE_OPTS = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m'

const DIRECTORY = 'com/example/gradle/app'

/** Debian's Gradle lacks the transport to publish over HTTP, so the requests are those of a current one. */
describe('what Gradle publishes', () => {
  const directory = temporaryDirectory()
  let server: Server
  let client: Client
  let count = 0

  beforeAll(async () => {
    server = await startServer()
    client = new Client(server)
  })

  afterAll(async () => {
    client.close()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** The order in which Gradle 6 to 9 publish: files with four checksums each, then metadata that know only this version. */
  async function publish(
    repository: string,
    version: string,
    fileVersion = version,
  ): Promise<void> {
    const send = async (path: string, body: string | Buffer) => {
      const sums = ['sha1', 'md5', 'sha256', 'sha512'].map((name) => [name, hex(name, body)])
      expect((await client.put(path, body)).status).toBeLessThan(202)
      for (const [name, sum] of sums) {
        expect((await client.put(`${path}.${name}`, `${sum}`)).status).toBeLessThan(202)
      }
    }
    const stem = `${repository}/${DIRECTORY}/${version}/app-${fileVersion}`
    const head = `<metadata><groupId>com.example.gradle</groupId><artifactId>app</artifactId>`
    await send(`${stem}.jar`, jarOf(fileVersion))
    await send(
      `${stem}.pom`,
      '<project><modelVersion>4.0.0</modelVersion><groupId>com.example.gradle</groupId>' +
        `<artifactId>app</artifactId><version>${version}</version></project>`,
    )
    await send(`${stem}.module`, '{ "formatVersion": "1.1" }')
    if (fileVersion !== version) {
      const path = `${repository}/${DIRECTORY}/${version}/maven-metadata.xml`
      await send(path, `${head}<version>${version}</version></metadata>`)
    }
    const path = `${repository}/${DIRECTORY}/maven-metadata.xml`
    await client.get(path)
    const versioning = `<latest>${version}</latest><versions><version>${version}</version></versions>`
    await send(path, `${head}<versioning>${versioning}</versioning></metadata>`)
  }

  /** The files that Gradle resolves for a version or a range of them, with their digests. */
  async function resolved(version: string): Promise<Record<string, string>> {
    count += 1
    const project = join(directory, `project${count}`)
    mkdirSync(project)
    writeFileSync(join(project, 'settings.gradle'), "rootProject.name = 'consumer'\n")
    writeFileSync(
      join(project, 'build.gradle'),
      `repositories { maven { url = '${server.url}/repository/public' } }
       configurations { needed }
       dependencies { needed 'com.example.gradle:app:${version}' }
       task fetch(type: Copy) { from configurations.needed; into 'got' }`,
    )
    const flags = ['--no-daemon', '--stacktrace', '--gradle-user-home', join(project, 'home')]
    const ran = await run('gradle', [...flags, 'fetch'], {
      cwd: project,
      env: { GRADLE_OPTS, TERM: 'dumb' },
    })
    expect(ran.code, ran.output.slice(-4_000)).toBe(0)
    const got = join(project, 'got')
    return Object.fromEntries(
      readdirSync(got).map((name) => [name, hex('sha256', readFileSync(join(got, name)))]),
    )
  }

  it('is taken as it comes, and all versions are listed', async () => {
    await publish('releases', '1.9')
    await publish('releases', '1.10')
    await publish('snapshots', '2.0-SNAPSHOT', '2.0-20260101.100000-1')
    await publish('snapshots', '2.0-SNAPSHOT', '2.0-20260101.110000-2')
    const { body } = await client.get(`public/${DIRECTORY}/maven-metadata.xml`)
    const versions = [...body.toString().matchAll(/<version>([^<]+)</g)].map((match) => match[1])
    expect(versions).toEqual(['1.9', '1.10', '2.0-SNAPSHOT'])
  })

  if (isMissing) return
  it.each([
    ['1.9', 'app-1.9.jar', '1.9'],
    ['1.+', 'app-1.10.jar', '1.10'],
    ['[1.0,1.10)', 'app-1.9.jar', '1.9'],
    ['2.0-SNAPSHOT', 'app-2.0-SNAPSHOT.jar', '2.0-20260101.110000-2'],
  ])('resolves with Gradle: %s', async (version, name, fileVersion) => {
    expect(await resolved(version)).toEqual({ [name]: hex('sha256', jarOf(fileVersion)) })
  })
})

function jarOf(version: string): Buffer {
  return noise(100_000, version)
}
