import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, hex, noise } from './client.ts'

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
})

/** A snapshot of its own for each test. */
function newSnapshot() {
  count += 1
  const artifactId = `app${count}`
  const directory = `snapshots/org/snap/${artifactId}/1.0-SNAPSHOT`
  return {
    directory,
    metadata: `${directory}/maven-metadata.xml`,
    literal: (ending: string) => `${directory}/${artifactId}-1.0-SNAPSHOT${ending}`,
    build: (stamp: string, ending: string) => `${directory}/${artifactId}-1.0-${stamp}${ending}`,
  }
}

async function text(path: string): Promise<string> {
  const { status, body } = await client.get(path)
  return status === 200 ? body.toString() : `status ${status}`
}

function elementOf(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1]
}

function filesIn(listing: string): string[] {
  return [...listing.matchAll(/href="([^"]+)"/g)]
    .map((match) => match[1] as string)
    .filter((name) => name !== '../')
}

describe('a snapshot build', () => {
  it('is read under its own name and, when it is the newest, under the literal one', async () => {
    const { metadata, literal, build } = newSnapshot()
    await client.put(build('20260101.100000-1', '.jar'), 'first')
    expect(await text(literal('.jar'))).toBe('first')
    await client.put(build('20260101.110000-2', '.jar'), 'second')
    expect(await text(literal('.jar'))).toBe('second')
    expect(await text(build('20260101.100000-1', '.jar'))).toBe('first')
    for (const algorithm of ['sha1', 'md5', 'sha256', 'sha512']) {
      expect(await text(literal(`.jar.${algorithm}`))).toBe(hex(algorithm, 'second'))
    }
    const xml = await text(metadata)
    expect(elementOf(xml, 'timestamp')).toBe('20260101.110000')
    expect(elementOf(xml, 'buildNumber')).toBe('2')
    expect(elementOf(xml, 'value')).toBe('1.0-20260101.110000-2')
    expect(await text(`${metadata}.sha1`)).toBe(hex('sha1', xml))
  })

  it('never changes: its path takes the same bytes again and no others', async () => {
    const { build } = newSnapshot()
    const path = build('20260101.100000-1', '.jar')
    expect((await client.put(path, 'bytes')).status).toBe(201)
    expect((await client.put(path, 'bytes')).status).toBe(200)
    expect((await client.put(path, 'other')).status).toBe(409)
    expect((await client.put(path, 'longer ones')).status).toBe(409)
    expect(await text(path)).toBe('bytes')
    expect((await client.get(path)).headers['cache-control']).toContain('immutable')
  })

  it('is kept beside another one with the same number and another time', async () => {
    const { directory, metadata, literal, build } = newSnapshot()
    await client.put(build('20260101.100000-1', '.jar'), 'early')
    expect((await client.put(build('20260101.100001-1', '.jar'), 'late')).status).toBe(201)
    expect(await text(build('20260101.100000-1', '.jar'))).toBe('early')
    expect(await text(build('20260101.100001-1', '.jar'))).toBe('late')
    expect(await text(literal('.jar'))).toBe('late')
    expect(elementOf(await text(metadata), 'value')).toBe('1.0-20260101.100001-1')
    expect(filesIn(await text(`${directory}/`))).toHaveLength(2)
  })

  it('gives each classifier and extension its newest file', async () => {
    const { metadata, literal, build } = newSnapshot()
    await client.put(build('20260101.100000-1', '-sources.jar'), 'sources 1')
    await client.put(build('20260101.100000-1', '.pom'), 'pom 1')
    await client.put(build('20260101.110000-2', '.pom'), 'pom 2')
    expect(await text(literal('-sources.jar'))).toBe('sources 1')
    expect(await text(literal('.pom'))).toBe('pom 2')
    const xml = await text(metadata)
    const versions = [...xml.matchAll(/<snapshotVersion>([\s\S]*?)<\/snapshotVersion>/g)].map(
      ([, version = '']) =>
        ['classifier', 'extension', 'value'].map((name) => elementOf(version, name)),
    )
    expect(versions).toEqual([
      [undefined, 'pom', '1.0-20260101.110000-2'],
      ['sources', 'jar', '1.0-20260101.100000-1'],
    ])
  })

  it('is read through public, under both names', async () => {
    const { literal, build } = newSnapshot()
    await client.put(build('20260101.100000-1', '.jar'), 'shared')
    const throughPublic = (path: string) => text(path.replace('snapshots/', 'public/'))
    expect(await throughPublic(literal('.jar'))).toBe('shared')
    expect(await throughPublic(build('20260101.100000-1', '.jar'))).toBe('shared')
  })

  it('keeps its literal name uncached, with conditions and ranges', async () => {
    const { literal, build } = newSnapshot()
    const bytes = noise(100_000, 'alias')
    await client.put(build('20260101.100000-1', '.jar'), bytes)
    const { headers } = await client.get(literal('.jar'))
    expect(headers['cache-control']).toBe('no-cache')
    const etag = headers.etag ?? ''
    expect((await client.get(literal('.jar'), { 'If-None-Match': etag })).status).toBe(304)
    const part = await client.get(literal('.jar'), { Range: 'bytes=-10' })
    expect(part.body.equals(bytes.subarray(-10))).toBe(true)
    await client.put(build('20260101.110000-2', '.jar'), 'newer')
    expect((await client.get(literal('.jar'), { 'If-None-Match': etag })).status).toBe(200)
    const resumed = await client.get(literal('.jar'), { Range: 'bytes=1-', 'If-Range': etag })
    expect([resumed.status, resumed.body.toString()]).toEqual([200, 'newer'])
  })

  it('that does not match its checksum leaves the one before it in place', async () => {
    const { metadata, literal, build } = newSnapshot()
    await client.put(build('20260101.100000-1', '.jar'), 'good')
    await client.put(build('20260101.110000-2', '.jar'), 'bad')
    const wrong = await client.put(build('20260101.110000-2', '.jar.sha1'), '0'.repeat(40))
    expect(wrong.status).toBe(409)
    expect(await text(literal('.jar'))).toBe('good')
    expect(elementOf(await text(metadata), 'value')).toBe('1.0-20260101.100000-1')
    const older = await text(metadata)
    expect((await client.put(metadata, older)).status).toBe(200)
    const newer = older
      .replaceAll('20260101.100000', '20260101.110000')
      .replace('<buildNumber>1<', '<buildNumber>2<')
      .replace('.110000-1<', '.110000-2<')
    expect((await client.put(metadata, newer)).status).toBe(409)
  })
})

describe('an upload under the literal name', () => {
  it('becomes a build with a time and number of the server', async () => {
    const { directory, metadata, literal } = newSnapshot()
    expect((await client.put(literal('.jar'), 'jar')).status).toBe(201)
    expect((await client.put(literal('.jar.sha1'), hex('sha1', 'jar'))).status).toBe(201)
    expect((await client.put(literal('.pom'), 'pom')).status).toBe(201)
    expect(await text(literal('.jar'))).toBe('jar')
    const value = elementOf(await text(metadata), 'value') ?? ''
    expect(value).toMatch(/^1\.0-20\d{6}\.\d{6}-1$/)
    const files = filesIn(await text(`${directory}/`))
    expect(files.map((name) => name.replace(/^app\d+-/, '')).sort()).toEqual([
      `${value}.jar`,
      `${value}.pom`,
    ])
    expect((await client.put(literal('.jar'), 'jar 2')).status).toBe(201)
    expect(elementOf(await text(metadata), 'buildNumber')).toBe('2')
    expect(await text(literal('.jar'))).toBe('jar 2')
    expect(await text(literal('.pom'))).toBe('pom')
  })

  it('is held to the checksums of its literal name, before and after', async () => {
    const before = newSnapshot()
    await client.put(before.literal('.jar.sha1'), '0'.repeat(40))
    await client.put(before.literal('.jar'), 'jar')
    expect(await text(before.literal('.jar'))).toBe('status 404')
    const after = newSnapshot()
    await client.put(after.literal('.jar'), 'jar')
    expect((await client.put(after.literal('.jar.sha1'), '0'.repeat(40))).status).toBe(409)
    expect(await text(after.literal('.jar'))).toBe('status 404')
    await client.put(after.literal('.jar'), 'jar')
    expect((await client.put(after.literal('.jar.sha1'), hex('sha1', 'jar'))).status).toBe(201)
    expect(await text(after.literal('.jar'))).toBe('jar')
  })

  it('is a build of its own each time, also when many come at once', async () => {
    const { directory, literal } = newSnapshot()
    const bodies = Array.from({ length: 12 }, (_, index) => `body ${index}`)
    const answers = await Promise.all(bodies.map((body) => client.put(literal('.jar'), body)))
    expect(answers.map((answer) => answer.status)).toEqual(bodies.map(() => 201))
    const files = filesIn(await text(`${directory}/`))
    const stored = await Promise.all(files.map((name) => text(`${directory}/${name}`)))
    expect(stored.sort()).toEqual(bodies.sort())
  })

  it('joins its build with builds that clients named, whatever their clocks say', async () => {
    const { metadata, literal, build } = newSnapshot()
    await client.put(build('20991231.235959-7', '.jar'), 'from the future')
    await client.put(literal('.jar'), 'literal')
    expect(await text(literal('.jar'))).toBe('literal')
    expect(elementOf(await text(metadata), 'buildNumber')).toBe('8')
  })
})

describe('builds deployed at the same time', () => {
  it('are all kept, all readable, and the newest is what the metadata names', async () => {
    const { directory, metadata, build } = newSnapshot()
    const stamps = Array.from({ length: 16 }, (_, index) => `20260101.1000${10 + index}-1`)
    await Promise.all(
      stamps.map(async (stamp) => {
        const body = noise(2_000, stamp)
        expect((await client.put(build(stamp, '.jar'), body)).status).toBe(201)
        await client.put(build(stamp, '.jar.sha1'), hex('sha1', body))
        await client.put(build(stamp, '.pom'), stamp)
      }),
    )
    for (const stamp of stamps) {
      expect((await client.get(build(stamp, '.jar'))).body.equals(noise(2_000, stamp))).toBe(true)
    }
    expect(filesIn(await text(`${directory}/`))).toHaveLength(32)
    expect(elementOf(await text(metadata), 'timestamp')).toBe('20260101.100025')
  })
})
