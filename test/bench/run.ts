/**
 * `npm run bench`: how fast and how small one node is, beside nginx from Debian on the same machine in the same run. One
 * core serves, the other one sends. Takes ten minutes and 40 GB at most. Exit code 1 when a bar is missed, 2 when the
 * machine lacks something.
 */
import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { FLAGS, type Outcome, runBench, unknownName } from './bench.ts'
import { COMPARISONS, compare } from './comparison.ts'
import { measureStart, measureStreams } from './footprint.ts'
import { describeMachine } from './machine.ts'
import { nginxVersion } from './nginx.ts'
import { LOAD_CORE, SERVER_CORE } from './process.ts'
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
  options: { ...FLAGS, only: { type: 'string', multiple: true, default: [] } },
})

const options = flags.quick ? QUICK : FULL

process.exitCode = await runBench({
  flags,
  packages: { nginx: 'nginx', wrk: 'wrk', taskset: 'util-linux' },
  lack: () => unknownName(flags.only, NAMES) ?? lackOfRoom(),
  machine: () => ({ ...describeMachine(), nginx: `nginx ${nginxVersion()}` }),
  measure,
})

async function measure(scratch: string): Promise<Outcome> {
  // This program and its clients must not take time from the server.
  execFileSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' })
  const nodeFlags = flags['node-flag']
  const comparisons: ComparisonRow[] = []
  for (const comparison of COMPARISONS) {
    if (!isChosen(comparison.name) || (comparison.isBare && flags.only.length === 0)) continue
    console.log(`… ${comparison.title}`)
    const pairs = await compare(comparison, scratch, { ...options, nodeFlags })
    comparisons.push(comparisonRow(comparison, pairs))
  }
  const footprints: FootprintRow[] = []
  for (const [name, work] of Object.entries(FOOTPRINTS)) {
    if (!isChosen(name)) continue
    console.log(`… ${name === 'start' ? 'starts' : 'large files, many at once'}`)
    footprints.push(...(await work(scratch, { ...options, nodeFlags })).map(footprintRow))
  }
  return {
    passed: [...comparisons, ...footprints].every((row) => row.passed),
    text: `\n${renderTables(comparisons, footprints)}`,
    report: { options, comparisons, footprints },
  }
}

function isChosen(name: string): boolean {
  return flags.only.length === 0 || flags.only.includes(name)
}

function lackOfRoom(): string | undefined {
  if (cpus().length <= Math.max(SERVER_CORE, LOAD_CORE)) {
    return 'the server and its clients need a core each; this machine has one'
  }
  const disk = statfsSync(flags.directory)
  if (!flags.quick && disk.bavail * disk.bsize < FREE_BYTES) {
    return `${flags.directory} needs ${FREE_BYTES / 1e9} GB free; choose another with --directory`
  }
  return undefined
}
