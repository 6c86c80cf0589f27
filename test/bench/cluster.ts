/**
 * `npm run bench:cluster`: what replication costs. Three nodes beside one node and beside three members of etcd, on the same
 * machine and disk in the same run, in requests for a second of processor time of all their processes; and what clients see
 * when one node is killed. Exit code 1 when a bar is missed, 2 when the machine lacks something.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startAether } from './aether.ts'
import { type Death, killUnderLoad } from './cluster-death.ts'
import { type Nodes, runLoad, WORKLOADS, type Workload } from './cluster-http.ts'
import {
  type CostRow,
  deathRow,
  type HttpPair,
  httpRow,
  type MapPair,
  mapRow,
  renderCluster,
} from './cluster-report.ts'
import { type Contender, startAetherCluster, startEtcdCluster } from './consensus-cluster.ts'
import { load } from './consensus-load.ts'
import { memoryDirectory, missingPrograms } from './machine.ts'
import { stopAll } from './process.ts'

const FULL = { pairs: 5, durationS: 4, deaths: 3 }
/** Shows that everything runs; too short to tell how fast. */
const QUICK = { pairs: 1, durationS: 2, deaths: 1 }

const MAP_CLIENTS = 128

const NAMES = [...WORKLOADS.map((each) => each.name), 'map', 'death']

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    /** Flags for Node, to profile our nodes by hand. */
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
  const scratch = mkdtempSync(join(flags.directory, 'aether-cluster-'))
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
  const cluster = await startAetherCluster(join(scratch, 'three'), flags['node-flag'], 'map')
  contenders.push(cluster)
  const costs: CostRow[] = []
  const workloads = WORKLOADS.filter(({ name }) => isChosen(name))
  if (workloads.length > 0) costs.push(...(await measureHttp(scratch, cluster, workloads)))
  if (isChosen('map')) {
    const etcd = await startEtcdCluster(join(scratch, 'etcd'))
    contenders.push(etcd)
    costs.push(mapRow(await measureMap(cluster, etcd)))
    await etcd.close()
  }
  const deaths: Death[] = []
  for (let round = 0; isChosen('death') && round < options.deaths; round++) {
    console.log(`… kill -9, ${round + 1} of ${options.deaths}`)
    deaths.push(await killUnderLoad(cluster, round))
  }
  const death = deaths.length > 0 ? deathRow(deaths) : undefined
  console.log(`\n${renderCluster(costs, death)}`)
  if (flags.json !== undefined) {
    const report = { machine: machine(), options, costs, death }
    writeFileSync(flags.json, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return costs.every((row) => row.passed) && death?.passed !== false ? 0 : 1
}

async function measureHttp(
  scratch: string,
  cluster: Contender,
  workloads: readonly Workload[],
): Promise<CostRow[]> {
  const directory = join(scratch, 'one')
  mkdirSync(directory)
  const node = await startAether({ directory, requestLog: false, core: 'any' })
  const one: Nodes = { origins: [node.origin], pids: () => [node.process.pid] }
  const three: Nodes = {
    origins: cluster.members.map(({ origin }) => origin),
    pids: () => cluster.members.map((member) => member.pid()),
  }
  const rows: CostRow[] = []
  for (const workload of workloads) {
    console.log(`… ${workload.title}`)
    rows.push(httpRow(workload, await measurePairs(workload, { scratch, three, one })))
  }
  await node.stop()
  return rows
}

/** The sides take turns in going first, so that what a run leaves to the next one burdens both alike. */
async function measurePairs(
  workload: Workload,
  { scratch, three, one }: { readonly scratch: string; readonly three: Nodes; readonly one: Nodes },
): Promise<readonly HttpPair[]> {
  const { pairs, durationS } = flags.quick ? QUICK : FULL
  const prepared = workload.prepare(scratch)
  let run = 0
  const measureOn = (nodes: Nodes) => runLoad(nodes, prepared, { run, durationS })
  for (const nodes of [three, one]) {
    await prepared.begin(nodes)
    // Each node answers as many requests before it is measured: its code is compiled by then, three times or once.
    for (run = 1; run <= nodes.origins.length; run++) await measureOn(nodes)
  }
  run = three.origins.length
  const measured: HttpPair[] = []
  while (measured.length < pairs) {
    run++
    if (run % 2 === 0) {
      const ours = await measureOn(three)
      measured.push({ three: ours, one: await measureOn(one) })
    } else {
      const theirs = await measureOn(one)
      measured.push({ three: await measureOn(three), one: theirs })
    }
  }
  return measured
}

async function measureMap(aether: Contender, etcd: Contender): Promise<readonly MapPair[]> {
  const { pairs, durationS } = flags.quick ? QUICK : FULL
  console.log('… map writes')
  const measureOn = (contender: Contender, run: number) =>
    load(contender, { clients: MAP_CLIENTS, durationS, mark: `run${run}` })
  for (const contender of [aether, etcd]) await measureOn(contender, 0)
  const measured: MapPair[] = []
  for (let run = 1; run <= pairs; run++) {
    if (run % 2 === 0) {
      const ours = await measureOn(aether, run)
      measured.push({ aether: ours, etcd: await measureOn(etcd, run) })
    } else {
      const theirs = await measureOn(etcd, run)
      measured.push({ aether: await measureOn(aether, run), etcd: theirs })
    }
  }
  return measured
}

function isChosen(name: string): boolean {
  return flags.only.length === 0 || flags.only.includes(name)
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'it reads /proc: it needs Linux'
  const unknown = flags.only.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) return `nothing is called ${unknown}; choose from ${NAMES.join(', ')}`
  const etcd = isChosen('map') ? { etcd: 'etcd-server' } : {}
  return missingPrograms({ wrk: 'wrk', ...etcd }) ?? memoryDirectory(flags.directory)
}

function machine(): string {
  const cores = cpus()
  return [
    `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    ...(isChosen('map')
      ? [execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')[0]]
      : []),
  ].join(' · ')
}
