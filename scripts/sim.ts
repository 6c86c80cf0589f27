/**
 * npm run sim -- [--seeds N] [--seed S] [--nodes] [--faults 1,2|none] [--trace]
 *
 * Simulates N seeds of the log from S on, each twice, on all cores, and of every tenth one whole nodes. With `--nodes` all seeds
 * are of whole nodes and no others. `--trace` prints every event of one seed.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { simulatePlatform } from '../test/sim/node/platform-simulation.ts'
import { PlatformSummary } from '../test/sim/node/platform-summary.ts'
import { type PlatformTrial, tryPlatformTwice } from '../test/sim/node/platform-trial.ts'
import { simulate } from '../test/sim/simulation.ts'
import { Summary } from '../test/sim/summary.ts'
import { type Trial, tryTwice } from '../test/sim/trial.ts'

const SEEDS = 1_000

/** One history of whole nodes for so many of the log. */
const NODES_EVERY = 10

/** Room for a whole history, so that little of it is ever copied by the garbage collector. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 64 }

/** A seed to try in a worker, and what came of it. */
type Task = {
  readonly seed: number
  readonly kept: readonly number[] | undefined
  readonly ofNodes: boolean
}
type Tried =
  | { readonly ofNodes: true; readonly trial: PlatformTrial }
  | { readonly ofNodes: false; readonly trial: Trial }

if (isMainThread) await main()
else parentPort?.on('message', async (task: Task) => parentPort?.postMessage(await tryOne(task)))

async function tryOne({ seed, kept, ofNodes }: Task): Promise<Tried> {
  if (ofNodes) return { ofNodes, trial: await tryPlatformTwice(seed, kept) }
  return { ofNodes, trial: await tryTwice(seed, kept) }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      nodes: { type: 'boolean', default: false },
      faults: { type: 'string' },
      trace: { type: 'boolean', default: false },
    },
  })
  const first = Number(values.seed ?? 1)
  const isOne = values.seed !== undefined
  const count = Number(values.seeds ?? (isOne ? 1 : SEEDS))
  const kept = values.faults === undefined ? undefined : parsePlaces(values.faults)
  if (values.trace) await trace({ seed: first, kept, ofNodes: values.nodes })
  const seeds = Array.from({ length: count }, (_, i) => first + i)
  const ofLog = values.nodes ? [] : seeds
  const ofNodes = values.nodes ? seeds : seeds.filter((seed) => !isOne && seed % NODES_EVERY === 0)
  const tasks = [
    ...ofNodes.map((seed) => ({ seed, kept, ofNodes: true })),
    ...ofLog.map((seed) => ({ seed, kept, ofNodes: false })),
  ]
  await tryAll(tasks)
}

async function tryAll(tasks: Task[]): Promise<void> {
  const started = performance.now()
  const log = new Summary()
  const nodes = new PlatformSummary()
  await share(tasks, (tried) => {
    const { history, failure, replay } = tried.trial
    if (tried.ofNodes) nodes.add(tried.trial)
    else log.add(tried.trial)
    if (failure !== undefined) console.log(`seed ${history.seed}: ${failure}\n  ${replay}`)
  })
  const { user, system } = process.cpuUsage()
  if (nodes.seeds > 0) console.log(nodes.text())
  const seconds = (performance.now() - started) / 1_000
  if (log.seeds > 0) console.log(log.text(seconds, (user + system) / 1e6))
  if (log.failed + nodes.failed > 0) process.exitCode = 1
}

async function trace({ seed, kept, ofNodes }: Task): Promise<void> {
  const keep = (_: unknown, place: number) => kept?.includes(place) ?? true
  const watch = (line: string) => console.log(line)
  if (ofNodes) await simulatePlatform({ seed, keep, watch })
  else simulate({ seed, keep, watch })
}

function parsePlaces(text: string): readonly number[] {
  return text === 'none' ? [] : text.split(',').map(Number)
}

/** Hands out the tasks, each worker one at a time. */
async function share(tasks: Task[], done: (tried: Tried) => void): Promise<void> {
  const workers = Math.min(availableParallelism(), tasks.length)
  await Promise.all(
    Array.from({ length: workers }, () => {
      const worker = new Worker(new URL(import.meta.url), {
        argv: [],
        resourceLimits: RESOURCE_LIMITS,
      })
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      function next(): void {
        const task = tasks.shift()
        if (task === undefined) worker.terminate().then(() => resolve(), reject)
        else worker.postMessage(task)
      }
      worker.on('error', reject)
      worker.on('message', (tried: Tried) => {
        done(tried)
        next()
      })
      next()
      return promise
    }),
  )
}
