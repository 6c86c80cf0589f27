/** Clients of the control store over HTTP, each with one request at a time, and the history of what they saw. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterNode, type HttpAnswer, sendRequest } from '../fixture/cluster.ts'
import type { Random } from '../sim/random.ts'
import type { Expected, Found, StoreInput, StoreOperation, StoreOutput } from './history.ts'

export type WorkloadOptions = {
  readonly random: Random
  readonly clients: number
  /** Part of every key, so that several workloads do not meet. */
  readonly name: string
  /** The nodes to turn to now. */
  nodes(): readonly ClusterNode[]
  credentials(): Readonly<Record<string, string>>
  /** The longest pause between two operations of a client. */
  readonly thinkMs?: number
  readonly timeoutMs?: number
}

export type Outcomes = { answered: number; refused: number; unknown: number; strange: string[] }

export class Workload {
  readonly history: StoreOperation[] = []
  readonly outcomes: Outcomes = { answered: 0, refused: 0, unknown: 0, strange: [] }
  /** When writes were answered, in milliseconds. */
  readonly commits: number[] = []
  readonly #options: WorkloadOptions
  readonly #keys = new Set<string>()
  readonly #agent = new Agent({ keepAlive: true })
  readonly #beginMs = performance.now()
  #running: Promise<void>[] = []
  #isStopping = false
  #values = 0

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  start(): void {
    const { clients, random } = this.#options
    for (let client = 0; client < clients; client++)
      this.#running.push(this.#work(random.split(`client ${client}`)))
  }

  /** Resolves when the last operation has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#running)
    this.#running = []
  }

  /** Reads every key ever used through every node, as part of the history; returns how many reads were not answered. */
  async readAll(nodes: readonly ClusterNode[]): Promise<number> {
    let missed = 0
    for (const key of this.#keys) {
      const outputs = await Promise.all(
        nodes.map((node) => this.#perform({ kind: 'get', key }, node)),
      )
      missed += outputs.filter((output) => output === undefined).length
    }
    return missed
  }

  close(): void {
    this.#agent.destroy()
  }

  async #work(random: Random): Promise<void> {
    /** What this client last saw of the key, to build its conditions on. */
    const seen = new Map<string, Found | undefined>()
    let node: ClusterNode | undefined
    while (!this.#isStopping) {
      const nodes = this.#options.nodes()
      if (node === undefined || !nodes.includes(node) || random.chance(0.02))
        node = random.pick(nodes)
      const input = this.#choose(random, seen)
      const output = await this.#perform(input, node)
      if (output === undefined) {
        // The next one may do better.
        node = undefined
        seen.delete(input.key)
        await sleep(random.int(20, 100))
      } else {
        remember(seen, input, output)
      }
      await sleep(random.next() * (this.#options.thinkMs ?? THINK_MS))
    }
  }

  #choose(random: Random, seen: ReadonlyMap<string, Found | undefined>): StoreInput {
    const draw = random.next()
    if (draw < OLD_READS && this.#keys.size > 0)
      return { kind: 'get', key: random.pick([...this.#keys]) }
    const generation = Math.floor((performance.now() - this.#beginMs) / GENERATION_MS)
    const key = `${this.#options.name}/${generation}-${random.int(1, KEYS)}`
    this.#keys.add(key)
    if (draw < 0.4) return { kind: 'get', key }
    const expected = seen.has(key) && random.chance(0.6) ? expectedOf(seen.get(key)) : undefined
    const condition = expected === undefined ? {} : { expected }
    if (draw < 0.45 && expected !== 'absent') return { kind: 'delete', key, ...condition }
    return { kind: 'put', key, value: `v${++this.#values}`, ...condition }
  }

  /** Undefined when it was refused or got no answer. */
  async #perform(input: StoreInput, node: ClusterNode): Promise<StoreOutput | undefined> {
    const called = performance.now()
    const answer = await sendRequest(`${node.origin}/api/v1/control/user/${input.key}`, {
      ...requestOf(input, this.#options.credentials()),
      agent: this.#agent,
      timeoutMs: this.#options.timeoutMs ?? TIMEOUT_MS,
    }).catch((cause: NodeJS.ErrnoException) => cause)
    const returned = performance.now()
    if (isRefused(answer)) {
      this.outcomes.refused++
      return undefined
    }
    const output = answer instanceof Error ? undefined : outputOf(input, answer)
    if (output === undefined) {
      if (!(answer instanceof Error) && answer.status !== 504)
        this.outcomes.strange.push(`${input.kind} ${input.key}: ${answer.status} ${answer.body}`)
      this.outcomes.unknown++
      // A read without an answer says nothing.
      if (input.kind !== 'get') this.history.push({ input, called })
      return undefined
    }
    this.outcomes.answered++
    if (output.kind === 'written') this.commits.push(returned)
    this.history.push({ input, called, returned, output })
    return output
  }
}

/** Keys in use at a time; new ones come regularly, so that each has a history short enough to be checked. */
const KEYS = 6
const GENERATION_MS = 3_000

/** Part of the operations that reads a key of any time: what was written long ago must still be there. */
const OLD_READS = 0.1

const THINK_MS = 20

/** A node that does not answer for that long is left for another one. */
const TIMEOUT_MS = 2_000

/** Values are padded to this length, that of the benchmark. */
const VALUE_LENGTH = 256

/** Surely not done: the node says so, or nobody was there to take it. */
function isRefused(answer: HttpAnswer | NodeJS.ErrnoException): boolean {
  return answer instanceof Error ? answer.code === 'ECONNREFUSED' : answer.status === 503
}

function requestOf(input: StoreInput, credentials: Readonly<Record<string, string>>) {
  const headers: Record<string, string> = { ...credentials }
  if (input.kind === 'get') return { headers }
  const { expected } = input
  if (expected === 'absent') headers['If-None-Match'] = '*'
  else if (expected !== undefined) headers['If-Match'] = `"${expected.revision}"`
  if (input.kind === 'delete') return { method: 'DELETE', headers }
  return { method: 'PUT', headers, body: input.value.padEnd(VALUE_LENGTH, '.') }
}

function outputOf(input: StoreInput, { status, etag, body }: HttpAnswer): StoreOutput | undefined {
  const revision = etag === undefined ? undefined : Number(JSON.parse(etag))
  if (input.kind === 'get') {
    if (status === 404) return { kind: 'found', found: undefined }
    if (status !== 200 || revision === undefined) return undefined
    // Anything but the padding stays, and no write explains it.
    const value = body.length === VALUE_LENGTH ? body.replace(/\.+$/, '') : body
    return { kind: 'found', found: { value, revision } }
  }
  if (status === 412) return { kind: 'conflict', current: revision }
  if (status !== 204 && status !== 200 && status !== 201) return undefined
  return { kind: 'written', revision: input.kind === 'put' ? revision : undefined }
}

function expectedOf(found: Found | undefined): Expected {
  return found ?? 'absent'
}

function remember(
  seen: Map<string, Found | undefined>,
  input: StoreInput,
  output: StoreOutput,
): void {
  if (output.kind === 'found') seen.set(input.key, output.found)
  else if (output.kind === 'conflict') seen.delete(input.key)
  else if (input.kind === 'delete') seen.set(input.key, undefined)
  else if (input.kind === 'put' && output.revision !== undefined)
    seen.set(input.key, { value: input.value, revision: output.revision })
}
