import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type Server, startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client, head, noise, Wire } from '../http/client.ts'

const MiB = 1_024 * 1_024
const JAR = 'releases/org/process/app/1.0/app-1.0.jar'

const directory = temporaryDirectory()
const started: Server[] = []

afterEach(async () => {
  for (const server of started.splice(0)) await server.kill()
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

let count = 0
async function start(data?: string): Promise<Server> {
  count += 1
  const server = await startServer({ data: data ?? join(directory, `data${count}`) })
  started.push(server)
  return server
}

describe('SIGTERM', () => {
  it('lets an upload in flight end, takes no new connection, and exits with 0', async () => {
    const server = await start()
    const wire = await Wire.connect(server.port)
    const idle = await Wire.connect(server.port)
    const bytes = noise(2 * MiB, 'upload')
    await wire.write(head(`PUT /repository/${JAR}`, `Content-Length: ${bytes.length}`))
    await wire.write(bytes.subarray(0, MiB))
    const ending = server.terminate()
    await expect.poll(() => accepts(server.port)).toBe(false)
    expect(await idle.rest()).toBe('')
    await wire.write(bytes.subarray(MiB))
    expect((await wire.answer())?.status).toBe(201)
    expect(await wire.rest()).toBe('')
    expect(await ending).toEqual({ code: 0, signal: null })

    const again = await start(server.data)
    const client = new Client(again)
    expect((await client.get(JAR)).body.equals(bytes)).toBe(true)
    client.close()
  })

  it('lets a download in flight end', async () => {
    const server = await start()
    const client = new Client(server)
    const bytes = noise(40 * MiB, 'download')
    expect((await client.put(JAR, bytes)).status).toBe(201)
    client.close()
    const get = request({ port: server.port, path: `/repository/${JAR}` }).end()
    const [response] = (await once(get, 'response')) as [IncomingMessage]
    // Nobody reads yet: what the system has not taken is still in the hands of the server when it is told to stop.
    const ending = server.terminate()
    await expect.poll(() => accepts(server.port)).toBe(false)
    const body = await buffer(response)
    expect(body.equals(bytes)).toBe(true)
    expect(await ending).toEqual({ code: 0, signal: null })
  })

  it('ends an idle node at once, whatever its clients have left open or cut', async () => {
    const server = await start()
    const idle = await Promise.all(Array.from({ length: 20 }, () => Wire.connect(server.port)))
    const cut = await Wire.connect(server.port)
    await cut.write(head(`PUT /repository/${JAR}`, 'Content-Length: 1000', 'Expect: 100-continue'))
    expect((await cut.answer())?.status).toBe(100)
    cut.destroy()
    await expect.poll(() => server.output.stderr).toContain('"method":"PUT"')
    const startMs = performance.now()
    expect(await server.terminate()).toEqual({ code: 0, signal: null })
    expect(performance.now() - startMs).toBeLessThan(3_000)
    for (const wire of idle) expect(await wire.rest()).toBe('')
  })
})

describe('a data directory', () => {
  it('is used by one process: a second one says so and ends, and the first goes on', async () => {
    const server = await start()
    const second = startServer({ data: server.data })
    await expect(second).rejects.toThrow(/exit 1\n/)
    const message = await second.catch((cause: Error) => cause.message)
    expect(message).toContain(server.data)
    expect(message).toMatch(/another process|in use/)
    expect(message).not.toMatch(/^ +at /m)
    const client = new Client(server)
    expect((await client.put(JAR, 'still here')).status).toBe(201)
    client.close()
    await server.kill()
    const after = await start(server.data)
    const reader = new Client(after)
    expect((await reader.get(JAR)).body.toString()).toBe('still here')
    reader.close()
  })

  it('that cannot be made is refused in words', async () => {
    const data = join(directory, 'none', 'there')
    writeFileSync(join(directory, 'none'), 'a file')
    await expect(startServer({ data })).rejects.toThrow(/exit 1\n[\s\S]*none/)
  })
})

describe('a port', () => {
  it('that is taken is refused in words', async () => {
    const server = await start()
    const second = startServer({ port: server.port })
    await expect(second).rejects.toThrow(/exit 1\n[\s\S]*--port/)
  })
})

describe('a setting', () => {
  it('that does not exist is refused with what exists', async () => {
    await expect(startServer({ env: { AETHER_PROT: '1' } })).rejects.toThrow(
      /exit 2\n[\s\S]*AETHER_PROT[\s\S]*port/,
    )
  })
})

/** Whether the port takes connections. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
