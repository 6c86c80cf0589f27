/**
 * `npm run bench:consensus`: how fast three nodes agree, beside three members of etcd on the same machine and disk in the
 * same run, and for how long nothing is committed after one is killed. `--minutes N` watches the memory of the nodes
 * instead and plots it. Exit code 1 when a bar is missed, 2 when the machine lacks something.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Contender, startAetherCluster, startEtcdCluster } from './consensus-cluster.ts'
import { longestGapMs } from './consensus-gap.ts'
import { load } from './consensus-load.ts'
import { measureMemory, renderMemory } from './consensus-memory.ts'
import {
  consensusReport,
  type GapPairs,
  type LoadPairs,
  renderConsensus,
} from './consensus-report.ts'
import { isInstalled, memoryDirectory, missingPrograms } from './machine.ts'
import { stopAll } from './process.ts'

const CLIENTS = [1, 16, 128, 512]

const FULL = { pairs: 5, durationS: 5, gaps: 5, warmS: 5 }
/** Shows that everything runs; too short to tell how fast. */
const QUICK = { pairs: 1, durationS: 2, gaps: 1, warmS: 1 }

/** Where the documentation shows the plot. */
const PLOT = new URL('../../docs/consensus-memory.svg', import.meta.url)

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    minutes: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    clients: { type: 'string', multiple: true },
    /** One side alone, to profile it. */
    only: { type: 'string' },
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
  const scratch = mkdtempSync(join(flags.directory, 'aether-consensus-'))
  const contenders: Contender[] = []
  const end = async () => {
    await Promise.all(contenders.map((contender) => contender.close()))
    await stopAll()
    rmSync(scratch, { recursive: true, force: true })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit(1)))
  }
  try {
    console.log(machine())
    if (flags.minutes !== undefined) return await watchMemory(scratch, contenders)
    return await measure(scratch, contenders)
  } catch (cause) {
    console.error(`bench: ${cause instanceof Error ? cause.message : String(cause)}`)
    return 1
  } finally {
    await end()
  }
}

async function measure(scratch: string, contenders: Contender[]): Promise<number> {
  const options = flags.quick ? QUICK : FULL
  const clients = flags.clients?.map(Number) ?? CLIENTS
  if (flags.only !== undefined) return measureAlone(scratch, contenders, flags.only)
  const aether = await startAetherCluster(join(scratch, 'aether'), flags['node-flag'])
  contenders.push(aether)
  const etcd = await startEtcdCluster(join(scratch, 'etcd'))
  contenders.push(etcd)
  for (const each of contenders)
    await load(each, { clients: 128, durationS: options.warmS, mark: 'warm' })
  const loads: LoadPairs[] = []
  for (const count of clients) {
    console.log(`… ${count} ${count === 1 ? 'client' : 'clients'}`)
    loads.push(await measurePairs(aether, etcd, count, options))
  }
  const gaps: { aether: number; etcd: number }[] = []
  for (let round = 0; round < options.gaps; round++) {
    console.log(`… kill -9, ${round + 1} of ${options.gaps}`)
    const ours = await longestGapMs(aether, round)
    gaps.push({ aether: ours, etcd: await longestGapMs(etcd, round) })
  }
  const report = consensusReport(loads, gaps satisfies GapPairs)
  console.log(`\n${renderConsensus(report)}`)
  if (flags.json !== undefined) {
    const text = JSON.stringify({ machine: machine(), options, ...report }, undefined, 2)
    writeFileSync(flags.json, `${text}\n`)
  }
  return report.bars.every((bar) => bar.passed) ? 0 : 1
}

/** The sides take turns in going first, so that what a run leaves to the next one burdens both alike. */
async function measurePairs(
  aether: Contender,
  etcd: Contender,
  clients: number,
  { pairs, durationS }: { pairs: number; durationS: number },
): Promise<LoadPairs> {
  const measured: LoadPairs['pairs'][number][] = []
  for (let pair = 0; pair < pairs; pair++) {
    const options = { clients, durationS, mark: `run${clients}x${pair}` }
    if (pair % 2 === 0) {
      const ours = await load(aether, options)
      measured.push({ aether: ours, etcd: await load(etcd, options) })
    } else {
      const theirs = await load(etcd, options)
      measured.push({ aether: await load(aether, options), etcd: theirs })
    }
  }
  return { clients, pairs: measured }
}

async function measureAlone(
  scratch: string,
  contenders: Contender[],
  name: string,
): Promise<number> {
  const directory = join(scratch, name)
  const contender =
    name === 'etcd'
      ? await startEtcdCluster(directory)
      : await startAetherCluster(directory, flags['node-flag'])
  contenders.push(contender)
  const { durationS, warmS, gaps } = flags.quick ? QUICK : FULL
  await load(contender, { clients: 128, durationS: warmS, mark: 'warm' })
  for (const clients of flags.clients?.map(Number) ?? CLIENTS) {
    const result = await load(contender, { clients, durationS, mark: `alone${clients}` })
    console.log(`${clients} clients:`, result)
  }
  for (let round = 0; round < gaps; round++) {
    console.log(`gap after kill -9: ${Math.round(await longestGapMs(contender, round))} ms`)
  }
  return 0
}

async function watchMemory(scratch: string, contenders: Contender[]): Promise<number> {
  const minutes = Number(flags.minutes)
  const contender = await startAetherCluster(join(scratch, 'aether'), flags['node-flag'])
  contenders.push(contender)
  console.log(`… ${minutes} minutes of writes`)
  const report = await measureMemory(contender, minutes)
  writeFileSync(PLOT, renderMemory(report))
  const most = Math.max(...report.samples.flatMap((sample) => sample.residentBytes)) / 1e6
  console.log(
    `${report.writes} writes, at most ${Math.round(most)} MB a node, ` +
      `last fifth of the time ${report.growth.toFixed(2)}× the second: ${report.passed ? 'pass' : 'MISSED'}`,
  )
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report)}\n`)
  return report.passed ? 0 : 1
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'it reads /proc: it needs Linux'
  const packages = { wrk: 'wrk', ...(flags.minutes === undefined && { etcd: 'etcd-server' }) }
  return missingPrograms(packages) ?? memoryDirectory(flags.directory)
}

function machine(): string {
  const cores = cpus()
  const etcd = isInstalled('etcd')
    ? execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')[0]
    : 'no etcd'
  return [
    `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    etcd,
  ].join(' · ')
}
