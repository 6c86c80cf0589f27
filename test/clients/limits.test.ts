import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client, detailOf, head, hex, noise, Wire } from '../http/client.ts'

const MiB = 1_024 * 1_024

/** A repeated piece of noise: a gigabyte of it costs the sender nothing. */
const PIECE = noise(MiB, 'piece')

const directory = temporaryDirectory()

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('memory', () => {
  const GIGABYTE = 1_024 * MiB
  /** Of the whole process, after a gigabyte in and out. An idle node has some 100 MB. */
  const RESIDENT_MAX = 300 * MiB
  const target = '/repository/releases/org/large/app/1.0/app-1.0.zip'

  it.skipIf(process.platform !== 'linux')(
    'does not grow with the size of an artifact: a gigabyte in and out',
    async () => {
      const server = await startServer({ env: { AETHER_REQUEST_LOG: 'false' } })
      expect(await upload(server, target, GIGABYTE)).toBe(201)
      const peakAfterPut = peakResident(server)
      const sha256 = createHash('sha256')
      for (let sent = 0; sent < GIGABYTE; sent += MiB) sha256.update(PIECE)
      const received = await download(server, target)
      expect(received).toEqual({ sizeBytes: GIGABYTE, sha256: sha256.digest('hex') })
      const peak = peakResident(server)
      console.log(
        `peak memory: ${Math.round(peakAfterPut / MiB)} MiB after the PUT, ${Math.round(peak / MiB)} MiB after the GET`,
      )
      expect(peak).toBeLessThan(RESIDENT_MAX)
      await server.stop()
    },
  )
})

describe('a cut upload', () => {
  const jar = 'releases/org/cut/app/1.0/app-1.0.jar'
  /** What a few records and log files take. */
  const SLACK = 2 * MiB
  const SENT = 60 * MiB
  const data = join(directory, 'cut')
  let server: Server
  let sizeBefore: number

  beforeAll(async () => {
    server = await startServer({ data })
    const client = new Client(server)
    await client.put('releases/org/cut/app/0.9/app-0.9.jar', noise(100_000, 'kept'))
    client.close()
    sizeBefore = sizeOf(server.data)
  })

  afterAll(async () => {
    await server.kill()
  })

  async function cut(lines: readonly string[], framing: 'plain' | 'chunked'): Promise<Wire> {
    const wire = await Wire.connect(server.port)
    await wire.write(head(`PUT /repository/${jar}`, ...lines))
    for (let sent = 0; sent < SENT; sent += MiB) {
      if (framing === 'chunked') await wire.write(`${MiB.toString(16)}\r\n`)
      await wire.write(PIECE)
      if (framing === 'chunked') await wire.write('\r\n')
    }
    await expect.poll(() => sizeOf(server.data), { timeout: 20_000 }).toBeGreaterThan(SENT / 2)
    return wire
  }

  async function expectNothingLeft(): Promise<void> {
    const client = new Client(server)
    expect((await client.get(jar)).status).toBe(404)
    expect((await client.get(`${jar}.sha1`)).status).toBe(404)
    expect((await client.get('releases/org/cut/app/1.0/')).status).toBe(404)
    await expect
      .poll(() => sizeOf(server.data), { timeout: 20_000 })
      .toBeLessThan(sizeBefore + SLACK)
    expect((await client.get('releases/org/cut/app/0.9/app-0.9.jar')).status).toBe(200)
    client.close()
  }

  it.each(['plain', 'chunked'] as const)(
    'by a client that leaves gives its bytes back (%s)',
    async (framing) => {
      const line =
        framing === 'plain' ? `Content-Length: ${100 * MiB}` : 'Transfer-Encoding: chunked'
      const wire = await cut([line], framing)
      wire.destroy()
      await expectNothingLeft()
    },
  )

  it('by a kill of the node gives its bytes back after the restart', async () => {
    const wire = await cut([`Content-Length: ${100 * MiB}`], 'plain')
    await server.kill()
    wire.destroy()
    server = await startServer({ data })
    await expectNothingLeft()
  })
})

describe('a full disk', () => {
  const volume = join(directory, 'volume')
  const mounted = mountSmall(volume, '96m')
  const filler = join(volume, 'filler')

  afterAll(() => {
    if (mounted) execFileSync('umount', [volume])
  })

  it.skipIf(!mounted)(
    'is answered with 507, loses nothing, and is over when there is space again',
    async () => {
      writeFileSync(filler, Buffer.alloc(40 * MiB))
      const data = join(volume, 'data')
      let server = await startServer({ data })
      let client = new Client(server)
      const kept = new Map<string, Buffer>()
      const refused: string[] = []
      const fill = async (sizeBytes: number, name: string) => {
        for (let count = 0; count < 2_000; count++) {
          const path = `releases/org/full/app/1.0/app-1.0-${name}${count}.jar`
          const bytes = noise(sizeBytes, path)
          const answer = await client.put(path, bytes)
          if (answer.status === 201) {
            kept.set(path, bytes)
            continue
          }
          expect([answer.status, answer.reason]).toEqual([507, 'Disk full'])
          expect(detailOf(answer)).toContain('nothing was stored')
          refused.push(path)
          return
        }
        throw new Error('the disk does not get full')
      }
      const expectAllKept = async () => {
        for (const [path, bytes] of kept) {
          const { status, body } = await client.get(path)
          expect([path, status, body.equals(bytes)]).toEqual([path, 200, true])
          expect((await client.get(`${path}.md5`)).body.toString()).toBe(hex('md5', bytes))
        }
        for (const path of refused) expect((await client.get(path)).status).toBe(404)
      }
      await fill(5 * MiB, 'large')
      await fill(300_000, 'medium')
      await fill(30_000, 'small')
      expect(kept.size).toBeGreaterThan(5)
      await expectAllKept()
      client.close()
      await server.kill()

      server = await startServer({ data })
      client = new Client(server)
      await expectAllKept()
      expect((await client.send('GET', '/health/live')).status).toBe(200)

      rmSync(filler)
      for (const path of refused) {
        const bytes = noise(200_000, path)
        expect((await client.put(path, bytes)).status).toBe(201)
        kept.set(path, bytes)
      }
      refused.length = 0
      await expectAllKept()
      client.close()
      await server.stop()
    },
  )
})

/** False, with the reason printed, where this user may not mount; a failure where nothing may be skipped. */
function mountSmall(volume: string, size: string): boolean {
  mkdirSync(volume)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', volume], { stdio: 'pipe' })
    return true
  } catch (cause) {
    if (process.env['AETHER_REQUIRE_CLIENTS'] === '1') throw cause
    console.log(`skipped: a full disk needs a small file system, and ${(cause as Error).message}`)
    return false
  }
}

/** Streams `sizeBytes` and gives the status. */
function upload(server: Server, path: string, sizeBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { port: server.port, method: 'PUT', path }
    const put = request({ ...options, headers: { 'Content-Length': sizeBytes } }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    put.on('error', reject)
    let sent = 0
    const send = () => {
      while (sent < sizeBytes) {
        sent += PIECE.length
        if (!put.write(PIECE)) {
          put.once('drain', send)
          return
        }
      }
      put.end()
    }
    send()
  })
}

function download(server: Server, path: string): Promise<{ sizeBytes: number; sha256: string }> {
  return new Promise((resolve, reject) => {
    const get = request({ port: server.port, path }, (response) => {
      const sha256 = createHash('sha256')
      let sizeBytes = 0
      response.on('data', (piece: Buffer) => {
        sizeBytes += piece.length
        sha256.update(piece)
      })
      response.on('error', reject)
      response.on('end', () => resolve({ sizeBytes, sha256: sha256.digest('hex') }))
    })
    get.on('error', reject)
    get.end()
  })
}

/** The most memory that the process has ever had resident, in bytes. */
function peakResident(server: Server): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1_024
}

/** Bytes of all files below a directory; one that vanishes meanwhile counts nothing. */
function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size)
    .reduce<number>((sum, size) => sum + (size ?? 0), 0)
}
