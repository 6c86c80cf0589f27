import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, detailOf, hex } from './client.ts'

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

async function links(path: string): Promise<string[]> {
  const { status, body } = await client.get(path)
  if (status !== 200) return [`status ${status}`]
  return [...body.toString().matchAll(/href="([^"]+)"/g)].map((match) => match[1] as string)
}

describe('a path', () => {
  const directory = 'org/layout/app/1.0..1'
  it.each([
    'app-1.0..1.jar',
    'app-1.0..1-sources.jar',
    'app-1.0..1-2nd-javadoc.jar',
    'app-1.0..1-bin.tar.gz',
    'app-1.0..1.module',
    'app-1.0..1-build.pom',
    'app-1.0..1.jar.asc',
    'app-1.0..1.pom.sigstore.json',
    'app-1.0..1-cyclonedx.json',
    'app-1.0..1',
    'another-name.txt',
    'app_$+~@!-1.jar',
  ])('holds any file that a client sends: %s', async (name) => {
    const path = `releases/${directory}/${name}`
    expect((await client.put(path, name)).status).toBe(201)
    for (const repository of ['releases', 'public']) {
      expect((await client.get(`${repository}/${directory}/${name}`)).body.toString()).toBe(name)
      const sum = await client.get(`${repository}/${directory}/${name}.sha512`)
      expect(sum.body.toString()).toBe(hex('sha512', name))
    }
    expect(await links(`releases/${directory}/`)).toContain(name)
  })

  it('may contain letters of any language, percent-encoded or not reserved', async () => {
    const encoded = 'releases/org/gr%C3%BC%C3%9Fe/%E6%97%A5%E6%9C%AC/1/%E6%97%A5%E6%9C%AC-1%2B2.jar'
    expect((await client.put(encoded, 'names')).status).toBe(201)
    const plainPlus = encoded.replace('%2B', '+')
    expect((await client.get(plainPlus)).body.toString()).toBe('names')
    expect((await client.get(plainPlus.toLowerCase())).body.toString()).toBe('names')
    expect(await links('releases/org/gr%C3%BC%C3%9Fe/')).toEqual(['../', '%E6%97%A5%E6%9C%AC/'])
  })

  it('outside of the layout holds a file that may change', async () => {
    for (const path of ['archetype-catalog.xml', '.index/nexus.properties', '.meta/prefixes.txt']) {
      expect((await client.put(`releases/${path}`, 'one')).status).toBe(201)
      expect((await client.put(`releases/${path}`, 'two')).status).toBe(200)
      expect((await client.get(`releases/${path}`)).body.toString()).toBe('two')
    }
  })

  it.each([
    ['releases', 'org/policy/app/1.0-SNAPSHOT/app-1.0-20260101.100000-1.jar', 'release versions'],
    ['releases', 'org/policy/app/1.0-SNAPSHOT/app-1.0-SNAPSHOT.jar.sha1', 'release versions'],
    ['releases', 'org/policy/app/1.0-SNAPSHOT/maven-metadata.xml', 'release versions'],
    ['snapshots', 'org/policy/app/1.0/app-1.0.jar', 'SNAPSHOT versions'],
    ['snapshots', 'org/policy/app/1.0SNAPSHOT/app-1.0SNAPSHOT.jar', 'SNAPSHOT versions'],
  ])(
    'of a version that the repository does not take is refused: %s/%s',
    async (repository, path, what) => {
      const answer = await client.put(`${repository}/${path}`, 'bytes')
      expect(answer.status).toBe(400)
      expect(detailOf(answer)).toContain(what)
    },
  )
})

describe('a directory', () => {
  beforeAll(async () => {
    await client.put('releases/org/tree/lib/1.0/lib-1.0.pom', 'pom')
    await client.put('releases/org/tree/lib/1.0/lib-1.0.jar', 'jar')
    await client.put('releases/org/tree/lib/1.1/lib-1.1.jar', 'jar')
    await client.put('releases/org/tree/notes.txt', 'text')
    await client.put('snapshots/org/tree/lib/2.0-SNAPSHOT/lib-2.0-20260101.100000-1.jar', 'jar')
  })

  it('is a page of relative links, directories first', async () => {
    const { status, headers } = await client.get('releases/org/tree/')
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(headers).toMatchObject({
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    })
    expect(await links('releases/org/tree/')).toEqual(['../', 'lib/', 'notes.txt'])
    expect(await links('releases/org/tree/lib/1.0/')).toEqual(['../', 'lib-1.0.jar', 'lib-1.0.pom'])
    expect(await links('releases/')).toContain('org/')
    expect((await client.head('releases/org/tree/')).status).toBe(200)
  })

  it('of public shows what all members have', async () => {
    expect(await links('public/org/tree/lib/')).toEqual(['../', '1.0/', '1.1/', '2.0-SNAPSHOT/'])
  })

  it('of a new repository is empty, and one that nothing is in does not exist', async () => {
    expect((await client.get('infra/')).status).toBe(200)
    expect(await links('releases/org/tree/lib/9.9/')).toEqual(['status 404'])
  })

  it('shows names as text, whatever they contain', async () => {
    const name = "a&b'c%20d.txt"
    expect((await client.put(`releases/org/escape/${name.replace("'", '%27')}`, 'x')).status).toBe(
      201,
    )
    const page = (await client.get('releases/org/escape/')).body.toString()
    expect(page).toContain('a&amp;b&#39;c d.txt')
    expect(page).not.toContain("b'c")
    const [, link = ''] = await links('releases/org/escape/')
    const target = link.replaceAll('&amp;', '&').replaceAll('&#39;', "'")
    expect((await client.get(`releases/org/escape/${target}`)).status).toBe(200)
  })
})

describe('DELETE', () => {
  it('removes a file with its checksums, and its name can be used again', async () => {
    const path = 'releases/org/delete/app/1.0/app-1.0.jar'
    await client.put(path, 'first')
    expect((await client.delete(path)).status).toBe(204)
    expect((await client.get(path)).status).toBe(404)
    expect((await client.get(`${path}.sha1`)).status).toBe(404)
    expect(await links('releases/org/delete/app/1.0/')).toEqual(['status 404'])
    expect((await client.delete(path)).status).toBe(404)
    expect((await client.put(path, 'second')).status).toBe(201)
    expect((await client.get(path)).body.toString()).toBe('second')
  })

  it('removes a version and leaves the others', async () => {
    for (const version of ['1.0', '1.0.1']) {
      for (const ending of ['.jar', '.pom', '-sources.jar']) {
        await client.put(`releases/org/delete/lib/${version}/lib-${version}${ending}`, ending)
      }
    }
    expect((await client.delete('releases/org/delete/lib/1.0')).status).toBe(204)
    expect(await links('releases/org/delete/lib/')).toEqual(['../', '1.0.1/'])
    expect((await client.get('releases/org/delete/lib/1.0.1/lib-1.0.1.jar')).status).toBe(200)
  })

  it.each([
    ['releases/', 400],
    ['public/org/delete/x.jar', 405],
    ['none/org/delete/x.jar', 404],
    ['releases/org/delete/lib/1.0.1/lib-1.0.1.jar.sha1', 405],
    ['infra/org/delete/x.jar', 401],
  ])('of %s is refused', async (path, status) => {
    expect((await client.delete(path)).status).toBe(status)
  })
})
