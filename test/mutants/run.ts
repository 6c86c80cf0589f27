/**
 * Puts one deliberate bug at a time into a copy of the shipped sources and shows which property notices; on every core at once.
 * Each copy has to pass the type checker. Fails when a mutant survives. `npm run mutants [-- pattern of names]`
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { BLOB_MUTANTS, ROUTING_MUTANTS } from './cluster-list.ts'
import { MUTANTS } from './list.ts'
import type { Mutant } from './mutant.ts'
import { REPLICATION_MUTANTS } from './replication-list.ts'

const ROOT = join(import.meta.dirname, '../..')
const COPIED = ['src', 'test', 'types', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const TYPE_CHECKED = ['rabia', 'control', 'membership', 'partition', 'dht'].map(
  (name) => `src/cluster/${name}`,
)

/** The properties of consensus, and those of replicated partitions. */
const CONSENSUS = 'test/mutants/properties.ts'
const REPLICATION = 'test/mutants/replication-properties.ts'

/** The tests that state a property of the protocol, for what the models, the soak and the simulation cannot see; cheap ones first. */
const SCENARIOS = [
  [
    'rabia/slot',
    'rabia/rabia',
    'rabia/queue',
    'rabia/restart',
    'rabia/read',
    'rabia/growth',
    'rabia/catch-up',
    'rabia/recall',
    'control/machine',
  ],
  ['sim/scenario-members', 'sim/scenario-snapshot'],
]

/** A mutant that hangs is as dead as one that fails. */
const MINUTE_MS = 60_000

/** One line of a terminal. */
const KILLER_LENGTH_MAX = 110

/** What is tried on the mutants that are not of consensus; the programs come first. */
const OTHERS = [
  { mutants: REPLICATION_MUTANTS, program: REPLICATION, tests: ['dht/replication', 'dht/log'] },
  { mutants: ROUTING_MUTANTS, program: undefined, tests: ['dht/map-routing', 'dht/map-cluster'] },
  {
    mutants: BLOB_MUTANTS,
    program: undefined,
    tests: ['dht/blob-replication', 'dht/chunk-intake', 'dht/blob-reader'],
  },
] as const

const ALL = [...MUTANTS, ...OTHERS.flatMap(({ mutants }) => mutants)]
for (const { name, edits } of ALL) {
  for (const { file, find } of edits) {
    const occurrences = readFileSync(join(ROOT, file), 'utf8').split(find).length - 1
    if (occurrences !== 1) throw new Error(`${name}: ${occurrences} times in ${file}: ${find}`)
  }
}
for (const command of [[REPLICATION], [CONSENSUS, 'slot'], [CONSENSUS, 'log']]) {
  // It would count as the death of every mutant.
  const found = await killedBy(ROOT, command)
  if (found !== undefined) throw new Error(`${command.join(' ')} without a mutant: ${found}`)
}
const wanted = ALL.filter(({ name }) => new RegExp(process.argv[2] ?? '').test(name))
const width = Math.max(...wanted.map(({ name }) => name.length))
const waiting = [...wanted.entries()]
let survivors = 0
await Promise.all(Array.from({ length: availableParallelism() }, tryAll))
console.log(`${wanted.length - survivors} of ${wanted.length} mutants killed`)
if (survivors > 0 || wanted.length === 0) process.exitCode = 1

/** Tries one mutant after the other, in a copy of its own. */
async function tryAll(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'aether-mutants-'))
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
    const config = { extends: './tsconfig.json', include: TYPE_CHECKED }
    writeFileSync(join(directory, 'tsconfig.mutants.json'), JSON.stringify(config))
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [i, mutant] = next
      const begin = performance.now()
      const killer = await killerOf(mutant, directory)
      const seconds = ((performance.now() - begin) / 1_000).toFixed(1).padStart(5)
      const number = String(i + 1).padStart(2)
      console.log(`${number}  ${mutant.name.padEnd(width)}  ${seconds} s  ${killer ?? 'SURVIVES'}`)
      if (killer === undefined) survivors++
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The property that notices the mutant, or undefined. */
async function killerOf(mutant: Mutant, directory: string): Promise<string | undefined> {
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
    const check = ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.mutants.json']
    const { status, output } = await run(directory, check)
    if (status !== 0) throw new Error(`${mutant.name} is no program:\n${output}`)
    const other = OTHERS.find(({ mutants }) => mutants.includes(mutant))
    if (other === undefined) {
      let killer = await killedByProperty(mutant, directory)
      for (const names of SCENARIOS) killer ??= await killedByScenario(names, directory)
      return killer
    }
    const { program, tests } = other
    const killer = program && (await killedBy(directory, [program]))
    return killer ?? (await killedByScenario(tests, directory))
  } finally {
    for (const [path, source] of originals) writeFileSync(path, source)
  }
}

async function killedByProperty(mutant: Mutant, directory: string): Promise<string | undefined> {
  const scope = mutant.edits.some(({ file }) => /slot|electorate/.test(file)) ? 'slot' : 'log'
  return killedBy(directory, [CONSENSUS, scope])
}

/** What the properties in that program say. */
async function killedBy(
  directory: string,
  command: readonly string[],
): Promise<string | undefined> {
  const { status, output } = await run(directory, command)
  if (status === null) return 'properties: no end to them'
  if (status !== 0) return 'properties: the run itself fails'
  return output.trim().slice(0, KILLER_LENGTH_MAX) || undefined
}

async function killedByScenario(
  names: readonly string[],
  directory: string,
): Promise<string | undefined> {
  const files = names.map((name) => `/${name}.test.ts`)
  const report = join(directory, 'report.json')
  const options = ['--project', 'unit', '--bail', '1', '--reporter', 'json', '--outputFile', report]
  const { status } = await run(directory, [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...options,
    ...files,
  ])
  if (status === 0) return undefined
  if (status === null) return 'scenarios: no end to them'
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const failed = testResults.flatMap((file) => file.assertionResults)
  const title = failed.find((result) => result.status === 'failed')?.title
  if (title === undefined) throw new Error('the scenarios do not run at all')
  return `scenario: ${title}`.slice(0, KILLER_LENGTH_MAX)
}

/** Runs a program of Node's in the directory. */
function run(directory: string, command: readonly string[]): Promise<Ended> {
  // A report that somebody else waits for must not get the failures that are wanted here.
  const { AETHER_TEST_REPORT: _, ...env } = process.env
  const child = spawn(process.execPath, command, {
    cwd: directory,
    env,
    timeout: MINUTE_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const { promise, resolve, reject } = Promise.withResolvers<Ended>()
  child.on('error', reject)
  child.on('close', (status) => resolve({ status, output }))
  return promise
}

type Ended = { readonly status: number | null; readonly output: string }

type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}
