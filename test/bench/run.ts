/**
 * `npm run bench`: how fast and how small one node is, beside nginx from Debian on the same machine in the same run. One
 * core serves, the other one sends. Takes ten minutes and 40 GB at most. Exit code 1 when a bar is missed, 2 when the
 * machine lacks something.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { COMPARISONS, compare } from './comparison.ts'
import { type FootprintOptions, measureStart, measureStreams } from './footprint.ts'
import { memoryDirectory, missingPrograms } from './machine.ts'
import { nginxVersion } from './nginx.ts'
import { LOAD_CORE, SERVER_CORE, stopAll } from './process.ts'
import {
  type ComparisonRow,
  comparisonRow,
  type FootprintRow,
  footprintRow,
  renderTables,
} from './report.ts'

const FULL = { pairs: 7, durationS: 3, starts: 5, clients: 64, bytesPerClient: 200e6 }
/** Shows that everything runs; too short to tell how fast. */
const QUICK = { pairs: 3, durationS: 2, starts: 3, clients: 64, bytesPerClient: 20e6 }

/** 13 GB of parallel uploads, some 10 GB from each server's other runs; everything is deleted at the end. */
const FREE_BYTES = 40e9

const FOOTPRINTS = { start: measureStart, streams: measureStreams }
const NAMES = [...COMPARISONS.map((each) => each.name), ...Object.keys(FOOTPRINTS)]

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    /** Flags for Node, to profile our server by hand. */
    'node-flag': { type: 'string', multiple: true, default: [] },
  },
})

process.exitCode = await main()

async function main(): Promise<number> {
  const lack = whatIsMissing()
  if (lack !== undefined) {
    console.error(`bench: ${lack}`)
    return 2
  }
  // This program and its clients must not take time from the server.
  execFileSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' })
  const scratch = mkdtempSync(join(flags.directory, 'aether-bench-'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void stopAll().finally(() => {
        rmSync(scratch, { recursive: true, force: true })
        process.exit(1)
      })
    })
  }
  try {
    return await measure(scratch)
  } catch (cause) {
    console.error(`bench: ${cause instanceof Error ? cause.message : String(cause)}`)
    return 1
  } finally {
    await stopAll()
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function measure(scratch: string): Promise<number> {
  const options = flags.quick ? QUICK : FULL
  const chosen = (name: string) => flags.only.length === 0 || flags.only.includes(name)
  const machine = describeMachine()
  console.log(Object.values(machine).join(' · '))
  const comparisons: ComparisonRow[] = []
  for (const comparison of COMPARISONS) {
    if (!chosen(comparison.name) || (comparison.isBare && flags.only.length === 0)) continue

    console.log(`… ${comparison.title}`)
    comparisons.push(
      comparisonRow(
        comparison,
        await compare(comparison, scratch, { ...options, nodeFlags: flags['node-flag'] }),
      ),
    )
  }
  const footprints = await measureFootprints(scratch, options, chosen)
  console.log(`\n${renderTables(comparisons, footprints)}`)
  if (flags.json !== undefined) {
    const report = { machine, options, comparisons, footprints }
    writeFileSync(flags.json, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return [...comparisons, ...footprints].every((row) => row.passed) ? 0 : 1
}

async function measureFootprints(
  scratch: string,
  options: FootprintOptions,
  chosen: (name: string) => boolean,
): Promise<FootprintRow[]> {
  const rows: FootprintRow[] = []
  for (const [name, work] of Object.entries(FOOTPRINTS)) {
    if (!chosen(name)) continue
    console.log(`… ${name === 'start' ? 'starts' : 'large files, many at once'}`)
    rows.push(...(await work(scratch, options)).map(footprintRow))
  }
  return rows
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux')
    return 'it reads /proc and pins programs to cores: it needs Linux'
  const unknown = flags.only.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) return `nothing is called ${unknown}; choose from ${NAMES.join(', ')}`
  const packages = { nginx: 'nginx', wrk: 'wrk', taskset: 'util-linux' }
  const missing = missingPrograms(packages)
  if (missing !== undefined) return missing
  if (cpus().length <= Math.max(SERVER_CORE, LOAD_CORE)) {
    return 'the server and its clients need a core each; this machine has one'
  }
  const inMemory = memoryDirectory(flags.directory)
  if (inMemory !== undefined) return inMemory
  const disk = statfsSync(flags.directory)
  if (!flags.quick && disk.bavail * disk.bsize < FREE_BYTES) {
    return `${flags.directory} needs ${FREE_BYTES / 1e9} GB free; choose another with --directory`
  }
  return undefined
}

function describeMachine(): Readonly<Record<'cpu' | 'os' | 'node' | 'nginx', string>> {
  const cores = cpus()
  return {
    cpu: `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores`,
    os: `Linux ${release()}`,
    node: `Node ${process.version}`,
    nginx: `nginx ${nginxVersion()}`,
  }
}
