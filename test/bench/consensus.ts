/**
 * `npm run bench:consensus`: how fast three nodes agree, beside three members of etcd on the same machine and disk in the
 * same run, and for how long nothing is committed after one is killed. `--minutes N` watches the memory of the nodes
 * instead and plots it. Exit code 1 when a bar is missed, 2 when the machine lacks something.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { alternate, FLAGS, type Outcome, type Running, runBench } from './bench.ts'
import {
  type Contender,
  etcdVersion,
  startAetherCluster,
  startEtcdCluster,
} from './consensus-cluster.ts'
import { longestGapMs } from './consensus-gap.ts'
import { type LoadResult, load } from './consensus-load.ts'
import { measureMemory, renderMemory } from './consensus-memory.ts'
import {
  consensusReport,
  type GapPairs,
  type LoadPairs,
  renderConsensus,
} from './consensus-report.ts'
import { describeMachine, isInstalled } from './machine.ts'
import { verdict } from './report.ts'

const CLIENTS = [1, 16, 128, 512]

const FULL = { pairs: 5, durationS: 5, gaps: 5, warmS: 5 }
/** Shows that everything runs; too short to tell how fast. */
const QUICK = { pairs: 1, durationS: 2, gaps: 1, warmS: 1 }

/** Where the documentation shows the plot. */
const PLOT = new URL('../../docs/consensus-memory.svg', import.meta.url)

const { values: flags } = parseArgs({
  options: {
    ...FLAGS,
    minutes: { type: 'string' },
    clients: { type: 'string', multiple: true },
    /** One side alone, to profile it. */
    only: { type: 'string' },
  },
})

const options = flags.quick ? QUICK : FULL
const clientCounts = flags.clients?.map(Number) ?? CLIENTS

process.exitCode = await runBench({
  flags,
  packages: { wrk: 'wrk', ...(flags.minutes === undefined && { etcd: 'etcd-server' }) },
  machine: () => ({
    ...describeMachine(),
    etcd: isInstalled('etcd') ? etcdVersion() : 'no etcd',
  }),
  measure(scratch, running) {
    if (flags.minutes !== undefined) return watchMemory(scratch, running, Number(flags.minutes))
    if (flags.only !== undefined) return measureAlone(scratch, running, flags.only)
    return measureBoth(scratch, running)
  },
})

async function measureBoth(scratch: string, running: Running): Promise<Outcome> {
  const aether = await startAetherCluster(join(scratch, 'aether'), flags['node-flag'])
  running.push(aether)
  const etcd = await startEtcdCluster(join(scratch, 'etcd'))
  running.push(etcd)
  for (const each of [aether, etcd]) await warm(each)
  const loads: LoadPairs[] = []
  for (const count of clientCounts) {
    console.log(`… ${count} ${count === 1 ? 'client' : 'clients'}`)
    loads.push(await measurePairs(aether, etcd, count))
  }
  const gaps: { aether: number; etcd: number }[] = []
  for (let round = 0; round < options.gaps; round++) {
    console.log(`… kill -9, ${round + 1} of ${options.gaps}`)
    const ours = await longestGapMs(aether, round)
    gaps.push({ aether: ours, etcd: await longestGapMs(etcd, round) })
  }
  const report = consensusReport(loads, gaps satisfies GapPairs)
  return {
    passed: report.bars.every((bar) => bar.passed),
    text: `\n${renderConsensus(report)}`,
    report: { options, ...report },
  }
}

async function measurePairs(
  aether: Contender,
  etcd: Contender,
  clients: number,
): Promise<LoadPairs> {
  const { pairs, durationS } = options
  const on = (contender: Contender) => (pair: number) =>
    load(contender, { clients, durationS, mark: `run${clients}x${pair}` })
  const measured = await alternate(pairs, on(aether), on(etcd))
  return { clients, pairs: measured.map(({ ours, theirs }) => ({ aether: ours, etcd: theirs })) }
}

async function measureAlone(scratch: string, running: Running, name: string): Promise<Outcome> {
  const directory = join(scratch, name)
  const contender =
    name === 'etcd'
      ? await startEtcdCluster(directory)
      : await startAetherCluster(directory, flags['node-flag'])
  running.push(contender)
  await warm(contender)
  const loads: { clients: number; result: LoadResult }[] = []
  for (const clients of clientCounts) {
    const { durationS } = options
    const result = await load(contender, { clients, durationS, mark: `alone${clients}` })
    console.log(`${clients} clients:`, result)
    loads.push({ clients, result })
  }
  const gapsMs: number[] = []
  for (let round = 0; round < options.gaps; round++) {
    gapsMs.push(await longestGapMs(contender, round))
  }
  const text = gapsMs.map((gapMs) => `gap after kill -9: ${Math.round(gapMs)} ms`).join('\n')
  return { passed: true, text, report: { options, loads, gapsMs } }
}

async function warm(contender: Contender): Promise<void> {
  await load(contender, { clients: 128, durationS: options.warmS, mark: 'warm' })
}

async function watchMemory(scratch: string, running: Running, minutes: number): Promise<Outcome> {
  const contender = await startAetherCluster(join(scratch, 'aether'), flags['node-flag'])
  running.push(contender)
  console.log(`… ${minutes} minutes of writes`)
  const report = await measureMemory(contender, minutes)
  writeFileSync(PLOT, renderMemory(report))
  const most = Math.max(...report.samples.flatMap((sample) => sample.residentBytes)) / 1e6
  const text =
    `${report.writes} writes, at most ${Math.round(most)} MB a node, ` +
    `last fifth of the time ${report.growth.toFixed(2)}× the second: ${verdict(report.passed)}`
  return { passed: report.passed, text, report }
}
