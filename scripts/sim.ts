/**
 * npm run sim -- [--seeds N] [--seed S] [--faults 1,2|none] [--trace]
 *
 * Simulates N seeds from S on, each twice, on all cores. `--trace` prints every event of one seed.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { simulate } from '../test/sim/simulation.ts'
import { Summary } from '../test/sim/summary.ts'
import { type Trial, tryTwice } from '../test/sim/trial.ts'

const SEEDS = 1_000

/** Room for a whole history, so that little of it is ever copied by the garbage collector. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 64 }

/** A seed to try in a worker, and what came of it. */
type Task = { readonly seed: number; readonly kept: readonly number[] | undefined }

if (isMainThread) await main()
else
  parentPort?.on('message', ({ seed, kept }: Task) => parentPort?.postMessage(tryTwice(seed, kept)))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      trace: { type: 'boolean', default: false },
    },
  })
  const first = Number(values.seed ?? 1)
  const count = Number(values.seeds ?? (values.seed === undefined ? SEEDS : 1))
  const kept = values.faults === undefined ? undefined : parsePlaces(values.faults)
  if (values.trace) trace(first, kept)
  const tasks = Array.from({ length: count }, (_, i) => ({ seed: first + i, kept }))
  const started = performance.now()
  const summary = new Summary()
  await share(tasks, (trial) => {
    summary.add(trial)
    if (trial.failure !== undefined)
      console.log(`seed ${trial.history.seed}: ${trial.failure}\n  ${trial.replay}`)
  })
  const { user, system } = process.cpuUsage()
  console.log(summary.text((performance.now() - started) / 1_000, (user + system) / 1e6))
  if (summary.failed > 0) process.exitCode = 1
}

function trace(seed: number, kept: readonly number[] | undefined): void {
  const keep = (_: unknown, place: number) => kept?.includes(place) ?? true
  simulate({ seed, keep, watch: (line) => console.log(line) })
}

function parsePlaces(text: string): readonly number[] {
  return text === 'none' ? [] : text.split(',').map(Number)
}

/** Hands out the tasks, each worker one at a time. */
async function share(tasks: Task[], done: (trial: Trial) => void): Promise<void> {
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
      worker.on('message', (trial: Trial) => {
        done(trial)
        next()
      })
      next()
      return promise
    }),
  )
}
