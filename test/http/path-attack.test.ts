import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../fixture/server.ts'
import { Client, head, Wire } from './client.ts'

/** The only file of the repository before and after every attack. */
const DECOY = 'org/decoy/app/1.0/app-1.0.jar'
const CANARY = 'canary'

/**
 * How one character can be written so that some reader, but not another, takes it for itself: as it is, percent-encoded
 * in both cases, encoded twice, in overlong UTF-8, in the form of IIS, and as its full-width look-alike.
 */
const ENCODINGS: Readonly<Record<string, (character: string) => string>> = {
  raw: (character) => character,
  'percent-encoded': (character) => percent(character.charCodeAt(0)).toLowerCase(),
  'percent-encoded in capitals': (character) => percent(character.charCodeAt(0)).toUpperCase(),
  'encoded twice': (character) => `%25${percent(character.charCodeAt(0)).slice(1)}`,
  'overlong UTF-8': (character) => {
    const code = character.charCodeAt(0)
    return `${percent(0xc0 | (code >> 6))}${percent(0x80 | (code & 0x3f))}`
  },
  'percent u': (character) => `%u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
}

/** `«…»` is what each encoding writes in its way. Every one of these must be refused however it is written. */
const CLASSES: Readonly<Record<string, string>> = {
  'parent directories (CVE-2024-4956)': 'org/«../../../../../../../../»etc/passwd',
  'parents behind real directories': 'org/decoy/app/«..»/«..»/«..»/«..»/«..»/etc/passwd',
  'a parent at the end': 'org/decoy/app/1.0/«..»',
  'the directory itself': 'org/«.»/decoy/app/1.0/canary.jar',
  'slashes inside a name': 'org«/..»«/..»«/»infra«/»x.jar',
  backslashes: 'org«\\..\\..\\»windows«\\»win.ini',
  'a parameter (CVE-2024-6915)': 'org/a.jar«;»/«..»/«..»/b.jar',
  'a session parameter': 'org/a.jar«;»jsessionid=1',
  'a NUL': 'org/canary.jar«\0».txt',
  'a line break': 'org/canary.jar«\r\n»X-Injected: 1',
  'a tab': 'org/cana«\t»ry.jar',
  'a DEL': 'org/cana«\x7f»ry.jar',
  'a drive letter': 'C«:»/canary.jar',
  'an alternate stream': 'org/canary.jar«::»$DATA',
  'a pipe': 'org/canary.jar«|»id',
  'angle brackets': 'org/«<»script«>»canary.jar',
  'a star': 'org/«*».jar',
  'a quote': 'org/canary«"».jar',
  'a hidden directory (CVE-2024-5083)': '«.»nexus/attributes/canary',
  'a hidden file': 'org/«.»git/config',
  'an empty segment (CVE-2024-5082)': 'org«//»canary.jar',
  'an empty first segment': '«/»canary.jar',
}

/** Written in only one way each. */
const TARGETS: Readonly<Record<string, string>> = {
  'a query': '/repository/releases/org/canary.jar?x=../..',
  'a fragment': '/repository/releases/org/canary.jar#x',
  'a question mark, encoded': '/repository/releases/org/canary.jar%3fx',
  'a hash, encoded': '/repository/releases/org/canary.jar%23x',
  'a lone percent': '/repository/releases/org/canary%.jar',
  'half an escape': '/repository/releases/org/canary%2.jar',
  'no hex digits': '/repository/releases/org/canary%zz.jar',
  'a lone UTF-8 byte': '/repository/releases/org/canary%ff.jar',
  'half a letter': '/repository/releases/org/canary%c3.jar',
  'a surrogate': '/repository/releases/org/canary%ed%a0%80.jar',
  'a decomposed letter': '/repository/releases/org/canarye%cc%81.jar',
  'a turned direction': '/repository/releases/org/canary%e2%80%ae.jar',
  'a letter without width': '/repository/releases/org/can%e2%80%8bary.jar',
  'a line separator': '/repository/releases/org/can%e2%80%a8ary.jar',
  'a byte order mark': '/repository/releases/%ef%bb%bforg/canary.jar',
  'a space': '/repository/releases/org/cana ry.jar',
  'a raw letter of Latin-1': '/repository/releases/org/canary\xe9.jar',
  'a path of 1,025 bytes': `/repository/releases/${'abcdefg/'.repeat(127)}${'x'.repeat(9)}`,
  'a name of 256 bytes': `/repository/releases/org/${'x'.repeat(256)}`,
  'a name of 256 bytes in 128 letters': `/repository/releases/org/${'%c3%a9'.repeat(128)}`,
  'ten thousand directories': `/repository/releases${'/a'.repeat(7_000)}`,
  'a slash at the end (CVE-2026-42018)': '/repository/infra/canary.jar/',
  'a slash at the end, encoded': '/repository/infra/canary.jar%2f',
  'another repository behind a slash': '/repository/releases%2f..%2finfra/canary.jar',
  'another repository behind a parent': '/repository/releases/../infra/canary.jar',
  'another repository behind a parameter': '/repository/releases;/../infra/canary.jar',
  'no repository': '/repository//canary.jar',
  'the repository dot': '/repository/./canary.jar',
  'the repository parent': '/repository/../canary.jar',
  'a repository with an escape': '/repository/rele%61ses%00/canary.jar',
  'a prefix with an escape': '/%72epository/releases/canary.jar',
  'a prefix in capitals': '/REPOSITORY/releases/canary.jar',
  'a prefix behind a parent': '/x/../repository/releases/canary.jar',
  'a prefix behind two slashes': '//repository/releases/canary.jar',
  'a prefix behind a backslash': '\\repository\\releases\\canary.jar',
  'a URL of somewhere else': 'http://169.254.169.254/repository/releases/canary.jar',
  'a URL of a file': 'file:///etc/passwd',
}

let server: Server
let client: Client

beforeAll(async () => {
  server = await startServer()
  client = new Client(server)
  expect((await client.put(`releases/${DECOY}`, 'decoy')).status).toBe(201)
})

/** Nothing came of any attack: no file in any repository, none outside of the data directory, no crash. */
afterAll(async () => {
  for (const repository of ['releases', 'snapshots', 'infra', 'public']) {
    const isEmpty = repository === 'snapshots' || repository === 'infra'
    expect(await filesBelow(`${repository}/`)).toEqual(isEmpty ? [] : [`${repository}/${DECOY}`])
  }
  expect(readdirSync(dirname(server.data))).toEqual(['data'])
  client.close()
  await server.stop()
})

describe.each(Object.entries(ENCODINGS))('written %s', (_name, encode) => {
  it.each(Object.entries(CLASSES))('is refused: %s', async (_what, pattern) => {
    const written = pattern.replace(/«([^»]*)»/g, (_, text: string) =>
      [...text].map(encode).join(''),
    )
    await expectRefused(`/repository/releases/${written}`)
  })
})

describe('is refused', () => {
  it.each(Object.entries(TARGETS))('%s', async (_what, target) => {
    await expectRefused(target)
  })
})

describe('a name that only looks like a path', () => {
  it.each(['%EF%BC%8E%EF%BC%8E%EF%BC%8Fx', '..x', 'x..', '...x.', '~', '-', '%E2%88%95etc', 'CON'])(
    'is a name and nothing else, or refused: %s',
    async (name) => {
      const path = `releases/org/lookalike/${name}`
      const { status } = await client.put(path, CANARY)
      if (status === 201) {
        expect(await filesBelow('releases/org/lookalike/')).toHaveLength(1)
        expect((await client.delete(path)).status).toBe(204)
      } else {
        expect(status).toBe(400)
      }
    },
  )
})

/** Neither written nor read nor deleted: the server says no, and neither gives nor changes anything. */
async function expectRefused(target: string): Promise<void> {
  for (const method of ['PUT', 'GET', 'DELETE', 'HEAD']) {
    const wire = await Wire.connect(server.port)
    const length = method === 'PUT' ? [`Content-Length: ${CANARY.length}`] : []
    const request = head(`${method} ${target}`, 'Connection: close', ...length)
    await wire.write(Buffer.from(method === 'PUT' ? request + CANARY : request, 'latin1'))
    const answer = await wire.answer(method)
    const status = answer?.status ?? 0
    expect([method, target, status >= 400 && status < 500]).toEqual([method, target, true])
    expect(answer?.body.toString()).not.toMatch(/root:|decoy/)
    expect(answer?.headers).not.toHaveProperty('x-injected')
    wire.destroy()
  }
}

/** Every file of a repository, by following the links of its pages. */
async function filesBelow(directory: string): Promise<string[]> {
  const page = (await client.get(directory)).body.toString()
  const files: string[] = []
  for (const [, link = ''] of page.matchAll(/href="([^"]+)"/g)) {
    if (link === '../') continue
    if (link.endsWith('/')) files.push(...(await filesBelow(directory + link)))
    else files.push(directory + link)
  }
  return files
}

function percent(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`
}
