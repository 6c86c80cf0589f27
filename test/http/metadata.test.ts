import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, detailOf, hex, noise } from './client.ts'

let server: Server
let client: Client

beforeAll(async () => {
  server = await startServer()
  client = new Client(server)
})

afterAll(async () => {
  client.close()
  await server.stop()
})

function pomOf(artifactId: string, version: string, packaging = 'jar'): string {
  return (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>' +
    `<groupId>org.meta</groupId><artifactId>${artifactId}</artifactId>` +
    `<version>${version}</version><packaging>${packaging}</packaging></project>`
  )
}

function metadataOf(artifactId: string, versions: readonly string[]): string {
  const list = versions.map((version) => `<version>${version}</version>`).join('')
  return (
    `<metadata><groupId>org.meta</groupId><artifactId>${artifactId}</artifactId><versioning>` +
    `<release>${versions.at(-1)}</release><versions>${list}</versions>` +
    '<lastUpdated>20200101000000</lastUpdated></versioning></metadata>'
  )
}

async function putAll(path: string, body: string): Promise<void> {
  expect((await client.put(path, body)).status).toBe(201)
  expect((await client.put(`${path}.sha1`, hex('sha1', body))).status).toBe(201)
  expect((await client.put(`${path}.md5`, hex('md5', body))).status).toBe(201)
}

/** A jar and its POM, without metadata. */
async function deploy(artifactId: string, version: string, repository = 'releases'): Promise<void> {
  const stem = `${repository}/org/meta/${artifactId}/${version}/${artifactId}-${version}`
  await putAll(`${stem}.jar`, noise(800, version).toString('base64'))
  await putAll(`${stem}.pom`, pomOf(artifactId, version))
}

async function read(path: string): Promise<string> {
  const { status, body } = await client.get(path)
  return status === 200 ? body.toString() : `status ${status}`
}

function listOf(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map(
    (match) => match[1] as string,
  )
}

describe('metadata of an artifact', () => {
  it('lists versions in the order of Maven, whoever deploys them in whatever order', async () => {
    for (const version of ['1.10', '1.9', '2.0-rc-1', '2.0', '1.0-alpha-1', '1.0']) {
      await deploy('order', version)
    }
    const xml = await read('releases/org/meta/order/maven-metadata.xml')
    const ascending = ['1.0-alpha-1', '1.0', '1.9', '1.10', '2.0-rc-1', '2.0']
    expect(listOf(xml, 'version')).toEqual(ascending)
    expect(listOf(xml, 'release')).toEqual(['2.0'])
    expect(listOf(xml, 'latest')).toEqual(['2.0'])
    expect(listOf(xml, 'groupId')).toEqual(['org.meta'])
    expect(listOf(xml, 'artifactId')).toEqual(['order'])
  })

  it('stays the same byte for byte while nothing changes', async () => {
    await deploy('stable', '1.0')
    const path = 'releases/org/meta/stable/maven-metadata.xml'
    const first = await client.get(path)
    const [updated = ''] = listOf(first.body.toString(), 'lastUpdated')
    expect(updated).toMatch(/^20\d{12}$/)
    await expect
      .poll(() => new Date().toISOString().replace(/\D/g, '').slice(0, 14), { timeout: 3_000 })
      .not.toBe(updated)
    const second = await client.get(path)
    expect(second.body.equals(first.body)).toBe(true)
    expect(second.headers.etag).toBe(first.headers.etag)
  })

  it('lists a version that has its POM and a main file, or a POM of packaging pom', async () => {
    const directory = 'releases/org/meta/parts'
    const metadata = `${directory}/maven-metadata.xml`
    await client.put(`${directory}/1/parts-1.pom`, pomOf('parts', '1'))
    await client.put(`${directory}/2/parts-2.jar`, 'jar')
    await client.put(`${directory}/3/parts-3.pom`, pomOf('parts', '3'))
    await client.put(`${directory}/3/parts-3-sources.jar`, 'sources')
    await client.put(`${directory}/3/parts-3.pom.asc`, 'signature')
    expect(await read(metadata)).toBe('status 404')
    await client.put(`${directory}/4/parts-4.pom`, pomOf('parts', '4', 'pom'))
    expect(listOf(await read(metadata), 'version')).toEqual(['4'])
    await client.put(`${directory}/1/parts-1.tar.gz`, 'archive')
    expect(listOf(await read(metadata), 'version')).toEqual(['1', '4'])
  })

  it('takes the upload of a client for a hint: it adds what has files, and removes nothing', async () => {
    const directory = 'releases/org/meta/hint'
    const metadata = `${directory}/maven-metadata.xml`
    await deploy('hint', '1.0')
    await client.put(`${directory}/2.0/hint-2.0.zip`, 'no POM')
    expect((await client.put(metadata, metadataOf('hint', ['2.0', '9.9']))).status).toBe(200)
    const xml = await read(metadata)
    expect(listOf(xml, 'version')).toEqual(['1.0', '2.0'])
    expect(listOf(xml, 'release')).toEqual(['2.0'])
    expect(xml).not.toContain('20200101000000')
  })

  it.each([
    ['no XML', 400, 'versions: 1.0'],
    ['nothing', 400, ''],
    ['an unclosed element', 400, '<metadata><versioning></metadata>'],
    ['another document', 400, '<html><body>Not Found</body></html>'],
    ['a document type', 400, '<!DOCTYPE metadata><metadata/>'],
    [
      'entities that grow',
      400,
      '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><metadata>&b;</metadata>',
    ],
    [
      'an outside entity',
      400,
      '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><metadata>&x;</metadata>',
    ],
    ['another artifact', 400, metadataOf('other', ['1.0'])],
    ['deep nesting', 400, `${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`],
    ['a megabyte and more', 413, `<metadata>${' '.repeat(1_048_576)}</metadata>`],
  ])('refuses %s', async (_what, status, body) => {
    await client.put('releases/org/meta/refuse/1.0/refuse-1.0.pom', pomOf('refuse', '1.0', 'pom'))
    const before = await read('releases/org/meta/refuse/maven-metadata.xml')
    const answer = await client.put('releases/org/meta/refuse/maven-metadata.xml', body)
    expect(answer.status).toBe(status)
    expect(detailOf(answer).length).toBeGreaterThan(10)
    expect(await read('releases/org/meta/refuse/maven-metadata.xml')).toBe(before)
  })

  it('cannot be deleted, since it is no file', async () => {
    await deploy('kept', '1.0')
    expect((await client.delete('releases/org/meta/kept/maven-metadata.xml')).status).toBe(405)
    expect(listOf(await read('releases/org/meta/kept/maven-metadata.xml'), 'version')).toEqual([
      '1.0',
    ])
  })

  it('forgets a version whose files are deleted', async () => {
    await deploy('forget', '1.0')
    await deploy('forget', '2.0')
    expect((await client.delete('releases/org/meta/forget/2.0')).status).toBe(204)
    const xml = await read('releases/org/meta/forget/maven-metadata.xml')
    expect(listOf(xml, 'version')).toEqual(['1.0'])
    expect(listOf(xml, 'release')).toEqual(['1.0'])
    await client.delete('releases/org/meta/forget/1.0')
    expect(await read('releases/org/meta/forget/maven-metadata.xml')).toBe('status 404')
  })

  it('loses no version of 32 that are deployed at once, each with metadata that knows only itself', async () => {
    const versions = Array.from({ length: 32 }, (_, index) => `1.${index}`)
    await Promise.all(
      versions.map(async (version) => {
        await deploy('many', version)
        const path = 'releases/org/meta/many/maven-metadata.xml'
        await client.get(path)
        const body = metadataOf('many', [version])
        expect((await client.put(path, body)).status).toBe(200)
        expect((await client.put(`${path}.sha1`, hex('sha1', body))).status).toBe(200)
      }),
    )
    const path = 'releases/org/meta/many/maven-metadata.xml'
    expect(listOf(await read(path), 'version')).toEqual(versions)
    expect(await read(`${path}.sha1`)).toBe(hex('sha1', await read(path)))
  })

  it('is never seen without a version that was listed before, while others are deployed', async () => {
    const path = 'releases/org/meta/grows/maven-metadata.xml'
    await deploy('grows', '1.0')
    let isDone = false
    const reading = (async () => {
      let seen: string[] = ['1.0']
      while (!isDone) {
        const now = listOf(await read(path), 'version')
        expect(now).toEqual(expect.arrayContaining(seen))
        seen = now
      }
    })()
    await Promise.all(['1.1', '1.2', '1.3', '1.4', '1.5'].map((one) => deploy('grows', one)))
    isDone = true
    await reading
    expect(listOf(await read(path), 'version')).toHaveLength(6)
  })
})

describe('metadata of a group', () => {
  const pluginOf = (artifactId: string) =>
    `<metadata><plugins><plugin><name>${artifactId}</name><prefix>${artifactId.replace('-maven-plugin', '')}</prefix>` +
    `<artifactId>${artifactId}</artifactId></plugin></plugins></metadata>`

  it('gathers the plugin prefixes of clients that each know only their own', async () => {
    const path = 'releases/org/meta/plugins/maven-metadata.xml'
    const names = Array.from({ length: 12 }, (_, index) => `tool${index + 10}-maven-plugin`)
    const answers = await Promise.all(names.map((name) => client.put(path, pluginOf(name))))
    expect(answers.map((answer) => answer.status)).toEqual(names.map(() => 200))
    expect(listOf(await read(path), 'prefix')).toEqual(names.map((name) => name.slice(0, 6)))
    expect(await read(`${path}.sha256`)).toBe(hex('sha256', await read(path)))
  })

  it('shares a file with the artifact of the same name', async () => {
    const path = 'releases/org/meta/both/maven-metadata.xml'
    await deploy('both', '1.0')
    await client.put(path, pluginOf('x-maven-plugin'))
    const xml = await read(path)
    expect(listOf(xml, 'version')).toEqual(['1.0'])
    expect(listOf(xml, 'prefix')).toEqual(['x'])
  })
})

describe('metadata of the repository public', () => {
  it('shows the versions of all its members', async () => {
    await deploy('shared', '1.0')
    const stem = 'snapshots/org/meta/shared/1.1-SNAPSHOT/shared-1.1-20260102.030405-1'
    await client.put(`${stem}.jar`, 'jar')
    await client.put(`${stem}.pom`, pomOf('shared', '1.1-SNAPSHOT'))
    const path = 'public/org/meta/shared/maven-metadata.xml'
    const xml = await read(path)
    expect(listOf(xml, 'version')).toEqual(['1.0', '1.1-SNAPSHOT'])
    expect(listOf(xml, 'release')).toEqual(['1.0'])
    expect(listOf(xml, 'latest')).toEqual(['1.1-SNAPSHOT'])
    expect(await read(`${path}.sha1`)).toBe(hex('sha1', xml))
    const ofVersion = await read('public/org/meta/shared/1.1-SNAPSHOT/maven-metadata.xml')
    expect(listOf(ofVersion, 'timestamp')).toEqual(['20260102.030405'])
    expect((await client.put(path, xml)).status).toBe(405)
  })
})
