import { readdir, truncate } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PinnedProcess } from './process.ts'

/** One of the two servers under measurement. Both answer to the same paths. */
export type Server = {
  readonly name: 'aether' | 'nginx'
  /** Without a slash at the end. */
  readonly origin: string
  readonly process: PinnedProcess
  /** Takes the contents of large files away that were stored below `path`: see `emptyFiles`. They cannot be read again. */
  discard(path: string): Promise<void>
  stop(): Promise<void>
}

const READY_MS = 10_000
const POLL_MS = 5

/** Resolves when a GET of `url` is answered 2xx. Rejects when the program ends or takes too long. */
export async function untilReady(url: string, program: PinnedProcess): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    program.assertAlive()
    const status = await send('GET', url).then(
      (answer) => answer.status,
      () => 0,
    )
    if (status >= 200 && status < 300) return
    if (performance.now() > deadline)
      throw new Error(`${url} is not ready, the last answer ${status}`)
    await sleep(POLL_MS)
  }
}

/** Stores bytes under a path; throws unless the server took them. */
export async function store(server: Server, path: string, bytes: Uint8Array): Promise<void> {
  const { status } = await send('PUT', server.origin + path, bytes)
  if (status < 200 || status > 299)
    throw new Error(`${server.name} answered PUT ${path} with ${status}`)
}

/** Throws unless the server gives back exactly these bytes: a fast wrong answer must not count. */
export async function verify(server: Server, path: string, bytes: Uint8Array): Promise<void> {
  const got = await fetchBytes(server, path)
  if (!got.equals(bytes))
    throw new Error(`${server.name} gave other bytes for ${path} than were stored`)
}

export async function fetchBytes(server: Server, path: string): Promise<Buffer> {
  const { status, body } = await send('GET', server.origin + path)
  if (status !== 200) throw new Error(`${server.name} answered GET ${path} with ${status}`)
  return body
}

/**
 * Truncates all files below a directory, so that the next run finds the page cache and the disk's queue as this one did.
 * The files stay: ext4 searches long for an inode after many were deleted.
 */
export async function emptyFiles(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    await truncate(join(entry.parentPath, entry.name)).catch((cause: NodeJS.ErrnoException) => {
      // An upload that the end of the run cut off has been cleaned away.
      if (cause.code !== 'ENOENT') throw cause
    })
  }
}

function send(
  method: string,
  url: string,
  bytes?: Uint8Array,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = bytes === undefined ? {} : { 'Content-Length': bytes.length }
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
      )
    })
    outgoing.on('error', reject)
    outgoing.end(bytes)
  })
}
