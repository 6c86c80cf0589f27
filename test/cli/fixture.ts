import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach } from 'vitest'
import { ZipFile } from 'yazl'
import { runCli } from '../../src/cli/program.ts'
import type { Surroundings } from '../../src/cli/session.ts'

/** One request as it arrived. `bodyBytes` counts what came over the wire, refused or not. */
type Recorded = {
  readonly line: string
  readonly headers: IncomingMessage['headers']
  body: Buffer
}

/** Answers a request in place of the repository; `undefined` leaves it to the repository. */
export type Interception = (
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
) => boolean | undefined

export type TestServer = {
  readonly url: string
  readonly requests: Recorded[]
  /** The stored files by path, such as `/repository/releases/g/a/1/a-1.jar`. */
  readonly files: Map<string, Buffer>
  /** The requests as `PUT a-1.jar`, without the directories. */
  summary(): string[]
}

const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** A directory that is removed after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'aether-cli-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/**
 * An HTTP server that stores what is put and gives it back with `X-Checksum-SHA256`. `intercept` sees each request
 * first, before 100-continue is answered, with the number of requests to the same URL before it.
 */
export async function startServer(intercept: Interception = () => undefined): Promise<TestServer> {
  const requests: Recorded[] = []
  const files = new Map<string, Buffer>()
  const counts = new Map<string, number>()
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request
    const recorded = { line: `${method} ${url}`, headers, body: Buffer.alloc(0) }
    requests.push(recorded)
    const count = counts.get(recorded.line) ?? 0
    counts.set(recorded.line, count + 1)
    request.on('data', (chunk: Buffer) => {
      recorded.body = Buffer.concat([recorded.body, chunk])
    })
    if (intercept(request, response, count)) return
    if (headers.expect !== undefined) response.writeContinue()
    request.on('end', () => serve(files, recorded, response))
  }
  const server = createServer(answer).on('checkContinue', answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const summary = () =>
    requests.map(({ line }) => line.replace(/ .*\/([^/]+)$/, (_all, name: string) => ` ${name}`))
  return { url: `http://127.0.0.1:${port}`, requests, files, summary }
}

function serve(files: Map<string, Buffer>, recorded: Recorded, response: ServerResponse): void {
  const [method, path = ''] = recorded.line.split(' ')
  if (method === 'PUT') {
    files.set(path, recorded.body)
    response.writeHead(201).end()
    return
  }
  const file = files.get(path)
  if (file === undefined) {
    problem(response, 404, 'Not Found', `${path} does not exist`)
    return
  }
  const digest = createHash('sha256').update(file).digest('hex')
  response.writeHead(200, { 'content-length': file.length, 'x-checksum-sha256': digest })
  response.end(method === 'HEAD' ? undefined : file)
}

/** Answers as the server refuses: RFC 9457, and the title as the reason phrase. */
export function problem(
  response: ServerResponse,
  status: number,
  title: string,
  detail: string,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, title, { 'content-type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ type: 'about:blank', status, title, detail }))
  return true
}

export type Ran = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

export type RunOptions = {
  readonly cwd?: string
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
  readonly startNode?: Surroundings['startNode']
}

/** Runs a command line in this process. */
export async function aether(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [stdout, stderr] = [collector(), collector()]
  const exitCode = await runCli(args, {
    stdout: stdout.stream,
    stderr: Object.assign(stderr.stream, { isTTY: options.isTTY === true }),
    env: options.env ?? {},
    cwd: options.cwd ?? tmpdir(),
    startNode: options.startNode ?? (() => Promise.reject(new Error('no node in this test'))),
  })
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() }
}

function collector(): { stream: Writable; text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString() }
}

/** Writes a jar of `entries` (path → content) and gives its path. */
export async function writeJar(
  directory: string,
  name: string,
  entries: Readonly<Record<string, string | Buffer>>,
): Promise<string> {
  const zip = new ZipFile()
  for (const [path, content] of Object.entries(entries)) zip.addBuffer(Buffer.from(content), path)
  zip.end()
  await pipeline(zip.outputStream, createWriteStream(join(directory, name)))
  return join(directory, name)
}

/** A jar as Maven builds it for `org.acme:app:1.0`. */
export function appJar(): Promise<string> {
  return writeJar(temporaryDirectory(), 'app-1.0.jar', descriptor('org.acme', 'app', '1.0'))
}

/** The two files that Maven leaves in a jar. */
export function descriptor(
  groupId: string,
  artifactId: string,
  version: string,
): Record<string, string> {
  const directory = `META-INF/maven/${groupId}/${artifactId}`
  return {
    [`${directory}/pom.properties`]: `#Generated by Maven\nversion=${version}\ngroupId=${groupId}\nartifactId=${artifactId}\n`,
    [`${directory}/pom.xml`]: pomOf(groupId, artifactId, version),
  }
}

export function pomOf(groupId: string, artifactId: string, version: string): string {
  return `<project><modelVersion>4.0.0</modelVersion><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version></project>`
}
