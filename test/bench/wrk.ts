import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, PinnedProcess } from './process.ts'
import type { Server } from './server.ts'

export type WrkOptions = {
  /** Who answers, for the person who reads that it failed. */
  readonly name: string
  /** One of our scripts; `args` are what it takes. */
  readonly script: 'get' | 'put' | 'deploy' | 'value-put' | 'etcd-put'
  readonly args?: readonly string[]
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly connections: number
  readonly durationS: number
  /** Any if absent. */
  readonly core?: number
}

/** What the scripts print; the last three not all of them do. */
export type WrkTotals = {
  readonly requests: number
  readonly durationUs: number
  readonly refused: number
  readonly broken: number
  readonly bytes?: number
  readonly p99Us?: number
  readonly latencies?: readonly (readonly [us: number, count: number])[]
}

/** `totals` rejects when one request failed or was refused, since then the rate means nothing. */
export type Wrk = { readonly program: PinnedProcess; readonly totals: Promise<WrkTotals> }

/** Clients that ask as fast as they are answered. */
export function startWrk(options: WrkOptions): Wrk {
  const { name, script, args = [], url, headers = {}, connections, durationS, core } = options
  const file = fileURLToPath(new URL(`lua/${script}.lua`, import.meta.url))
  const program = new PinnedProcess(
    [
      ...['wrk', '-t1', `-c${connections}`, `-d${durationS}s`, '--timeout', `${TIMEOUT_S}s`],
      ...Object.entries(headers).flatMap(([header, value]) => ['-H', `${header}: ${value}`]),
      ...['-s', file, url, '--', ...args],
    ],
    { stdout: 'pipe', ...(core !== undefined && { core }) },
  )
  const { stdout } = program.child
  if (stdout === null) throw new Error('the output of wrk is not piped')
  return { program, totals: text(stdout).then((output) => interpret(output, name)) }
}

/** An fsync under a full queue may take long; wrk's own limit of 2 s would count it as an error. */
const TIMEOUT_S = 30

/** Maven's resolver uses 5 connections at a time, a busy build farm several of them. */
const CONNECTIONS = 16

export type Load = Pick<WrkOptions, 'script' | 'args'> & { readonly path: string }

export type Measured = {
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
  readonly p99Ms: number
  /** Parts of one core: 1 means that the program was the limit. */
  readonly serverCpu: number
  readonly loadCpu: number
}

/** One run against a server that has its core to itself. Throws when one request failed or was refused. */
export async function measureLoad(
  server: Server,
  { path, ...load }: Load,
  durationS: number,
): Promise<Measured> {
  const { name, origin } = server
  const at = { name, url: origin + path, connections: CONNECTIONS, durationS, core: LOAD_CORE }
  const serverBeforeMs = server.process.cpuMs()
  const wrk = startWrk({ ...load, ...at })
  // The last figure before wrk ends: its process is gone when its output is.
  let loadCpuMs = 0
  const sampler = setInterval(() => {
    if (wrk.program.child.exitCode === null) loadCpuMs = wrk.program.cpuMs()
  }, 100)
  const totals = await wrk.totals.finally(() => clearInterval(sampler))
  const serverCpuMs = server.process.cpuMs() - serverBeforeMs
  server.process.assertAlive()
  const seconds = totals.durationUs / 1e6
  const { requests, bytes = Number.NaN, p99Us = Number.NaN } = totals
  return {
    requestsPerSecond: requests / seconds,
    bytesPerSecond: bytes / seconds,
    p99Ms: p99Us / 1e3,
    serverCpu: serverCpuMs / 1e3 / seconds,
    loadCpu: loadCpuMs / 1e3 / seconds,
  }
}

/** The last line is the script's. */
function interpret(output: string, name: string): WrkTotals {
  const line = output.trim().split('\n').at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`wrk failed against ${name}:\n${output}`)
  const totals = JSON.parse(line) as WrkTotals
  const { requests, bytes = 0, refused, broken } = totals
  // A large file may not be through in a short run; its bytes count all the same.
  if ((requests === 0 && bytes === 0) || refused + broken > 0) {
    throw new Error(
      `${name}: of ${requests} requests ${refused} were refused and ${broken} failed; that is no measurement`,
    )
  }
  return totals
}
