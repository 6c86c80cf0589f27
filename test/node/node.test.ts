import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { readConfig } from '../../src/node/config.ts'
import { type AetherNode, openNode } from '../../src/node/node.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-node-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function open(name: string, port: number): Promise<AetherNode> {
  const config = readConfig({ data: join(directory, name), port }, {})
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
  expect(first.freshToken).toMatch(/^aether_/)
  await first.close()

  const second = await open('taken', 0)
  expect(second.freshToken).toBeUndefined()
  const status = (token: string | undefined) =>
    fetch(`${second.url}/health/live`, { headers: { authorization: `Bearer ${token}` } })
  expect((await status(first.freshToken)).status).toBe(200)
  expect((await status('aether_other')).status).toBe(401)
  await second.close()
})
