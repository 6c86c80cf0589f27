import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { cleanEnvironment } from '../fixture/environment.ts'
import { temporaryDirectory } from '../fixture/server.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))

test('a node whose log nobody reads any more ends as it should', async () => {
  const directory = temporaryDirectory()
  const flags = ['--data', join(directory, 'data'), '--port', '0', '--json']
  const child = spawn(process.execPath, [LAUNCHER, 'start', ...flags], {
    cwd: directory,
    env: cleanEnvironment(),
  })
  let said = ''
  child.stderr.on('data', (bytes) => {
    said += bytes
  })
  const early = once(child, 'exit').then(([code, signal]) => `${signal ?? code}: ${said}`)
  expect(await Promise.race([once(child.stdout, 'data').then(() => 'up'), early])).toBe('up')
  child.stderr.destroy()
  child.kill('SIGTERM')
  const tooLate = setTimeout(() => child.kill('SIGKILL'), 20_000)
  expect(await once(child, 'exit')).toEqual([0, null])
  clearTimeout(tooLate)
})
