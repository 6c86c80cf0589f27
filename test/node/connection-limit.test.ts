import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))
const OPEN_FILES = 80

test('more connections than the process may have files do not keep an upload from its disk', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'aether-limit-'))
  const flags = `start --host 127.0.0.1 --port 0 --data '${join(directory, 'data')}'`
  const command = `ulimit -n ${OPEN_FILES}; exec '${process.execPath}' '${LAUNCHER}' ${flags}`
  const node = spawn('sh', ['-c', command], {
    cwd: directory,
    env: { PATH: process.env['PATH'], AETHER_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(node, 'exit')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const crowd: Socket[] = []
  try {
    const port = await new Promise<number>((resolve) => {
      node.stdout.on('data', (text) => {
        const match = /is up at \S+:(\d+)/.exec(String(text))
        if (match !== null) resolve(Number(match[1]))
      })
    })
    expect(await put(agent, port, 'first', 1)).toBe(201)
    for (let i = 0; i < 2 * OPEN_FILES; i++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      crowd.push(socket)
      await once(socket, 'connect')
    }
    expect(await put(agent, port, 'second', 1_000_000)).toBe(201)
  } finally {
    for (const socket of crowd) socket.destroy()
    agent.destroy()
    node.kill('SIGTERM')
    await exited
    rmSync(directory, { recursive: true, force: true })
  }
})

function put(agent: Agent, port: number, version: string, sizeBytes: number): Promise<number> {
  const path = `/repository/releases/com/acme/app/${version}/app-${version}.jar`
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, host: '127.0.0.1', path, method: 'PUT' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject).end(Buffer.alloc(sizeBytes))
  })
}
