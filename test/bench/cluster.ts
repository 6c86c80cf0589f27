/**
 * `npm run bench:cluster`: what replication costs. Three nodes beside one node and beside three members of etcd, on the same
 * machine and disk in the same run, in requests for a second of processor time of all their processes; and what clients see
 * when one node is killed. Exit code 1 when a bar is missed, 2 when the machine lacks something.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startAether } from './aether.ts'
import {
  alternate,
  FLAGS,
  type Outcome,
  type Pair,
  type Running,
  runBench,
  unknownName,
} from './bench.ts'
import { type Death, killUnderLoad } from './cluster-death.ts'
import { type HttpSample, type Nodes, runLoad, WORKLOADS, type Workload } from './cluster-http.ts'
import { type CostRow, deathRow, httpRow, mapRow, renderCluster } from './cluster-report.ts'
import {
  type Contender,
  etcdVersion,
  startAetherCluster,
  startEtcdCluster,
} from './consensus-cluster.ts'
import { type LoadResult, load } from './consensus-load.ts'
import { describeMachine } from './machine.ts'

const FULL = { pairs: 5, durationS: 4, deaths: 3, warmRunsMax: 20 }
/** Shows that everything runs; too short to tell how fast. */
const QUICK = { pairs: 1, durationS: 2, deaths: 1, warmRunsMax: 1 }

const MAP_CLIENTS = 128

const NAMES = [...WORKLOADS.map((each) => each.name), 'map', 'death']

const { values: flags } = parseArgs({
  options: { ...FLAGS, only: { type: 'string', multiple: true, default: [] } },
})

const options = flags.quick ? QUICK : FULL

process.exitCode = await runBench({
  flags,
  packages: { wrk: 'wrk', ...(isChosen('map') && { etcd: 'etcd-server' }) },
  lack: () => unknownName(flags.only, NAMES),
  machine: () => ({ ...describeMachine(), ...(isChosen('map') && { etcd: etcdVersion() }) }),
  measure,
})

async function measure(scratch: string, running: Running): Promise<Outcome> {
  const cluster = await startAetherCluster(join(scratch, 'three'), flags['node-flag'], 'map')
  running.push(cluster)
  const costs: CostRow[] = []
  const workloads = WORKLOADS.filter(({ name }) => isChosen(name))
  if (workloads.length > 0) costs.push(...(await measureHttp(scratch, cluster, workloads)))
  if (isChosen('map')) {
    const etcd = await startEtcdCluster(join(scratch, 'etcd'))
    running.push(etcd)
    costs.push(mapRow(await measureMap(cluster, etcd)))
    await etcd.close()
  }
  const deaths: Death[] = []
  for (let round = 0; isChosen('death') && round < options.deaths; round++) {
    console.log(`… kill -9, ${round + 1} of ${options.deaths}`)
    deaths.push(await killUnderLoad(cluster, round))
  }
  const death = deaths.length > 0 ? deathRow(deaths) : undefined
  return {
    passed: costs.every((row) => row.passed) && death?.passed !== false,
    text: `\n${renderCluster(costs, death)}`,
    report: { options, costs, death },
  }
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

async function measurePairs(
  workload: Workload,
  { scratch, three, one }: { readonly scratch: string; readonly three: Nodes; readonly one: Nodes },
): Promise<readonly Pair<HttpSample>[]> {
  const { pairs, durationS, warmRunsMax } = options
  const prepared = workload.prepare(scratch)
  const on = (nodes: Nodes) => (run: number) => runLoad(nodes, prepared, { run, durationS })
  for (const nodes of [three, one]) {
    await prepared.begin(nodes)
    let missing = workload.warmRequests * nodes.origins.length
    // Under numbers that no pair has.
    for (let warm = 0; missing > 0 && warm < warmRunsMax; warm++) {
      missing -= (await on(nodes)(pairs + warm)).requests
    }
  }
  return alternate(pairs, on(three), on(one))
}

async function measureMap(
  aether: Contender,
  etcd: Contender,
): Promise<readonly Pair<LoadResult>[]> {
  const { pairs, durationS } = options
  console.log('… map writes')
  const on = (contender: Contender) => (run: number) =>
    load(contender, { clients: MAP_CLIENTS, durationS, mark: `run${run}` })
  // To warm them, under a number that no pair has.
  for (const contender of [aether, etcd]) await on(contender)(pairs)
  return alternate(pairs, on(aether), on(etcd))
}

function isChosen(name: string): boolean {
  return flags.only.length === 0 || flags.only.includes(name)
}
