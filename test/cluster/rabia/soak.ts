/**
 * A cluster under a random schedule of requests, retries, crashes and restarts, late and lost and repeated messages, slow
 * disks, snapshots and, if asked for, changes of its members. Checked after every event; at the end everything runs again and
 * all nodes must come to the same state.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { Effect, RabiaLimits } from '../../../src/cluster/rabia/index.ts'
import { Cluster } from './fixture.ts'
import { random } from './random.ts'

export type Soak = {
  readonly members: readonly NodeId[]
  readonly seed: number
  readonly events: number
  /** Nodes that may become members. */
  readonly candidates?: readonly NodeId[]
  /** Those of them that begin with nothing. */
  readonly joiners?: readonly NodeId[]
  readonly limits?: Partial<RabiaLimits>
}

/** Throws at the first property that does not hold. Returns how many slots there were. */
export function soak(options: Soak): number {
  return new Soaking(options).run()
}

class Soaking {
  readonly #cluster: Cluster
  readonly #nodes: readonly NodeId[]
  readonly #events: number
  readonly #next: () => number
  readonly #canChange: boolean
  #members: readonly NodeId[]
  #clients = 0
  /** Snapshots restored, at a start or later. */
  jumps = 0
  readonly #slots = new Map<number, string>()
  readonly #said = new Map<string, string>()
  readonly #answered = new Set<string>()

  constructor({ members, seed, events, candidates = [], joiners = [], limits = {} }: Soak) {
    this.#nodes = [...members, ...candidates]
    this.#members = members
    this.#canChange = candidates.length > 0
    this.#events = events
    this.#next = random(seed * 31 + this.#nodes.length)
    this.#cluster = new Cluster(members, { nodes: this.#nodes, joiners, limits })
  }

  run(): number {
    for (let event = 0; event < this.#events; event++) {
      this.#happen()
      this.#check()
    }
    for (const node of this.#nodes) if (!this.#cluster.host(node).isUp) this.#cluster.start(node)
    this.#cluster.heal()
    this.#check()
    this.#checkEnd()
    return this.#slots.size
  }

  #happen(): void {
    const cluster = this.#cluster
    const node = this.#pick(this.#nodes)
    const { isUp } = cluster.host(node)
    const chance = this.#next()
    if (chance < 0.01) {
      if (!isUp) cluster.start(node)
      else if (this.#next() < 0.2) this.#crash(node)
    } else if (chance < 0.02) {
      if (isUp) cluster.save(node)
    } else if (chance < 0.05) {
      if (isUp) this.#request(node)
    } else if (chance < 0.1) {
      cluster.tick([node])
    } else if (chance < 0.4) {
      if (isUp) cluster.sync(node)
    } else if (cluster.packets.length > 0) {
      const index = Math.floor(this.#next() * Math.min(cluster.packets.length, 20))
      if (chance < 0.45) cluster.packets.push(cluster.packets[index]!)
      else if (chance < 0.5) cluster.packets.splice(index, 1)
      else cluster.deliver(index)
    }
  }

  /** A write, and a snapshot, may be on the disk without the node ever hearing of it. */
  #crash(node: NodeId): void {
    if (this.#next() < 0.5) this.#cluster.save(node, false)
    this.#cluster.crash(node, Math.floor(this.#next() * 3))
  }

  /** A new client, an earlier one again through any node, or another electorate. */
  #request(node: NodeId): void {
    const chance = this.#next()
    if (this.#canChange && chance < 0.1) {
      const other = this.#pick(this.#nodes)
      const without = this.#members.filter((member) => member !== other)
      const next = without.length < this.#members.length ? without : [...without, other]
      if (next.length === 0) return
      this.#members = next
      this.#cluster.request(node, `client ${++this.#clients}`, `members ${next} ${this.#clients}`)
      return
    }
    const client =
      chance < 0.3 && this.#clients > 0 ? this.#pick([this.#clients, 1]) : ++this.#clients
    this.#cluster.request(node, `client ${client}`, `command ${client}`)
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#next() * from.length)]!
  }

  #check(): void {
    for (const { node, effect } of this.#cluster.effects.splice(0)) {
      if (effect.kind === 'violation') throw new Error('a member is seen to say two things')
      if (effect.kind === 'fatal') throw new Error(`${node} is told that it has lost ballots`)
      if (effect.kind === 'restored') this.#checkRestored(effect)
      if (effect.kind === 'send') this.#checkSend(node, effect)
      if (effect.kind === 'reply' && effect.outcome.kind === 'applied')
        this.#answered.add(effect.client)
      if (effect.kind === 'applied') {
        const now = `${effect.batch} ${effect.digest}`
        const before = this.#slots.get(effect.slot) ?? now
        if (before !== now)
          throw new Error(`agreement: slot ${effect.slot} is ${before} and ${now}`)
        this.#slots.set(effect.slot, now)
      }
    }
    for (const node of this.#nodes) {
      const applied = this.#cluster.applied(node)
      if (new Set(applied).size < applied.length) throw new Error(`exactly once: ${applied}`)
    }
  }

  #checkRestored({ slot, digest }: Extract<Effect, { kind: 'restored' }>): void {
    const applied = this.#slots.get(slot)
    if (slot > 0 && applied?.split(' ')[1] !== digest) {
      throw new Error(`agreement: the snapshot of slot ${slot} is of another state`)
    }
    this.jumps++
  }

  #checkSend(node: NodeId, { message }: Extract<Effect, { kind: 'send' }>): void {
    if (message.kind !== 'ballots') return
    const { written } = this.#cluster.host(node)
    for (const ballot of message.ballots) {
      const round = `${node} ${message.slot} ${ballot.stage} ${ballot.phase}`
      const content = `${ballot.value} ${ballot.batch}`
      const before = this.#said.get(round) ?? content
      if (before !== content) throw new Error(`equivocation: ${round} is ${before} and ${content}`)
      this.#said.set(round, content)
      const isDurable = written.some(
        (record) =>
          record.kind === 'ballot' &&
          record.slot === message.slot &&
          record.ballot.stage === ballot.stage &&
          record.ballot.phase === ballot.phase &&
          `${record.ballot.value} ${record.ballot.batch}` === content,
      )
      if (!isDurable) throw new Error(`durability: ${round} is sent before it is on the disk`)
    }
  }

  /** All nodes that have caught up hold the same, and everything that was acknowledged. */
  #checkEnd(): void {
    const applied = this.#nodes.map((node) => this.#cluster.applied(node))
    const longest = applied.reduce((one, other) => (other.length > one.length ? other : one))
    const clients = new Set(longest.map((command) => `client ${command.split(' ').at(-1)}`))
    for (const client of this.#answered) {
      if (!clients.has(client)) throw new Error(`durability: what ${client} was told is lost`)
    }
    for (const list of applied) {
      if (list.join() !== longest.join()) throw new Error('progress: a node has not caught up')
    }
  }
}
