import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { startNode } from '../../src/node/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-start-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const file = join(directory, 'file')
writeFileSync(file, 'neither a directory nor a certificate')

test.each([
  ['a file as data directory', { data: file }, {}, /file[\s\S]*--data/],
  ['an address of another machine', { host: '203.0.113.9' }, {}, /203\.0\.113\.9[\s\S]*--host/],
  [
    'no certificate',
    {},
    { AETHER_TLS_CERTIFICATE: '/no.pem', AETHER_TLS_KEY: file },
    /tls_certificate \/no\.pem/,
  ],
  ['no key', {}, { AETHER_TLS_CERTIFICATE: file, AETHER_TLS_KEY: file }, /tls_key .*[\s\S]*PEM/],
])('with %s it does not start, and says what to change', async (_, flags, variables, told) => {
  const stderr = new PassThrough()
  const { stopped } = await startNode({
    flags: { data: join(directory, 'data'), port: 0, ...flags },
    env: { AETHER_LOG_LEVEL: 'error', ...variables },
    stdout: new PassThrough(),
    stderr,
    json: false,
  })
  expect(await stopped).toBe(1)
  stderr.end()
  expect(await text(stderr)).toMatch(told)
})
