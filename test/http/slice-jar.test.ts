import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromBufferPromise } from 'yauzl'
import { ZipFile } from 'yazl'
import { readSliceJar } from '../../src/slice/jar.disk.ts'
import { type Server, startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client, detailOf } from './client.ts'

const INFRA = fileURLToPath(new URL('../../lib/infra/', import.meta.url))
const MANIFEST = 'META-INF/MANIFEST.MF'
const MAIN = 'artifact-repo.mjs'
const JAR = 'artifact-repo-1.0.0.jar'

const directory = temporaryDirectory()
let jar: Buffer
let manifest: string
let module: string
let count = 0

beforeAll(async () => {
  const [name = ''] = readdirSync(INFRA).filter((file) => file.startsWith('artifact-repo-'))
  jar = readFileSync(join(INFRA, name))
  const entries = new Map<string, string>()
  const zip = await fromBufferPromise(jar)
  for await (const entry of zip.eachEntry()) {
    entries.set(entry.fileName, await text(await zip.openReadStreamPromise(entry)))
  }
  manifest = entries.get(MANIFEST) ?? ''
  module = entries.get(MAIN) ?? ''
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A directory with jars in place of the bundled ones. */
function infraOf(jars: Readonly<Record<string, Buffer>>): string {
  count += 1
  const infra = join(directory, `infra${count}`)
  mkdirSync(infra)
  for (const [name, bytes] of Object.entries(jars)) writeFileSync(join(infra, name), bytes)
  return infra
}

function jarOf(contents: Readonly<Record<string, string>>, compress = true): Promise<Buffer> {
  const zip = new ZipFile()
  for (const [path, text] of Object.entries(contents)) {
    zip.addBuffer(Buffer.from(text), path, { compress })
  }
  zip.end()
  return buffer(zip.outputStream)
}

/** The jar with another module. */
function withModule(change: (text: string) => string, compress = true): Promise<Buffer> {
  const changed = change(module)
  expect(changed).not.toBe(module)
  return jarOf({ [MANIFEST]: manifest, [MAIN]: changed }, compress)
}

function start(infra: string, data = `data${count}`): Promise<Server> {
  return startServer({ data: join(directory, data), env: { AETHER_INFRA: infra } })
}

describe('the artifact repository', () => {
  it('runs from its jar: what is changed there changes what the node does', async () => {
    const changed = await withModule((code) => code.replaceAll('A repository answers', 'ALTERED'))
    const server = await start(infraOf({ 'artifact-repo-9.0.0.jar': changed }))
    const client = new Client(server)
    const answer = await client.send('POST', '/repository/releases/')
    expect([answer.status, detailOf(answer)]).toEqual([405, 'ALTERED to GET, HEAD, PUT, DELETE.'])
    expect((await client.put('releases/org/jar/app/1/app-1.jar', 'x')).status).toBe(201)
    client.close()
    await server.terminate()
  })

  it('runs from the newest of several versions', async () => {
    const version = (name: string) =>
      withModule((code) => code.replaceAll('A repository answers', name))
    const infra = infraOf({
      'artifact-repo-9.9.0.jar': await version('NINE'),
      'artifact-repo-9.10.0.jar': await version('TEN'),
      'artifact-repo-9.10.0-rc.1.jar': await version('CANDIDATE'),
      'other-10.0.0.jar': Buffer.from('of no interest'),
    })
    const server = await start(infra)
    const client = new Client(server)
    expect(detailOf(await client.send('POST', '/repository/releases/'))).toMatch(/^TEN /)
    client.close()
    await server.terminate()
  })

  it('keeps its data when another version of it takes over', async () => {
    const path = 'releases/org/jar/app/1/app-1.jar'
    const first = await start(infraOf({ 'artifact-repo-9.0.0.jar': jar }), 'kept')
    const before = new Client(first)
    expect((await before.put(path, 'x')).status).toBe(201)
    before.close()
    await first.terminate()
    const changed = await withModule((code) => `${code}\n// another version`)
    const second = await start(infraOf({ 'artifact-repo-9.0.1.jar': changed }), 'kept')
    const after = new Client(second)
    expect((await after.get(path)).body.toString()).toBe('x')
    after.close()
    await second.terminate()
  })
})

describe('a jar that cannot be run', () => {
  const empty = 'Manifest-Version: 1.0\r\n\r\n'
  /** Over-writes what is at the first `needle`, where the bytes are not compressed. */
  const damaged = (bytes: Buffer, needle: string) => {
    const copy = Buffer.from(bytes)
    copy.write('X', copy.indexOf(needle))
    return copy
  }
  const overwritten = (bytes: Buffer) => {
    const middle = bytes.length >> 1
    return Buffer.from(bytes).fill(0xff, middle, middle + 64)
  }

  it.each<[string, () => Buffer | Promise<Buffer>, RegExp]>([
    ['is empty', () => Buffer.alloc(0), /End of central directory/i],
    ['is cut', () => jar.subarray(0, jar.length / 2), /End of central directory/i],
    ['is no zip', () => Buffer.from('<html>Not Found</html>'), /End of central directory/i],
    ['is overwritten in the middle', () => overwritten(jar), /./],
    [
      'has one wrong letter',
      async () => damaged(await jarOf({ [MANIFEST]: manifest, [MAIN]: module }, false), 'Maven'),
      /artifact-repo\.mjs is damaged/,
    ],
    ['is an ordinary jar', () => jarOf({ [MANIFEST]: empty }), /no Slice-Artifact/],
    ['lacks its module', () => jarOf({ [MANIFEST]: manifest }), /which the jar lacks/],
  ])('is refused when it is read: it %s', async (_what, make, reason) => {
    const infra = infraOf({ 'a.jar': await make() })
    const read = await readSliceJar(join(infra, 'a.jar'))
    expect(read).toMatchObject({ ok: false, error: { detail: expect.stringMatching(reason) } })
  })

  it.each<[string, () => Promise<Record<string, Buffer>>, RegExp]>([
    ['is missing', async () => ({}), /no artifact-repo-<version>\.jar/],
    ['is cut', async () => ({ [JAR]: jar.subarray(0, jar.length / 2) }), /artifact-repo-1\.0\.0/],
    [
      'exports no slice',
      async () => ({ [JAR]: await withModule(() => 'export const x = 1') }),
      /exports no 'slice'/,
    ],
    [
      'is no JavaScript',
      async () => ({ [JAR]: await withModule(() => 'no code') }),
      /artifact-repo\.mjs of .* cannot be loaded/,
    ],
  ])('ends the start with a reason: it %s', async (_what, make, reason) => {
    const message = await failureOf(infraOf(await make()))
    expect(message).toMatch(/exit 1\naether: /)
    expect(message).toMatch(reason)
    expect(message).toContain('npm run build')
    expect(message).not.toMatch(/^ +at /m)
  })
})

/** The message with which a start ends. */
async function failureOf(infra: string): Promise<string> {
  const outcome = await start(infra).catch((cause: Error) => cause)
  if (outcome instanceof Error) return outcome.message
  await outcome.kill()
  return 'it has started'
}
