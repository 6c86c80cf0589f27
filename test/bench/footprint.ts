import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAether } from './aether.ts'
import type { Server } from './server.ts'

const MiB = 1_024 * 1_024

/** What one node takes, held against a fixed limit. */
export type Footprint = {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** The value must stay below. */
  readonly limit: number
  readonly value: number
}

export type FootprintOptions = {
  readonly starts: number
  readonly clients: number
  readonly bytesPerClient: number
  /** For the node. */
  readonly nodeFlags: readonly string[]
}

/** After this long without a request the memory of the start has settled. */
const IDLE_MS = 3_000

/** Time from exec to the first ready answer, the median of several starts; and memory after doing nothing for a while. */
export async function measureStart(
  scratchRoot: string,
  { starts, nodeFlags }: FootprintOptions,
): Promise<readonly Footprint[]> {
  const directory = await mkdtemp(join(scratchRoot, 'start-'))
  const times: number[] = []
  let idleBytes = 0
  try {
    for (let count = 0; count < starts; count++) {
      const begunMs = performance.now()
      const server = await startAether({ directory, requestLog: true, nodeFlags })
      times.push(performance.now() - begunMs)
      if (count === 0) {
        await sleep(IDLE_MS)
        idleBytes = server.process.residentBytes()
      }
      await server.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
  return [
    { name: 'ready', title: 'Ready after', unit: 'ms', limit: 1_000, value: median },
    { name: 'idle', title: 'Memory when idle', unit: 'MB', limit: 120, value: idleBytes / 1e6 },
  ]
}

/** The most memory while many clients at once upload a large file each, and then while they download them. */
export async function measureStreams(
  scratchRoot: string,
  options: FootprintOptions,
): Promise<readonly Footprint[]> {
  const directory = await mkdtemp(join(scratchRoot, 'stream-'))
  mkdirSync(directory, { recursive: true })
  // 20 MiB hold none of the files.
  const { nodeFlags } = options
  const cacheBytesMax = 20 * MiB
  const server = await startAether({ directory, requestLog: false, cacheBytesMax, nodeFlags })
  const agent = new Agent({ keepAlive: true, maxSockets: options.clients })
  const what = `${options.clients} clients × ${options.bytesPerClient / 1e6} MB`
  try {
    const piece = randomBytes(MiB)
    const peakOf = async (work: typeof upload): Promise<number> => {
      server.process.resetResidentPeak()
      const clients = Array.from({ length: options.clients }, (_, client) =>
        work({ server, agent, piece, client, sizeBytes: options.bytesPerClient }),
      )
      await Promise.all(clients)
      return server.process.residentPeakBytes() / 1e6
    }
    const limit = 350
    const uploading = await peakOf(upload)
    const downloading = await peakOf(download)
    return [
      { name: 'stream-put', title: `Memory, ${what} up`, unit: 'MB', limit, value: uploading },
      { name: 'stream-get', title: `Memory, ${what} down`, unit: 'MB', limit, value: downloading },
    ]
  } finally {
    agent.destroy()
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

type Stream = {
  readonly server: Server
  readonly agent: Agent
  readonly piece: Buffer
  readonly client: number
  readonly sizeBytes: number
}

/** The file of a client is its number in 8 bytes, followed by the common piece, so that no two files are equal. */
function upload({ server, agent, piece, client, sizeBytes }: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(urlOf(server, client), {
      agent,
      method: 'PUT',
      headers: { 'Content-Length': sizeBytes },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      response.resume()
      if (response.statusCode === 201) response.on('end', resolve)
      else reject(new Error(`an upload was answered with ${response.statusCode}`))
    })
    let sent = 0
    const send = () => {
      while (sent < sizeBytes) {
        const next = pieceAt(piece, client, sent, sizeBytes)
        sent += next.length
        if (!outgoing.write(next)) {
          outgoing.once('drain', send)
          return
        }
      }
      outgoing.end()
    }
    send()
  })
}

function download({ server, agent, piece, client, sizeBytes }: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(urlOf(server, client), { agent }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`a download was answered with ${response.statusCode}`))
      }
      let received = 0
      response.on('data', (chunk: Buffer) => {
        for (let at = 0; at < chunk.length; ) {
          const expected = pieceAt(piece, client, received + at, sizeBytes)
          const length = Math.min(expected.length, chunk.length - at)
          if (expected.compare(chunk, at, at + length, 0, length) !== 0) {
            response.destroy(new Error(`client ${client} got wrong bytes near ${received + at}`))
            return
          }
          at += length
        }
        received += chunk.length
      })
      response.on('error', reject)
      response.on('end', () => {
        if (received === sizeBytes) resolve()
        else reject(new Error(`client ${client} got ${received} of ${sizeBytes} bytes`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** The bytes of a file from `at` to the end of their piece. */
function pieceAt(piece: Buffer, client: number, at: number, sizeBytes: number): Buffer {
  if (at < 8) {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(client, 4)
    return head.subarray(at)
  }
  const within = (at - 8) % piece.length
  return piece.subarray(within, within + Math.min(piece.length - within, sizeBytes - at))
}

function urlOf(server: Server, client: number): string {
  const name = `stream${client}`
  return `${server.origin}/repository/releases/bench/${name}/1.0/${name}-1.0.jar`
}
