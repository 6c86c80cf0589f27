/** Real Maven builds against three nodes that share one repository, while a node dies or restarts under them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ClusterFixture } from '../fixture/cluster.ts'
import { temporaryDirectory } from '../fixture/server.ts'
import { Client } from '../http/client.ts'
import { GROUP, GROUP_PATH, Maven, missingMaven, type Run } from './maven.ts'

const NODES = ['n1', 'n2', 'n3']
const MODULES = Array.from({ length: 12 }, (_, at) => `module-${at + 1}`)
const LIBRARIES = Array.from({ length: 120 }, (_, at) => `library-${at + 1}`)

/**
 * Maven 3.8 by itself repeats a request whose connection broke, three times and at once, but neither one whose connection
 * was refused nor one that was answered 503. With these settings of its HTTP transport it does: without a pause while
 * nobody listens, hence the count, and with one second between two answers of 503.
 */
const PATIENCE = [
  '-Dmaven.wagon.http.retryHandler.class=default',
  '-Dmaven.wagon.http.retryHandler.nonRetryableClasses=java.net.UnknownHostException',
  '-Dmaven.wagon.http.retryHandler.count=200000',
  '-Dmaven.wagon.http.serviceUnavailableRetryStrategy.class=standard',
  '-Dmaven.wagon.http.serviceUnavailableRetryStrategy.maxRetries=30',
  '-Dorg.slf4j.simpleLogger.log.org.apache.maven.wagon.providers.http.httpclient=warn',
]

const missing = missingMaven()
const isRequired = process.env['AETHER_REQUIRE_CLIENTS'] === '1'
if (missing !== undefined) console.log(`skipped: ${missing}, so Maven is not tested on a cluster`)

describe.skipIf(missing !== undefined && !isRequired)('Maven on a cluster', () => {
  const directory = temporaryDirectory()
  let cluster: ClusterFixture
  let clients: Map<string, Client>
  let maven: Maven

  beforeAll(async () => {
    expect(missing).toBeUndefined()
    cluster = await ClusterFixture.found(NODES, { directory: temporaryDirectory() })
    for (const id of NODES) cluster.node(id).launch()
    await Promise.all(NODES.map((id) => cluster.node(id).ready()))
    clients = new Map(NODES.map((id) => [id, new Client({ port: cluster.node(id).httpPort })]))
    maven = new Maven(directory, cluster.node('n1').origin)
    succeeded(await maven.fetchPlugins())
  })

  afterAll(async () => {
    for (const client of clients.values()) client.close()
    await cluster.close()
  })

  function get(node: string, path: string) {
    const client = clients.get(node)
    if (client === undefined) throw new Error(`no client of ${node}`)
    return client.get(`releases/${GROUP_PATH}/${path}`)
  }

  it('deploys a build of many modules through one node while another one is killed', async () => {
    const project = manyModules('1.0')
    const deploy = maven.mvn(project, ['deploy'])
    const isThere = async (module: string) =>
      (await get('n3', `${module}/1.0/${module}-1.0.pom`)).status === 200
    while (!(await isThere('module-1'))) await sleep(20)
    await cluster.node('n2').kill()
    expect(await isThere(MODULES.at(-1) ?? '')).toBe(false)
    succeeded(await deploy)
    await cluster.node('n2').start()
    await cluster.node('n2').ready()
    for (const module of MODULES) {
      const built = readFileSync(join(project, module, 'target', `${module}-1.0.jar`))
      for (const node of NODES) {
        const { status, body } = await get(node, `${module}/1.0/${module}-1.0.jar`)
        expect([module, node, status, body.equals(built)]).toEqual([module, node, 200, true])
        const metadata = await get(node, `${module}/maven-metadata.xml`)
        expect(metadata.body.toString()).toContain('<version>1.0</version>')
      }
    }
  })

  it('resolves while the node that it talks to restarts', async () => {
    for (const library of LIBRARIES) await deployLibrary(library)
    const repository = maven.localRepository()
    const fetched = () =>
      LIBRARIES.filter((id) => existsSync(join(repository, GROUP_PATH, id, '1.0', `${id}-1.0.jar`)))
        .length
    const begun = () => LIBRARIES.some((id) => existsSync(join(repository, GROUP_PATH, id, '1.0')))
    const resolve = maven.mvn(consumer(), ['compile', '-C', ...PATIENCE], repository)
    while (!begun()) await sleep(5)
    await cluster.node('n1').stop()
    expect(fetched()).toBeLessThan(LIBRARIES.length)
    await cluster.node('n1').start()
    succeeded(await resolve)
    expect(fetched()).toBe(LIBRARIES.length)
  })

  function manyModules(version: string): string {
    const parent = `<parent><groupId>${GROUP}</groupId><artifactId>modules</artifactId><version>${version}</version></parent>`
    const list = MODULES.map((module) => `<module>${module}</module>`).join('')
    const body = `<modules>${list}</modules>`
    const files = {
      'pom.xml': maven.pom({ artifactId: 'modules', version, packaging: 'pom', body }),
    }
    const modules = MODULES.flatMap((artifactId) => [
      [`${artifactId}/pom.xml`, maven.pom({ artifactId, version, body: parent })],
      [`${artifactId}/src/main/resources/content.txt`, `${artifactId} ${version}`],
    ])
    return maven.project({ ...files, ...Object.fromEntries(modules) })
  }

  function consumer(): string {
    const list = LIBRARIES.map(
      (id) =>
        `<dependency><groupId>${GROUP}</groupId><artifactId>${id}</artifactId><version>1.0</version></dependency>`,
    ).join('')
    const body = `<dependencies>${list}</dependencies>`
    return maven.project({ 'pom.xml': maven.pom({ artifactId: 'consumer', version: '1.0', body }) })
  }

  async function deployLibrary(id: string): Promise<void> {
    const stem = `releases/${GROUP_PATH}/${id}/1.0/${id}-1.0`
    const client = clients.get('n2')
    expect((await client?.put(`${stem}.jar`, `the library ${id}`))?.status).toBe(201)
    const pom = maven.pom({ artifactId: id, version: '1.0' })
    expect((await client?.put(`${stem}.pom`, pom))?.status).toBe(201)
  }
})

function succeeded({ code, output }: Run): void {
  expect(code, output.slice(-4_000)).toBe(0)
}
