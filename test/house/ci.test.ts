import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** What an `npm run` of a step does: leaves a report, if any, and ends. */
type Step = { readonly report?: object; readonly exitCode?: number }

const CHECK: Step = { report: report({ passed: 40, skipped: 2 }) }
const CLIENTS: Step = { report: report({ passed: 2 }) }
const CONTAINERS: Step = { report: report({ passed: 8 }) }
const ALL: Steps = { check: CHECK, clients: CLIENTS, containers: CONTAINERS }

test('sums the tests of all suites', async () => {
  expect(await runCi(ALL)).toEqual({ exitCode: 0, lastLine: '50 passed, 0 failed', engine: [] })
})

test('runs a Docker engine of its own while it needs one, if none is reachable', async () => {
  const ran = await runCi(ALL, { engine: 'startable' })
  expect(ran).toMatchObject({ exitCode: 0, lastLine: '50 passed, 0 failed' })
  expect(ran.engine).toEqual([expect.stringContaining('started --host unix:///'), 'stopped'])
})

test('starts the engine with less when it does not start with all', async () => {
  const ran = await runCi(ALL, { engine: 'without-layers' })
  expect(ran).toMatchObject({ exitCode: 0, lastLine: '50 passed, 0 failed' })
  expect(ran.engine.map((line) => line.split(' ')[0])).toEqual(['failed', 'started', 'stopped'])
})

test('fails when no engine is reachable and none starts', async () => {
  const ran = await runCi(ALL, { engine: 'broken' })
  expect(ran).toMatchObject({ exitCode: 1, lastLine: '42 passed, 1 failed' })
})

test.each<[string, Partial<Steps>, string]>([
  ['npm ci fails', { install: { exitCode: 1 } }, '0 passed, 1 failed'],
  ['the linter fails', { check: { exitCode: 1 } }, '0 passed, 1 failed'],
  [
    'tests of the gate fail',
    { check: { report: report({ passed: 37, failed: 3 }), exitCode: 1 } },
    '37 passed, 3 failed',
  ],
  [
    'a test with a client fails',
    { clients: { report: report({ passed: 1, failed: 1 }), exitCode: 1 } },
    '41 passed, 1 failed',
  ],
  [
    'a test file cannot be loaded',
    { clients: { report: report({ passed: 1, broken: 1 }), exitCode: 1 } },
    '41 passed, 1 failed',
  ],
  [
    'a test with a client is skipped',
    { clients: { report: report({ passed: 1, skipped: 1 }) } },
    '49 passed, 1 failed',
  ],
  ['the suite with clients leaves no report', { clients: {} }, '48 passed, 1 failed'],
  ['the suite with containers leaves no report', { containers: {} }, '42 passed, 1 failed'],
  ['no test with containers runs', { containers: { report: report({}) } }, '42 passed, 1 failed'],
  [
    'a test with containers is skipped',
    { containers: { report: report({ passed: 7, skipped: 1 }) } },
    '49 passed, 1 failed',
  ],
  ['the image cannot be built', { containers: { exitCode: 1 } }, '42 passed, 1 failed'],
])('fails when %s', async (_case, steps, lastLine) => {
  const ran = await runCi({ ...ALL, ...steps })
  expect(ran.lastLine).toBe(lastLine)
  expect(ran.exitCode).not.toBe(0)
})

type Steps = {
  readonly install?: Step
  readonly check: Step
  readonly clients: Step
  readonly containers: Step
}

/** Whether a Docker engine is reachable, or starts, or starts when it need not put file systems into layers. */
type Engine = 'reachable' | 'startable' | 'without-layers' | 'broken'

/**
 * Runs `.ci/run` in a directory in which `npm`, `java`, `docker` and all else are scripts that do as they are told. `engine` is
 * what became of `dockerd`, line by line.
 */
async function runCi(steps: Steps, { engine = 'reachable' }: { engine?: Engine } = {}) {
  const root = mkdtempSync(join(tmpdir(), 'aether-ci-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  cpSync(join(ROOT, '.ci'), join(root, '.ci'), { recursive: true })
  const script = (name: string, text: string) => {
    mkdirSync(join(root, 'bin'), { recursive: true })
    writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  }
  const action = ({ report, exitCode = 0 }: Step = {}) => {
    const leave = report && `echo '${JSON.stringify(report)}' > "$AETHER_TEST_REPORT"; `
    return `${leave ?? ''}exit ${exitCode}`
  }
  script('java', '')
  script('mvn', '')
  script('gradle', '')
  const log = join(root, 'engine.log')
  script('docker', engine === 'reachable' ? 'exit 0' : `[ -e ${root}/engine.up ]`)
  script(
    'dockerd',
    `fail() { echo "failed $*" >> ${log}; exit 1; }
    case "${engine} $*" in
      broken*) fail "$@" ;;
      *storage-driver=vfs*) ;;
      without-layers*) fail "$@" ;;
    esac
    trap 'rm ${root}/engine.up; echo stopped >> ${log}; exit 0' TERM
    echo "started $*" >> ${log}
    touch ${root}/engine.up
    while :; do sleep 0.05; done`,
  )
  script(
    'npm',
    `case "$*" in
      ci) ${action(steps.install)} ;;
      'run check') ${action(steps.check)} ;;
      'run test:clients') [ "$AETHER_REQUIRE_CLIENTS" = 1 ] || exit 9; ${action(steps.clients)} ;;
      'run test:containers') docker version || exit 7; ${action(steps.containers)} ;;
      'run sim '* | 'run mutants' | 'run test:cluster' | 'run nemesis '*) exit 0 ;;
      *) exit 8 ;;
    esac`,
  )
  const PATH = [join(root, 'bin'), dirname(process.execPath), process.env['PATH']].join(delimiter)
  type Run = { exitCode: number; lastLine: string | undefined; engine: readonly string[] }
  return new Promise<Run>((resolve) => {
    execFile(join(root, '.ci/run'), { env: { ...process.env, PATH } }, (error, stdout) => {
      const exitCode = error === null ? 0 : Number(error.code ?? 1)
      const engine = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
      resolve({ exitCode, lastLine: stdout.trimEnd().split('\n').at(-1), engine })
    })
  })
}

function report({ passed = 0, failed = 0, skipped = 0, broken = 0 }): object {
  const failure = { status: 'failed', assertionResults: [{ status: 'failed' }] }
  return {
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    testResults: [
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
      ...Array.from({ length: failed }, () => failure),
      ...Array.from({ length: broken }, () => ({ status: 'failed', assertionResults: [] })),
    ],
  }
}
