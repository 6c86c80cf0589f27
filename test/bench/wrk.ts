import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, PinnedProcess } from './process.ts'
import type { Server } from './server.ts'

/** Maven's resolver uses 5 connections at a time, a busy build farm several of them. */
const CONNECTIONS = 16
/** An fsync under a full queue may take long; wrk's own limit of 2 s would count it as an error. */
const TIMEOUT_S = 30

export type Load = {
  readonly script: 'get' | 'put' | 'deploy'
  readonly path: string
  readonly args?: readonly string[]
}

export type Measured = {
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
  readonly p99Ms: number
  /** Parts of one core: 1 means that the program was the limit. */
  readonly serverCpu: number
  readonly loadCpu: number
}

/** Runs wrk once. Throws when one request failed or was refused, since then the rate means nothing. */
export async function runWrk(server: Server, load: Load, durationS: number): Promise<Measured> {
  const script = fileURLToPath(new URL(`lua/${load.script}.lua`, import.meta.url))
  const args = load.args ?? []
  const wrk = new PinnedProcess(
    [
      ...['wrk', '-t1', `-c${CONNECTIONS}`, `-d${durationS}s`, '--timeout', `${TIMEOUT_S}s`],
      ...['-s', script, server.origin + load.path, '--', ...args],
    ],
    { core: LOAD_CORE, stdout: 'pipe' },
  )
  const { stdout } = wrk.child
  if (stdout === null) throw new Error('the output of wrk is not piped')
  // The last figure before wrk ends: its process is gone when its output is.
  let loadCpuMs = 0
  const sampler = setInterval(() => {
    if (wrk.child.exitCode === null) loadCpuMs = wrk.cpuMs()
  }, 100)
  const serverBeforeMs = server.process.cpuMs()
  const output = await text(stdout)
  clearInterval(sampler)
  const serverCpuMs = server.process.cpuMs() - serverBeforeMs
  server.process.assertAlive()
  return interpret(output, server.name, { serverCpuMs, loadCpuMs })
}

function interpret(
  output: string,
  name: string,
  cpu: { serverCpuMs: number; loadCpuMs: number },
): Measured {
  const line = output.trim().split('\n').at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`wrk failed against ${name}:\n${output}`)
  const totals = JSON.parse(line) as Record<string, number>
  const { requests = 0, bytes = 0, durationUs = 0, p99Us = 0, refused = 0, broken = 0 } = totals
  // A large file may not be through in a short run; its bytes count all the same.
  if (bytes === 0 || refused + broken > 0) {
    throw new Error(
      `${name}: of ${requests} requests ${refused} were refused and ${broken} failed; that is no measurement`,
    )
  }
  const seconds = durationUs / 1e6
  return {
    requestsPerSecond: requests / seconds,
    bytesPerSecond: bytes / seconds,
    p99Ms: p99Us / 1e3,
    serverCpu: cpu.serverCpuMs / 1e3 / seconds,
    loadCpu: cpu.loadCpuMs / 1e3 / seconds,
  }
}
