import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { startAether, startBare } from './aether.ts'
import { deployRun, pomOf, REQUESTS_PER_DEPLOY } from './deploy.ts'
import { startNginx } from './nginx.ts'
import { type Server, store, verify } from './server.ts'
import { type Load, type Measured, runWrk } from './wrk.ts'

const KiB = 1_024
const MiB = 1_024 * KiB

/** A rate of ours held against the same rate of nginx. */
export type Comparison = {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** The least acceptable ratio. */
  readonly bar: number
  readonly requestLog: boolean
  readonly cacheBytesMax?: number
  /** Not Aether but a bare server with the same durable steps: only run when it is named. */
  readonly isBare?: boolean
  /** Called once; what it returns measures one run on one server. */
  prepare(scratch: string, servers: readonly Server[]): Promise<Workload>
}

type Workload = {
  rate(measured: Measured): number
  /** `run` is never used twice on one server. */
  begin(server: Server, run: number, durationS: number): Promise<Load>
  /** After the run: checks answers. */
  end(server: Server, run: number): Promise<void>
}

export type Pair = { readonly aether: Sample; readonly nginx: Sample; readonly ratio: number }
export type Sample = Measured & { readonly rate: number }

export type PairOptions = {
  readonly pairs: number
  readonly durationS: number
  /** For our server. */
  readonly nodeFlags: readonly string[]
}

const REPOSITORY = '/repository/releases/bench'

export const COMPARISONS: readonly Comparison[] = [
  {
    name: 'pom',
    title: 'GET a 3 KB pom, warm, no request log',
    unit: 'req/s',
    bar: 0.5,
    requestLog: false,
    prepare: (_, servers) => getting(servers, 'pom', Buffer.from(pomOf('bench', 'get', '1.0'))),
  },
  {
    name: 'pom-log',
    title: 'GET a 3 KB pom, warm, request log',
    unit: 'req/s',
    bar: 0.35,
    requestLog: true,
    prepare: (_, servers) => getting(servers, 'pom', Buffer.from(pomOf('bench', 'get', '1.0'))),
  },
  {
    name: 'jar',
    title: 'GET a 1 MB jar, warm',
    unit: 'MB/s',
    bar: 1,
    requestLog: false,
    prepare: (_, servers) => getting(servers, 'jar', randomBytes(MiB)),
  },
  {
    name: 'large',
    title: 'GET a 50 MB jar, outside the cache',
    unit: 'MB/s',
    bar: 0.8,
    requestLog: false,
    cacheBytesMax: 16 * MiB,
    prepare: (_, servers) => getting(servers, 'jar', randomBytes(50 * MiB)),
  },
  {
    name: 'put',
    title: 'PUT a 1 MB jar, hashed and synced; nginx unsynced',
    unit: 'req/s',
    bar: 0.5,
    requestLog: false,
    prepare: putting,
  },
  {
    name: 'put-bare',
    title: 'PUT a 1 MB jar to a bare Node server that hashes and syncs; nginx unsynced',
    unit: 'req/s',
    bar: 0,
    requestLog: false,
    isBare: true,
    prepare: putting,
  },
  {
    name: 'deploy',
    title: 'mvn deploy: 9 PUT and 1 GET',
    unit: 'deploys/s',
    bar: 0.5,
    requestLog: false,
    prepare: deploying,
  },
]

/**
 * Runs the alternating pairs of one comparison on servers of its own. Leaves its files below `scratchRoot`, since deleting
 * them would burden the next comparison.
 */
export async function compare(
  comparison: Comparison,
  scratchRoot: string,
  options: PairOptions,
): Promise<readonly Pair[]> {
  const scratch = await mkdtemp(join(scratchRoot, `${comparison.name}-`))
  const servers: Server[] = []
  try {
    const { requestLog, cacheBytesMax } = comparison
    const [ours, theirs] = [join(scratch, 'aether'), join(scratch, 'nginx')]
    for (const directory of [ours, theirs]) mkdirSync(directory)
    const cache = cacheBytesMax === undefined ? {} : { cacheBytesMax }
    const start = comparison.isBare ? startBare : startAether
    const { nodeFlags } = options
    const aether = await start({ directory: ours, requestLog, nodeFlags, ...cache })
    servers.push(aether)
    const nginx = await startNginx({ directory: theirs, accessLog: requestLog })
    servers.push(nginx)
    return await runPairs(await comparison.prepare(scratch, servers), aether, nginx, {
      ...options,
      scratch,
    })
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function runPairs(
  workload: Workload,
  aether: Server,
  nginx: Server,
  options: PairOptions & { scratch: string },
): Promise<readonly Pair[]> {
  let run = 0
  const measure = async (server: Server): Promise<Sample> => {
    run += 1
    const load = await workload.begin(server, run, options.durationS)
    // Nobody pays for the writes of the run before.
    execFileSync('sync', ['-f', options.scratch])
    const measured = await runWrk(server, load, options.durationS)
    await workload.end(server, run)
    return { ...measured, rate: workload.rate(measured) }
  }
  for (const server of [aether, nginx]) await measure(server)
  const pairs: Pair[] = []
  for (let count = 0; count < options.pairs; count++) {
    const order = count % 2 === 0 ? [aether, nginx] : [nginx, aether]
    const samples = new Map<Server, Sample>()
    for (const server of order) samples.set(server, await measure(server))
    const [ours, theirs] = [samples.get(aether), samples.get(nginx)]
    if (ours && theirs) pairs.push({ aether: ours, nginx: theirs, ratio: ours.rate / theirs.rate })
  }
  return pairs
}

async function getting(
  servers: readonly Server[],
  extension: string,
  body: Buffer,
): Promise<Workload> {
  const path = `${REPOSITORY}/get/1.0/get-1.0.${extension}`
  for (const server of servers) {
    await store(server, path, body)
    await verify(server, path, body)
  }
  const isSmall = body.length < 64 * KiB
  return {
    rate: (measured) => (isSmall ? measured.requestsPerSecond : measured.bytesPerSecond / 1e6),
    begin: async () => ({ script: 'get', path }),
    end: (server) => verify(server, path, body),
  }
}

async function putting(scratch: string): Promise<Workload> {
  /** Versions are spread over this many artifacts, as builds of many modules do. */
  const artifacts = 64
  const body = randomBytes(MiB)
  const bodyPath = join(scratch, 'body')
  writeFileSync(bodyPath, body)
  return {
    rate: (measured) => measured.requestsPerSecond,
    async begin(_, run) {
      const path = `${REPOSITORY}/put`
      return { script: 'put', path, args: [path, String(run), bodyPath, String(artifacts)] }
    },
    async end(server, run) {
      const sent = Buffer.from(body)
      sent.write(String(run).padStart(6, '0') + String(artifacts).padStart(10, '0'))
      const version = `${run}.${artifacts}`
      await verify(server, `${REPOSITORY}/put/a0/${version}/a0-${version}.jar`, sent)
      await server.discard(`${REPOSITORY}/put`)
    },
  }
}

async function deploying(scratch: string): Promise<Workload> {
  const runs = new Map<number, ReturnType<typeof deployRun>>()
  return {
    rate: (measured) => measured.requestsPerSecond / REQUESTS_PER_DEPLOY,
    async begin(server, run, durationS) {
      const made = deployRun(scratch, `deploy${run}`, durationS)
      runs.set(run, made)
      await made.seed(server)
      return made.load
    },
    async end(server, run) {
      await runs.get(run)?.verify(server)
      runs.delete(run)
    },
  }
}
