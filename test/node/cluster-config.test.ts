import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readConfig } from '../../src/node/config.ts'

const directory = mkdtempSync(join(tmpdir(), 'aether-cluster-config-'))
afterAll(() => rmSync(directory, { recursive: true }))
const secret = 's'.repeat(32)
writeFileSync(join(directory, 'good.secret'), `${secret} \r\n`)
writeFileSync(join(directory, 'short.secret'), `${'s'.repeat(31)}${' '.repeat(40)}\n`)

const PEERS = '[cluster.peers]\nn1 = "10.0.0.1:8090"\nn2 = "[fd00::2]:8090"\nn3 = "host-3:8090"'

/** The configuration with `[cluster]` of these lines and of these peers. */
function read(lines: readonly string[], peers = PEERS) {
  const path = join(directory, 'test.toml')
  writeFileSync(path, ['[cluster]', ...lines, peers].join('\n'))
  return readConfig({ config: path }, {})
}

const FOUNDER = ['id = "n1"', 'secret_file = "good.secret"']

test('without the section a node is alone', () => {
  expect(readConfig({}, {})).toMatchObject({ ok: true, value: { cluster: undefined } })
})

test('a founder listens where its peers reach it, unless told otherwise', () => {
  const config = read(FOUNDER)
  expect(config).toMatchObject({
    ok: true,
    value: {
      cluster: {
        name: 'aether',
        id: 'n1',
        join: false,
        listen: '10.0.0.1:8090',
        address: '10.0.0.1:8090',
        zone: undefined,
        tls: undefined,
      },
    },
  })
  expect(config.ok && [...(config.value.cluster?.peers ?? [])]).toEqual([
    ['n1', '10.0.0.1:8090'],
    ['n2', '[fd00::2]:8090'],
    ['n3', 'host-3:8090'],
  ])
  expect(read([...FOUNDER, 'listen = "0.0.0.0:9000"'])).toMatchObject({
    value: { cluster: { listen: '0.0.0.0:9000', address: '10.0.0.1:8090' } },
  })
})

test('a node may say where it is', () => {
  expect(read([...FOUNDER, 'zone = "rack-1"'])).toMatchObject({
    value: { cluster: { zone: 'rack-1' } },
  })
  expect(read([...FOUNDER, 'zone = ""'])).toMatchObject({ ok: false })
})

test('a secret is what its file has without the white space at the end', () => {
  const config = read(FOUNDER)
  const found = config.ok && config.value.cluster?.secret
  expect(found && Buffer.from(found).toString()).toBe(secret)
})

test('a node that joins need not be among the peers', () => {
  const joiner = ['id = "n4"', 'join = true', 'secret_file = "good.secret"']
  expect(read(joiner)).toMatchObject({
    value: { cluster: { join: true, listen: '127.0.0.1:8090', address: '127.0.0.1:8090' } },
  })
  expect(read([...joiner, 'listen = "10.0.0.4:8090"'])).toMatchObject({
    value: { cluster: { address: '10.0.0.4:8090' } },
  })
})

test.each([
  [['id = "n9"', 'secret_file = "good.secret"'], PEERS, 'join = true'],
  [['id = "N1"', 'secret_file = "good.secret"'], PEERS, 'cluster.id: lowercase letters'],
  [['id = "n1"'], PEERS, 'cluster.secret_file: '],
  [['id = "n1"', 'secret_file = "short.secret"'], PEERS, 'has 31 bytes and needs 32'],
  [['id = "n1"', 'secret_file = "none.secret"'], PEERS, 'cluster.secret_file: ENOENT'],
  [[...FOUNDER, 'tls_key = "good.secret"'], PEERS, 'go together'],
  [[...FOUNDER, 'lissten = "10.0.0.1:8090"'], PEERS, 'unknown key lissten; in cluster'],
  [[...FOUNDER, 'listen = "10.0.0.1"'], PEERS, 'cluster.listen: must be host:port'],
  [FOUNDER, '[cluster.peers]\nn1 = "10.0.0.1:0"', 'cluster.peers.n1: must be host:port'],
  [FOUNDER, '[cluster.peers]\nn1 = "0.0.0.0:8090"', 'cannot reach 0.0.0.0:8090'],
  [FOUNDER, '[cluster.peers]\nn1 = "a:1"\nn2 = "a:1"', 'an address twice'],
  [FOUNDER, '[cluster.peers]\nn1 = "a:1"\nn_2 = "a:2"', 'cluster.peers.n_2: '],
  [
    FOUNDER,
    `[cluster.peers]\n${[1, 2, 3, 4, 5, 6].map((i) => `n${i} = "a:${i}"`).join('\n')}`,
    'at most 5',
  ],
  [
    ['id = "n4"', 'join = true', 'secret_file = "good.secret"'],
    '[cluster.peers]\nn4 = "a:4"',
    'names no other node',
  ],
])('%j with %j is refused with what is wrong', (lines, peers, detail) => {
  expect(read(lines, peers)).toMatchObject({
    error: { kind: 'bad-config', detail: expect.stringContaining(detail) },
  })
})
