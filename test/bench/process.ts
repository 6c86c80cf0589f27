import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'

/** The core that the measured server has to itself. */
export const SERVER_CORE = 0
/** The core of everything else: the load generator and this program. */
export const LOAD_CORE = 1

/** How long a server may take to end after SIGTERM; the bench deletes its data, so it is killed then. */
const STOP_MS = 10_000

/** Linux counts processor time in ticks of 10 ms on every architecture Node runs on. */
const TICK_MS = 10

export type SpawnOptions = {
  /** Any if absent. */
  readonly core?: number
  readonly env?: Readonly<Record<string, string>>
  readonly stdout?: number | 'ignore' | 'pipe'
  readonly stderr?: number | 'ignore' | 'pipe'
}

const running = new Set<PinnedProcess>()

/** A program, with its threads and children, held to one core if so wished. */
export class PinnedProcess {
  readonly child: ChildProcess
  readonly pid: number
  readonly #ended: Promise<unknown>

  constructor(command: readonly string[], options: SpawnOptions) {
    const { core } = options
    const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command]
    const [program = '', ...args] = pinned
    this.child = spawn(program, args, {
      stdio: ['ignore', options.stdout ?? 'ignore', options.stderr ?? 'ignore'],
      env: { ...process.env, ...options.env },
    })
    if (this.child.pid === undefined) throw new Error(`${command[0]} cannot be started`)
    this.pid = this.child.pid
    this.#ended = once(this.child, 'exit').finally(() => running.delete(this))
    running.add(this)
  }

  /** Throws when the program has ended by itself. */
  assertAlive(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`${this.child.spawnargs.join(' ')} ended with ${this.child.exitCode}`)
    }
  }

  /** Processor time used so far, children included. */
  cpuMs(): number {
    return cpuMsOf(this.pid)
  }

  /** Resident memory now, children included. */
  residentBytes(): number {
    return residentBytesOf(this.pid)
  }

  /** The most resident memory since the start or the last reset, children included. */
  residentPeakBytes(): number {
    return sum(treeOf(this.pid).map((pid) => statusBytes(pid, 'VmHWM')))
  }

  resetResidentPeak(): void {
    for (const pid of treeOf(this.pid)) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  }

  /** Resolves when the program has ended, by SIGTERM or, if that takes too long, by SIGKILL. */
  async stop(): Promise<void> {
    if (!running.has(this)) return
    const limit = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS)
    this.child.kill('SIGTERM')
    await this.#ended
    clearTimeout(limit)
  }
}

/** Ends every program started here: for a bench that is itself being ended. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((each) => each.stop()))
}

/** Processor time that a process and its children have used so far. */
export function cpuMsOf(pid: number): number {
  return sum(treeOf(pid).map(cpuMs))
}

/** Resident memory of a process and its children now. */
export function residentBytesOf(pid: number): number {
  return sum(treeOf(pid).map((each) => statusBytes(each, 'VmRSS')))
}

function treeOf(pid: number): number[] {
  const pids = [pid]
  for (const each of pids) pids.push(...childrenOf(each))
  return pids
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return list.split(' ').filter(Boolean).map(Number)
}

function cpuMs(pid: number): number {
  // The second field is the command in parentheses and may hold anything; the third follows the last parenthesis.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

function statusBytes(pid: number, key: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )
  return Number(found?.[1] ?? Number.NaN) * 1_024
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
