/**
 * Puts one deliberate bug at a time into a copy of the shipped sources and shows which property notices. Each copy has to pass the
 * type checker. Fails when a mutant survives. `npm run mutants [-- pattern of names]`
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MUTANTS, type Mutant } from './list.ts'

const ROOT = join(import.meta.dirname, '../..')
const COPIED = ['src', 'test', 'types', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** The unit tests that state a property of the protocol, for what the models and the soak cannot see. */
const SCENARIOS = ['slot', 'rabia', 'queue', 'restart', 'read', 'growth', 'machine']

/** A mutant that hangs is as dead as one that fails. */
const MINUTE_MS = 60_000

/** One line of a terminal. */
const KILLER_LENGTH_MAX = 110

for (const { name, edits } of MUTANTS) {
  for (const { file, find } of edits) {
    const occurrences = readFileSync(join(ROOT, file), 'utf8').split(find).length - 1
    if (occurrences !== 1) throw new Error(`${name}: ${occurrences} times in ${file}: ${find}`)
  }
}
const wanted = MUTANTS.filter(({ name }) => new RegExp(process.argv[2] ?? '').test(name))
const directory = mkdtempSync(join(tmpdir(), 'aether-mutants-'))
try {
  for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(
    join(directory, 'tsconfig.mutants.json'),
    JSON.stringify({
      extends: './tsconfig.json',
      include: ['src/cluster/rabia', 'src/cluster/control'],
    }),
  )
  const width = Math.max(...wanted.map(({ name }) => name.length))
  const survivors = wanted.filter((mutant, i) => {
    const begin = performance.now()
    const killer = killerOf(mutant)
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1).padStart(5)
    const number = String(i + 1).padStart(2)
    console.log(`${number}  ${mutant.name.padEnd(width)}  ${seconds} s  ${killer ?? 'SURVIVES'}`)
    return killer === undefined
  })
  console.log(`${wanted.length - survivors.length} of ${wanted.length} mutants killed`)
  if (survivors.length > 0 || wanted.length === 0) process.exitCode = 1
} finally {
  rmSync(directory, { recursive: true })
}

/** The property that notices the mutant, or undefined. */
function killerOf(mutant: Mutant): string | undefined {
  const originals = new Map<string, string>()
  try {
    for (const { file, find, put } of mutant.edits) {
      const path = join(directory, file)
      const source = readFileSync(path, 'utf8')
      if (!originals.has(path)) originals.set(path, source)
      writeFileSync(
        path,
        source.replace(find, () => put),
      )
    }
    run(['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.mutants.json'])
    return killedByProperty(mutant) ?? killedByScenario()
  } finally {
    for (const [path, source] of originals) writeFileSync(path, source)
  }
}

function run(command: readonly string[]): string {
  return execFileSync(process.execPath, command, { cwd: directory, encoding: 'utf8' })
}

function killedByProperty({ edits }: Mutant): string | undefined {
  const scope = edits.some(({ file }) => /slot|electorate/.test(file)) ? 'slot' : 'log'
  const { stdout, status } = spawnSync(process.execPath, ['test/mutants/properties.ts', scope], {
    cwd: directory,
    encoding: 'utf8',
    timeout: MINUTE_MS,
  })
  if (status !== 0) return 'properties: the run itself fails'
  return stdout.trim().slice(0, KILLER_LENGTH_MAX) || undefined
}

function killedByScenario(): string | undefined {
  const files = SCENARIOS.map((name) => `/${name}.test.ts`)
  const report = join(directory, 'report.json')
  const options = ['--project', 'unit', '--bail', '1', '--reporter', 'json', '--outputFile', report]
  // A report that somebody else waits for must not get the failures that are wanted here.
  const { AETHER_TEST_REPORT: _, ...env } = process.env
  const { status } = spawnSync('node_modules/.bin/vitest', ['run', ...options, ...files], {
    cwd: directory,
    env,
    timeout: MINUTE_MS,
  })
  if (status === 0) return undefined
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const failed = testResults.flatMap((file) => file.assertionResults)
  const title = failed.find((result) => result.status === 'failed')?.title
  if (title === undefined) throw new Error('the scenarios do not run at all')
  return `scenario: ${title}`.slice(0, KILLER_LENGTH_MAX)
}

type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}
