import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** What an `npm run` of a step does: leaves a report, if any, and ends. */
type Step = { readonly report?: object; readonly exitCode?: number }

const CHECK: Step = { report: report({ passed: 40, skipped: 2 }) }
const CLIENTS: Step = { report: report({ passed: 2 }) }

test('sums the tests of all suites', async () => {
  expect(await runCi({ check: CHECK, clients: CLIENTS })).toEqual({
    exitCode: 0,
    lastLine: '42 passed, 0 failed',
  })
})

test.each<[string, { install?: Step; check?: Step; clients?: Step }, string]>([
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
    '41 passed, 1 failed',
  ],
  ['the suite with clients leaves no report', { clients: {} }, '40 passed, 1 failed'],
])('fails when %s', async (_case, steps, lastLine) => {
  const ran = await runCi({ check: CHECK, clients: CLIENTS, ...steps })
  expect(ran.lastLine).toBe(lastLine)
  expect(ran.exitCode).not.toBe(0)
})

/** Runs `.ci/run` in a directory in which `npm`, `java` and `mvn` are scripts that do as `steps` say. */
async function runCi(steps: { install?: Step; check: Step; clients: Step }) {
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
  script(
    'npm',
    `case "$*" in
      ci) ${action(steps.install)} ;;
      'run check') ${action(steps.check)} ;;
      'run test:clients') [ "$AETHER_REQUIRE_CLIENTS" = 1 ] || exit 9; ${action(steps.clients)} ;;
      'run sim '* | 'run mutants' | 'run test:cluster' | 'run nemesis '*) exit 0 ;;
      *) exit 8 ;;
    esac`,
  )
  const PATH = [join(root, 'bin'), dirname(process.execPath), process.env['PATH']].join(delimiter)
  return new Promise<{ exitCode: number; lastLine: string | undefined }>((resolve) => {
    execFile(join(root, '.ci/run'), { env: { ...process.env, PATH } }, (error, stdout) => {
      const exitCode = error === null ? 0 : Number(error.code ?? 1)
      resolve({ exitCode, lastLine: stdout.trimEnd().split('\n').at(-1) })
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
