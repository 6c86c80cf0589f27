import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { err, ok, type Result } from '../base/result.ts'
import { badUsage, type Failure, fileFailure, refused } from './failure.ts'

/**
 * A cluster for trying things out: all of its nodes on this machine, their settings, secret and data in one directory.
 *
 *     cluster.json     how many nodes and on which ports: the directory is a trial's
 *     cluster.secret   what the nodes prove to know to each other
 *     n1.toml, n1/     the settings of a node, which its user may edit, and its data
 */
export type Trial = { readonly nodes: readonly TrialNode[]; readonly plan: Plan }

export type TrialNode = {
  readonly id: string
  /** The path of its settings. */
  readonly config: string
  readonly httpPort: number
  readonly clusterPort: number
}

export type Plan = { readonly nodes: number; readonly port: number }

/** Finds the trial in `directory`, or makes it there; what is missing of it is made again. */
export function openTrial(directory: string, wanted: Partial<Plan>): Result<Trial, Failure> {
  if (lastPortOf({ ...DEFAULTS, ...wanted }) > PORT_MAX) {
    return err(badUsage(`there are no ports above ${PORT_MAX}`, 'Choose a lower --port.'))
  }
  try {
    const plan = existsSync(join(directory, PLAN))
      ? readPlan(directory, wanted)
      : makePlan(directory, { ...DEFAULTS, ...wanted })
    if (!plan.ok) return plan
    const nodes = nodesOf(resolve(directory), plan.value)
    writeMissing(join(directory, SECRET), `${randomBytes(SECRET_BYTES).toString('hex')}\n`)
    for (const node of nodes) writeMissing(node.config, settingsOf(node, nodes))
    return ok({ nodes, plan: plan.value })
  } catch (error) {
    return err(fileFailure(directory, error))
  }
}

const DEFAULTS: Plan = { nodes: 3, port: 8080 }

const PORT_MAX = 65_535

/** Where the ports of node to node begin, above those of HTTP: 8090 beside 8080. */
const CLUSTER_PORT_OFFSET = 10

const PLAN = 'cluster.json'
const PLAN_FORMAT = 1
const SECRET = 'cluster.secret'

/** Twice what a node asks for at least. */
const SECRET_BYTES = 32

function readPlan(directory: string, wanted: Partial<Plan>): Result<Plan, Failure> {
  const path = join(directory, PLAN)
  const plan = parsePlan(readFileSync(path, 'utf8'))
  if (plan === undefined) {
    return err(
      refused(`${path} is no plan of this version`, 'Choose another directory with --data.'),
    )
  }
  const { nodes, port } = plan
  const isSame = (wanted.nodes ?? nodes) === nodes && (wanted.port ?? port) === port
  if (isSame) return ok(plan)
  return err(
    badUsage(
      `${directory} holds a cluster of ${nodes} nodes on the ports from ${port}, which it keeps`,
      'Leave out --nodes and --port to start that one, or choose another directory with --data.',
    ),
  )
}

function parsePlan(text: string): Plan | undefined {
  try {
    const { format, nodes, port } = JSON.parse(text) as { readonly format: number } & Plan
    return format === PLAN_FORMAT ? { nodes, port } : undefined
  } catch {
    return undefined
  }
}

function makePlan(directory: string, plan: Plan): Result<Plan, Failure> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = readdirSync(directory)
  if (found.length > 0) {
    const what = found.includes('engine') ? 'the data of a single node' : 'other files'
    return err(
      refused(
        `${directory} holds ${what} and no cluster`,
        'Choose a new directory for the cluster: aether cluster start --data <directory>.',
      ),
    )
  }
  const text = JSON.stringify({ format: PLAN_FORMAT, ...plan })
  writeFileSync(join(directory, PLAN), `${text}\n`, { flag: 'wx' })
  return ok(plan)
}

function lastPortOf({ nodes, port }: Plan): number {
  return port + CLUSTER_PORT_OFFSET + nodes - 1
}

function nodesOf(directory: string, { nodes, port }: Plan): readonly TrialNode[] {
  return Array.from({ length: nodes }, (_, at) => {
    const id = `n${at + 1}`
    const httpPort = port + at
    const clusterPort = httpPort + CLUSTER_PORT_OFFSET
    return { id, config: join(directory, `${id}.toml`), httpPort, clusterPort }
  })
}

function settingsOf({ id, config, httpPort }: TrialNode, nodes: readonly TrialNode[]): string {
  const peers = nodes.map((node) => `${node.id} = "127.0.0.1:${node.clusterPort}"`)
  // A path as JSON is a TOML string too.
  return `# One of ${nodes.length} nodes on this machine, made by aether cluster start.
data = ${JSON.stringify(config.replace(/\.toml$/, ''))}
port = ${httpPort}
request_log = false

[cluster]
id = "${id}"
secret_file = "${SECRET}"

[cluster.peers]
${peers.join('\n')}
`
}

function writeMissing(path: string, text: string): void {
  if (!existsSync(path)) writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
}
