import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { type Answer, Client, detailOf, hex, noise } from './client.ts'

const WRONG = {
  sha1: '0'.repeat(40),
  md5: '0'.repeat(32),
  sha256: '0'.repeat(64),
  sha512: '0'.repeat(128),
}
const ALGORITHMS = ['sha1', 'md5', 'sha256', 'sha512'] as const

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

/** A version of its own for each test, with a POM. */
async function newVersion() {
  count += 1
  const artifactId = `app${count}`
  const directory = `releases/org/quarantine/${artifactId}`
  const version = `${directory}/1.0`
  const jar = `${version}/${artifactId}-1.0.jar`
  const pom = `${version}/${artifactId}-1.0.pom`
  const metadata = `${directory}/maven-metadata.xml`
  await client.put(
    pom,
    `<project><modelVersion>4.0.0</modelVersion><groupId>org.quarantine</groupId>` +
      `<artifactId>${artifactId}</artifactId><version>1.0</version></project>`,
  )
  const announce = () =>
    client.put(
      metadata,
      `<metadata><groupId>org.quarantine</groupId><artifactId>${artifactId}</artifactId>` +
        '<versioning><versions><version>1.0</version></versions></versioning></metadata>',
    )
  return { jar, version, metadata, announce }
}

async function isHidden(path: string): Promise<boolean> {
  const answers = [await client.get(path), await client.head(path)]
  for (const algorithm of ALGORITHMS) answers.push(await client.get(`${path}.${algorithm}`))
  const directory = path.slice(0, path.lastIndexOf('/') + 1)
  const listing = (await client.get(directory)).body.toString()
  const statuses = new Set(answers.map((answer) => answer.status))
  expect(statuses.size).toBe(1)
  expect(listing.includes(`href="${path.slice(directory.length)}"`)).toBe(statuses.has(200))
  return statuses.has(404)
}

function expectMismatch(answer: Answer): void {
  expect([answer.status, answer.reason]).toEqual([409, 'Conflict'])
  expect(detailOf(answer)).toContain('0000')
}

describe.each([2_000, 200_000])('a file of %d bytes', (size) => {
  const bytes = noise(size, 'quarantine')
  const others = noise(size, 'others')

  it.each(ALGORITHMS)(
    'is hidden by a wrong %s, and the deploy of its version fails',
    async (algorithm) => {
      const { jar, metadata, announce } = await newVersion()
      expect((await client.put(jar, bytes)).status).toBe(201)
      expect(await isHidden(jar)).toBe(false)
      expectMismatch(await client.put(`${jar}.${algorithm}`, WRONG[algorithm]))
      expect(await isHidden(jar)).toBe(true)
      expect((await client.get(metadata)).status).toBe(404)
      const announced = await announce()
      expect(announced.status).toBe(409)
      expect(detailOf(announced)).toContain('does not match its uploaded checksum')
      expect((await client.get(metadata)).status).toBe(404)
    },
  )

  it('is shown again when its publisher sends it again', async () => {
    const { jar, announce } = await newVersion()
    await client.put(jar, bytes)
    await client.put(`${jar}.sha1`, WRONG.sha1)
    expect((await client.put(jar, others)).status).toBe(200)
    expect(await isHidden(jar)).toBe(false)
    expect((await client.put(`${jar}.sha1`, hex('sha1', others))).status).toBe(201)
    expect((await announce()).status).toBe(200)
    expect((await client.get(jar)).body.equals(others)).toBe(true)
  })

  it('is shown again when its checksum is corrected', async () => {
    const { jar, announce } = await newVersion()
    await client.put(jar, bytes)
    await client.put(`${jar}.md5`, WRONG.md5)
    await client.put(`${jar}.sha1`, hex('sha1', bytes))
    expect(await isHidden(jar)).toBe(true)
    expect((await client.put(`${jar}.md5`, hex('md5', bytes))).status).toBe(201)
    expect(await isHidden(jar)).toBe(false)
    expect((await announce()).status).toBe(200)
  })

  it('is held to checksums that came before it', async () => {
    const right = await newVersion()
    for (const algorithm of ALGORITHMS) {
      const sent = await client.put(`${right.jar}.${algorithm}`, hex(algorithm, bytes))
      expect(sent.status).toBe(201)
      expect((await client.get(`${right.jar}.${algorithm}`)).status).toBe(404)
    }
    expect((await client.put(right.jar, bytes)).status).toBe(201)
    expect(await isHidden(right.jar)).toBe(false)

    const wrong = await newVersion()
    await client.put(`${wrong.jar}.sha1`, hex('sha1', others))
    await client.put(wrong.jar, bytes)
    expect(await isHidden(wrong.jar)).toBe(true)
    expect((await wrong.announce()).status).toBe(409)
    expect((await client.put(wrong.jar, others)).status).toBe(200)
    expect((await client.put(`${wrong.jar}.sha1`, hex('sha1', others))).status).toBe(201)
    expect((await wrong.announce()).status).toBe(200)
  })

  it('that has matched a checksum is not hidden by a wrong one', async () => {
    const { jar } = await newVersion()
    await client.put(jar, bytes)
    await client.put(`${jar}.sha1`, hex('sha1', bytes))
    expectMismatch(await client.put(`${jar}.sha1`, WRONG.sha1))
    expectMismatch(await client.put(`${jar}.md5`, WRONG.md5))
    expect(await isHidden(jar)).toBe(false)
  })

  it('of a complete version is not hidden by a wrong checksum', async () => {
    const { jar, announce } = await newVersion()
    await client.put(jar, bytes)
    expect((await announce()).status).toBe(200)
    expectMismatch(await client.put(`${jar}.sha1`, WRONG.sha1))
    expect(await isHidden(jar)).toBe(false)
  })

  it('is not hidden by a wrong checksum of someone else, nor replaced by him', async () => {
    const admin = new Client(server, { Authorization: `Bearer ${server.token}` })
    const { jar } = await newVersion()
    await client.put(jar, bytes)
    expectMismatch(await admin.put(`${jar}.sha1`, WRONG.sha1))
    expect(await isHidden(jar)).toBe(false)
    await client.put(`${jar}.sha1`, WRONG.sha1)
    expect(await isHidden(jar)).toBe(true)
    expect((await admin.put(jar, others)).status).toBe(409)
    admin.close()
  })
})

describe('a checksum file', () => {
  const bytes = noise(500, 'forms')

  it('is accepted in the forms that tools write', async () => {
    const sha1 = hex('sha1', bytes)
    const forms = [
      sha1,
      `${sha1}\n`,
      sha1.toUpperCase(),
      `${sha1}  app-1.0.jar\n`,
      `SHA1 (app-1.0.jar) = ${sha1}`,
      `SHA1(app-1.0.jar)= ${sha1}`,
      `app-1.0.jar: ${sha1.toUpperCase().match(/.{4}/g)?.join(' ')}`,
    ]
    for (const form of forms) {
      const { jar } = await newVersion()
      await client.put(jar, bytes)
      expect([form, (await client.put(`${jar}.sha1`, form)).status]).toEqual([form, 201])
    }
  })

  it.each(['', 'none', '0'.repeat(20), 'g'.repeat(40), '<html>Not Found</html>', '\u0000\u0001'])(
    'that holds no digest is refused and hides nothing: %j',
    async (text) => {
      const { jar } = await newVersion()
      await client.put(jar, bytes)
      expect((await client.put(`${jar}.sha1`, text)).status).toBe(400)
      expect(await isHidden(jar)).toBe(false)
    },
  )

  it('is refused when it is longer than any checksum', async () => {
    const { jar } = await newVersion()
    await client.put(jar, bytes)
    expect((await client.put(`${jar}.sha1`, 'a'.repeat(100_000))).status).toBe(413)
    expect(await isHidden(jar)).toBe(false)
  })

  it('of metadata is accepted and has no effect, since the server makes both', async () => {
    const { jar, metadata } = await newVersion()
    await client.put(jar, bytes)
    expect((await client.put(`${metadata}.sha1`, WRONG.sha1)).status).toBe(200)
    const { body } = await client.get(metadata)
    expect((await client.get(`${metadata}.sha1`)).body.toString()).toBe(hex('sha1', body))
  })
})
