import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import type { RequestId } from '../../src/base/ids.ts'
import { readConfig } from '../../src/node/config.ts'
import { type AetherNode, openNode } from '../../src/node/node.ts'
import { localDisk } from '../../src/storage/disk.ts'
import { openLevelStore } from '../../src/storage/level.disk.ts'
import { openStorage } from '../../src/storage/storage.disk.ts'
import { encodeTransition } from '../cluster/control/engine-state.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-node-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function open(name: string, port: number, host = '127.0.0.1'): Promise<AetherNode> {
  const config = readConfig({ data: join(directory, name), port, host }, {})
  if (!config.ok) throw new Error(config.error.detail)
  return openNode({ config: config.value, logger: pino({ level: 'silent' }) })
}

test('a start that finds its port taken does not use up the administrator token', async () => {
  const other = createServer()
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port))
  })
  await expect(open('taken', port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  other.close()

  const first = await open('taken', 0)
  const { freshToken } = await first.ready
  expect(freshToken).toMatch(/^aether_/)
  await first.close()

  const second = await open('taken', 0)
  expect((await second.ready).freshToken).toBeUndefined()
  const status = (token: string | undefined) =>
    fetch(`${second.url}/health/live`, { headers: { authorization: `Bearer ${token}` } })
  expect((await status(freshToken)).status).toBe(200)
  expect((await status('aether_other')).status).toBe(401)
  await second.close()
})

test('a data directory from before there was a log keeps its token', async () => {
  const data = join(directory, 'old')
  mkdirSync(data)
  const storage = await openStorage({
    disk: localDisk,
    directory: data,
    openStore: openLevelStore,
  })
  const sha256 = createHash('sha256').update('aether_old').digest('hex')
  const value = JSON.stringify({ format: 1, sha256 })
  const changes = [{ key: 'tokens/admin', value, revision: 1 }]
  const requestId = 'old' as RequestId
  await storage.engine.commit(encodeTransition({ revision: 1, requestId, changes }))
  await storage.close()
  for (const _ of ['first start', 'second start']) {
    const node = await open('old', 0)
    expect((await node.ready).freshToken).toBeUndefined()
    const statusOf = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` }
      return (await fetch(`${node.url}/api/v1/control/user/k`, { headers })).status
    }
    expect(await statusOf('aether_old')).toBe(404)
    expect(await statusOf('aether_other')).toBe(401)
    await node.close()
  }
})

test('off loopback only the health probes are answered without a token, and a reachable address is shown', async () => {
  const node = await open('everywhere', 0, '0.0.0.0')
  const { freshToken } = await node.ready
  const { hostname: shown, port } = new URL(node.url)
  expect(shown).toBe(hostname().toLowerCase())
  const statusOf = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status
  for (const path of ['/metrics', '/api/v1/status', '/', '/unknown', '/healthy']) {
    expect(await statusOf(path)).toBe(401)
  }
  expect(await statusOf('/metrics', { authorization: `Bearer ${freshToken}` })).toBe(200)
  expect(await statusOf('/health/live')).toBe(200)
  expect(await statusOf('/health/ready')).toBe(200)
  await node.close()
})

test('a repository without its slash leads to the listing, whose links are relative', async () => {
  const node = await open('listing', 0)
  await node.ready
  const answer = await fetch(`${node.url}/repository/releases`)
  expect(answer.status).toBe(200)
  expect(answer.url).toBe(`${node.url}/repository/releases/`)
  await node.close()
})
