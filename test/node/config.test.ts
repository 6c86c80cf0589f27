import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readConfig } from '../../src/node/config.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

function fileWith(toml: string): string {
  const path = join(directory, 'test.toml')
  writeFileSync(path, toml)
  return path
}

test('without any setting it is a loopback repository with the four usual repositories', () => {
  const config = readConfig({}, {})
  expect(config).toMatchObject({
    ok: true,
    value: { host: '127.0.0.1', port: 8080, requestLog: true, anonymousRead: false },
  })
  expect(config.ok && Object.keys(config.value.repositories)).toEqual([
    'releases',
    'snapshots',
    'public',
    'infra',
  ])
})

test('a variable overrides the file, and a flag overrides the variable', () => {
  const config = fileWith('port = 1\nhost = "127.0.0.2"\nlog_level = "warn"')
  const env = { AETHER_PORT: '2', AETHER_HOST: '127.0.0.3' }
  expect(readConfig({ config, port: 3 }, env)).toMatchObject({
    value: { port: 3, host: '127.0.0.3', logLevel: 'warn' },
  })
})

test('a repository of the file joins the usual ones', () => {
  const config = fileWith(
    '[repositories.third-party]\ntype = "hosted"\nversions = "any"\nadmin_only = true\n[repositories.all]\ntype = "group"\nmembers = ["releases", "third-party"]',
  )
  expect(readConfig({ config }, {})).toMatchObject({
    value: {
      repositories: {
        releases: { versions: 'release' },
        'third-party': { versions: 'any', adminOnly: true },
        all: { members: ['releases', 'third-party'] },
      },
    },
  })
})

test.each([
  ['prot = 1', 'unknown key prot; settings are data, host, port'],
  ['port = 70000', 'port: '],
  ['port = "many"', 'port: must be a whole number from 0 to 65535'],
  ['request_log = "maybe"', 'request_log: must be true or false'],
  ['port = ', 'test.toml'],
  ['log_level = "loud"', 'log_level: '],
  ['[repositories.x]\ntype = "hosted"', 'repositories.x.versions: '],
  ['[repositories.x]\ntype = "group"\nmembers = ["nowhere"]', 'hosted are releases, snapshots'],
  ['[repositories."Up/../"]\ntype = "hosted"\nversions = "any"', 'lowercase letters'],
  ['tls_key = "k.pem"', 'tls_certificate and tls_key go together'],
])('%j is refused with what is wrong', (toml, detail) => {
  expect(readConfig({ config: fileWith(toml) }, {})).toMatchObject({
    error: { kind: 'bad-config', detail: expect.stringContaining(detail) },
  })
})

test.each([{ AETHER_PORT: '' }, { AETHER_PORT: '0x50' }, { AETHER_CACHE_BYTES_MAX: ' ' }])(
  '%j is refused and not taken for a number',
  (env) => {
    expect(readConfig({}, env)).toMatchObject({ error: { kind: 'bad-config' } })
  },
)

test('numbers and lists of names may come from variables', () => {
  const env = {
    AETHER_PORT: '0',
    AETHER_UPLOAD_BYTES_MAX: '1',
    AETHER_HOSTS: 'a.example, b.example',
  }
  expect(readConfig({}, env)).toMatchObject({
    value: { port: 0, uploadBytesMax: 1, hosts: ['a.example', 'b.example'] },
  })
})

test('an unknown variable and a missing file are refused by name', () => {
  expect(readConfig({}, { AETHER_PROT: '1' })).toMatchObject({
    error: { detail: expect.stringContaining('AETHER_PROT') },
  })
  expect(readConfig({ config: '/nowhere/a.toml' }, {})).toMatchObject({
    error: { detail: expect.stringContaining('/nowhere/a.toml does not exist') },
  })
})

test('the variables of the client commands are not settings', () => {
  expect(readConfig({}, { AETHER_TOKEN: 'secret', AETHER_SERVER: 'http://x' }).ok).toBe(true)
})
