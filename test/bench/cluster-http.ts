import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pomOf } from './deploy.ts'
import { cpuMsOf } from './process.ts'
import { startWrk, type WrkOptions } from './wrk.ts'

/** One node or three of one cluster, as clients of the repository see them. */
export type Nodes = {
  readonly origins: readonly string[]
  pids(): readonly number[]
}

/** A kind of request to the repository, whose cost on three nodes is held against the cost on one. */
export type Workload = {
  readonly name: string
  readonly title: string
  /** The least acceptable ratio of requests per second of processor time, three nodes to one. */
  readonly bar: number
  /** What each node answers before it is measured. Three share what one has alone, and their code is compiled as they answer. */
  readonly warmRequests: number
  prepare(scratch: string): Prepared
}

type Prepared = {
  /** Once for each side. */
  begin(nodes: Nodes): Promise<void>
  /** What each client of a side runs: `run` is never used twice on one side. */
  load(origin: string, part: number, run: number): Pick<WrkOptions, 'script' | 'args' | 'url'>
  /** After a run: what was written is on every node. */
  verify(nodes: Nodes, run: number): Promise<void>
}

export type HttpSample = {
  readonly requests: number
  readonly perSecond: number
  /** Requests for each second of processor time of all nodes together, what they do afterwards included. */
  readonly perCpuSecond: number
}

/** From here on a node spends no less on a GET any more: the compiler is through with what answers it. */
const WARM_GETS = 30_000

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'get',
    title: 'GET a 3 KB pom, warm',
    bar: 0.9,
    warmRequests: WARM_GETS,
    prepare: () => getting('pom', Buffer.from(pomOf('bench', 'get', '1.0'))),
  },
  {
    name: 'get-jar',
    title: 'GET a 1 MB jar, warm',
    bar: 0.9,
    warmRequests: WARM_GETS,
    prepare: () => getting('jar', randomBytes(MiB)),
  },
  {
    name: 'put',
    title: 'PUT a 1 MB jar, W = 2 of 3',
    bar: 0.22,
    warmRequests: 250,
    prepare: putting,
  },
]

/** Clients as fast as they are answered, spread over the nodes. Throws when one request failed. */
export async function runLoad(
  nodes: Nodes,
  prepared: Prepared,
  { run, durationS }: { readonly run: number; readonly durationS: number },
): Promise<HttpSample> {
  // Nobody pays for the writes of the run before.
  execFileSync('sync')
  const { origins } = nodes
  const connections = Math.floor(CLIENTS / origins.length)
  const beforeMs = cpuMs(nodes)
  const runs = await Promise.all(
    origins.map((origin, part) => {
      const load = prepared.load(origin, part, run)
      return startWrk({ name: `node ${part + 1}`, connections, durationS, ...load }).totals
    }),
  )
  // The copies that no answer waits for are work too.
  await sleep(SETTLE_MS)
  const cpuS = (cpuMs(nodes) - beforeMs) / 1_000
  await prepared.verify(nodes, run)
  const requests = runs.reduce((sum, each) => sum + each.requests, 0)
  const perSecond = runs.reduce((sum, each) => sum + each.requests / (each.durationUs / 1e6), 0)
  return { requests, perSecond, perCpuSecond: requests / cpuS }
}

const MiB = 1_024 * 1_024

/** Divisible by three. */
const CLIENTS = 18

/** Far above what a last copy takes. */
const SETTLE_MS = 1_000

const REPOSITORY = '/repository/releases/bench'

/** Versions are spread over this many artifacts, as builds of many modules do. */
const ARTIFACTS = 64

function getting(extension: string, body: Buffer): Prepared {
  const path = `${REPOSITORY}/get/1.0/get-1.0.${extension}`
  const verify = async ({ origins }: Nodes) => {
    for (const origin of origins) await expectBytes(origin + path, body)
  }
  return {
    async begin(nodes) {
      await put(nodes.origins[0] + path, new Uint8Array(body))
      await verify(nodes)
    },
    load: (origin) => ({ script: 'get', url: origin + path }),
    verify,
  }
}

function putting(scratch: string): Prepared {
  const body = randomBytes(MiB)
  const bodyPath = join(scratch, 'body')
  writeFileSync(bodyPath, body)
  const directory = (part: number) => `${REPOSITORY}/put${part}`
  /** The script begins each body with the run and the count: different bodies of every part, too. */
  const runOf = (part: number, run: number) => 10 * run + part
  return {
    begin: async () => {},
    load: (origin, part, run) => ({
      script: 'put',
      url: origin,
      args: [directory(part), `${runOf(part, run)}`, bodyPath, `${ARTIFACTS}`],
    }),
    async verify({ origins }, run) {
      for (const part of origins.keys()) {
        const sent = Buffer.from(body)
        sent.write(String(runOf(part, run)).padStart(6, '0') + String(0).padStart(10, '0'))
        const version = `${runOf(part, run)}.0`
        for (const origin of origins) {
          await expectBytes(`${origin}${directory(part)}/a0/${version}/a0-${version}.jar`, sent)
        }
      }
    },
  }
}

/** Throws unless the bytes were taken. */
export async function put(url: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const { status } = await fetch(url, { method: 'PUT', body })
  if (status < 200 || status > 299) throw new Error(`PUT ${url} was answered ${status}`)
}

/** A fast wrong answer must not count. */
async function expectBytes(url: string, bytes: Buffer): Promise<void> {
  const answer = await fetch(url)
  const got = Buffer.from(await answer.arrayBuffer())
  if (answer.status === 200 && got.equals(bytes)) return
  throw new Error(`GET ${url} was answered ${answer.status}, with other bytes than were stored`)
}

function cpuMs(nodes: Nodes): number {
  return nodes.pids().reduce((sum, pid) => sum + cpuMsOf(pid), 0)
}
