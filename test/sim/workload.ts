/** Clients of a cluster: each works on shared registers, one operation at a time, and writes down what it saw and when. */
import type { NodeId } from '../../src/base/ids.ts'
import type { Effect, Outcome } from '../../src/cluster/rabia/index.ts'
import type { Cluster, Observer } from './cluster.ts'
import type { Operation } from './linearizability.ts'
import type { Random } from './random.ts'
import { encodeCommand, type RegisterInput, type RegisterOutput } from './register.ts'
import { MILLISECOND, SECOND } from './world.ts'

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>

export type WorkloadOptions = {
  readonly clients: number
  readonly keys: number
  readonly thinkUs: readonly [number, number]
  /** The nodes a client turns to; all of them if absent. */
  readonly nodes?: readonly NodeId[]
}

export class Workload implements Observer {
  /** Operations that have ended, and those whose outcome will not be known. */
  readonly history: RegisterOperation[] = []
  readonly replies = { applied: 0, read: 0, busy: 0, unknown: 0, retried: 0 }
  readonly #cluster: Cluster
  readonly #options: WorkloadOptions
  readonly #open = new Map<string, Attempts>()
  #isStopping = false
  #operations = 0

  constructor(cluster: Cluster, options: WorkloadOptions) {
    this.#cluster = cluster
    this.#options = options
    cluster.observers.push(this)
  }

  /** Operations under way. */
  get open(): number {
    return this.#open.size
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i++) {
      const random = this.#cluster.world.random.split(`client ${i}`)
      this.#think({ name: `c${i}`, random, identity: 0, seq: 0 })
    }
  }

  /** No new operations; those under way come to their end. */
  stop(): void {
    this.#isStopping = true
  }

  effect(node: NodeId, effect: Effect): void {
    if (effect.kind === 'reply') this.#replied(`${effect.client}/${effect.seq}`, effect.outcome)
    if (effect.kind !== 'readable') return
    const attempts = this.#open.get(`read/${effect.id}`)
    if (attempts === undefined) return
    this.replies.read++
    this.#finish(attempts, this.#cluster.process(node)!.registers.read(attempts.input.key))
  }

  #think(client: Client): void {
    const { world } = this.#cluster
    const [min, max] = this.#options.thinkUs
    const think = client.random.skewed(min, max)
    // Many act on the same beat, so that nodes have different things to propose at one time.
    const toBeat = client.random.chance(ON_BEAT) ? BEAT_US - ((world.now + think) % BEAT_US) : 0
    world.schedule(think + toBeat, () => {
      if (!this.#isStopping) this.#begin(client)
    })
  }

  #begin(client: Client): void {
    const { random } = client
    const key = `k${random.int(1, this.#options.keys)}`
    const number = ++this.#operations
    const input = draw(random, key, String(number), this.#lastValue(key))
    const isRead = input.kind === 'get' && random.chance(0.7)
    if (!isRead) client.seq++
    const attempts: Attempts = {
      client,
      input,
      tag: isRead ? `read/${number}` : `${client.name}.${client.identity}/${client.seq}`,
      read: isRead ? number : undefined,
      called: this.#cluster.world.now,
      count: 0,
    }
    this.#open.set(attempts.tag, attempts)
    this.#attempt(attempts)
  }

  /** A value that was there not long ago, so that some swaps succeed. */
  #lastValue(key: string): string {
    const recent = this.history.findLast(({ input }) => input.key === key && input.kind !== 'get')
    return recent?.input.kind === 'get' ? '' : (recent?.input.value ?? '')
  }

  #attempt(attempts: Attempts): void {
    const { world } = this.#cluster
    const { client, input, tag } = attempts
    if (this.#open.get(tag) !== attempts) return
    if (world.now - attempts.called > PATIENCE_US) {
      this.#giveUp(attempts)
      return
    }
    if (attempts.count++ > 0) this.replies.retried++
    const node = client.random.pick(this.#options.nodes ?? this.#cluster.roster)
    world.schedule(client.random.skewed(50, 500), () => {
      const machine = this.#cluster.machine(node)
      if (attempts.read !== undefined) machine.input({ kind: 'read', id: attempts.read })
      else {
        const name = `${client.name}.${client.identity}`
        const command = encodeCommand(tag, input)
        machine.input({ kind: 'request', request: { client: name, seq: client.seq, command } })
      }
    })
    world.schedule(ATTEMPT_US, () => this.#attempt(attempts))
  }

  #replied(tag: string, outcome: Outcome): void {
    const attempts = this.#open.get(tag)
    if (attempts === undefined) return
    switch (outcome.kind) {
      case 'applied':
        this.replies.applied++
        this.#finish(attempts, outcome.result)
        return
      case 'busy':
        this.replies.busy++
        return
      default:
        throw new Error(`${tag} was answered ${outcome.kind}, but no later request was sent`)
    }
  }

  #finish(attempts: Attempts, output: RegisterOutput): void {
    const { input, called, client, tag } = attempts
    this.#open.delete(tag)
    const returned = this.#cluster.world.now
    this.history.push({ input, called, returned, output })
    this.#cluster.world.trace(`${tag} ${input.kind} ${input.key} is ${output}`)
    this.#think(client)
  }

  /** The outcome stays unknown. The client goes on as a new one, since an old request of its may still be carried out. */
  #giveUp(attempts: Attempts): void {
    const { input, called, client, tag } = attempts
    this.#open.delete(tag)
    this.replies.unknown++
    if (input.kind !== 'get') this.history.push({ input, called })
    client.identity++
    client.seq = 0
    this.#think(client)
  }
}

type Client = { readonly name: string; readonly random: Random; identity: number; seq: number }

/** One operation, asked for again and again until somebody answers. */
type Attempts = {
  readonly client: Client
  readonly input: RegisterInput
  /** Names the operation and, for the log, its request. */
  readonly tag: string
  /** Of a read that does not go through the log. */
  readonly read: number | undefined
  readonly called: number
  count: number
}

const ON_BEAT = 0.7
const BEAT_US = 200 * MILLISECOND
const ATTEMPT_US = 700 * MILLISECOND
const PATIENCE_US = 12 * SECOND

function draw(random: Random, key: string, value: string, expected: string): RegisterInput {
  const kind = random.pick(['get', 'put', 'put', 'swap'] as const)
  if (kind === 'get') return { kind, key }
  return kind === 'put' ? { kind, key, value } : { kind, key, expected, value }
}
