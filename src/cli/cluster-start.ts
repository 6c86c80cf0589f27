import { createServer } from 'node:net'
import { relative } from 'node:path'
import { err, ok, type Result } from '../base/result.ts'
import { type Failure, refused } from './failure.ts'
import { readableLine } from './log-line.ts'
import type { Surroundings } from './session.ts'
import { openTrial, type Trial, type TrialNode } from './trial.ts'
import { type End, TrialProcess } from './trial-node.ts'

export type ClusterStartFlags = {
  readonly data?: string
  readonly nodes?: number
  readonly port?: number
}

/**
 * `aether cluster start`: runs all nodes of a trial until a signal ends them, or all of them have ended by themselves; gives
 * the exit code. A node that ends is reported and not started again: whoever tries out a failure wants to see it.
 */
export async function clusterStart(
  flags: ClusterStartFlags,
  json: boolean,
  surroundings: Surroundings,
): Promise<Result<number, Failure>> {
  const { data = 'data', ...wanted } = flags
  const trial = openTrial(data, wanted)
  if (!trial.ok) return trial
  const refusal = await refusePorts(trial.value)
  if (refusal !== undefined) return err(refusal)
  return ok(await new TrialRun(trial.value, json, surroundings).untilStopped())
}

class TrialRun {
  readonly #surroundings: Surroundings
  readonly #json: boolean
  readonly #processes: readonly TrialProcess[]
  #isStopping = false

  constructor({ nodes }: Trial, json: boolean, surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#json = json
    const { env, stderr } = surroundings
    this.#processes = nodes.map((node, at) => {
      const label = labelOf(node, at, stderr.isTTY === true && !env['NO_COLOR'])
      return new TrialProcess(node, env, (line) => stderr.write(`${label} ${readableLine(line)}\n`))
    })
  }

  async untilStopped(): Promise<number> {
    const stop = () => {
      this.#isStopping = true
      for (const process of this.#processes) process.stop()
    }
    // On every signal and not only on the first, so that the second Ctrl-C ends it at once.
    for (const signal of SIGNALS) process.on(signal, stop)
    void this.#welcome()
    const obeyed = await Promise.all(this.#processes.map((process) => this.#watch(process)))
    for (const signal of SIGNALS) process.off(signal, stop)
    return this.#isStopping && !obeyed.includes(false) ? 0 : 1
  }

  /** Whether it ended as it was told. */
  async #watch({ node, ended }: TrialProcess): Promise<boolean> {
    const end = await ended
    if (this.#isStopping) return end.code === 0
    this.#surroundings.stderr.write(
      `aether: ${node.id} has ended with ${describe(end)}, the others go on\n` +
        `  Start it again: aether start --config ${shortest(node.config)}\n`,
    )
    return true
  }

  /** Once each node either serves or has ended. */
  async #welcome(): Promise<void> {
    const settled = this.#processes.map(async ({ node, announced, ended }) => {
      const first = await Promise.race([announced, ended])
      return 'url' in first ? [{ id: node.id, ...first }] : []
    })
    const serving = (await Promise.all(settled)).flat()
    if (this.#isStopping || serving.length === 0) return
    const nodes = serving.map(({ id, url }) => ({ id, url }))
    const token = serving.find((node) => node.token !== undefined)?.token
    const text = this.#json
      ? JSON.stringify({ nodes, token }, null, 2)
      : welcome(nodes, token, this.#processes.length)
    this.#surroundings.stdout.write(`${text}\n`)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Cyan, yellow, magenta, green, blue: readable on dark and on light. */
const COLOURS = [36, 33, 35, 32, 34]

function labelOf({ id }: TrialNode, at: number, isColoured: boolean): string {
  return isColoured ? `\x1b[${COLOURS[at % COLOURS.length]}m${id} |\x1b[0m` : `${id} |`
}

/** From here, if it is below. */
function shortest(path: string): string {
  const fromHere = relative('', path)
  return fromHere.startsWith('..') ? path : fromHere
}

function describe({ code, signal }: End): string {
  return signal === null ? `exit code ${code}` : signal
}

function welcome(
  nodes: readonly { readonly id: string; readonly url: string }[],
  token: string | undefined,
  planned: number,
): string {
  const [first] = nodes
  const tokenLines = [
    '',
    'The token of the administrator, shown this once and kept only as a digest:',
    `    export AETHER_TOKEN=${token}`,
  ]
  return [
    `${nodes.length} of ${planned} nodes are up:`,
    ...nodes.map(({ id, url }) => `    ${id}  ${url}`),
    ...(token === undefined ? [] : tokenLines),
    '',
    'From another terminal:',
    `    aether cluster status --server ${first?.url}`,
    `    aether deploy my-app.jar --server ${first?.url}`,
    `    curl ${first?.url}/        what to paste into pom.xml, settings.xml and build.gradle`,
    '',
    'Every node has all artifacts: deploy to any of them, resolve from any other.',
    'Ctrl-C stops all; the same command starts them again with what they hold.',
  ].join('\n')
}

/** A port that is taken is said before anything is started, and once. */
async function refusePorts({ nodes, plan }: Trial): Promise<Failure | undefined> {
  const ports = nodes.flatMap(({ httpPort, clusterPort }) => [httpPort, clusterPort])
  for (const port of ports) {
    const reason = await portRefusal(port)
    if (reason === undefined) continue
    const all = `${ports.sort((a, b) => a - b).join(', ')}`
    return refused(
      `the port ${port} ${reason}; ${plan.nodes} nodes take ${all}`,
      'If this cluster runs already: aether cluster status. Otherwise stop the other program, or begin anew with another --port and --data.',
    )
  }
  return undefined
}

function portRefusal(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${code})`),
    )
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(undefined)))
  })
}
