/**
 * What must hold at every moment of every history, checked as it happens on what nodes say, keep and apply. Nothing here knows
 * how the protocol works beyond its messages.
 */
import type { AetherError, FaultCode } from '../../src/base/fault.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { Ballot, Effect, LogRecord, RabiaLimits } from '../../src/cluster/rabia/index.ts'
import type { Cluster, Observer } from './cluster.ts'

/** A property that the cluster does not have. */
export class PropertyViolation extends Error {
  override readonly name = 'PropertyViolation'
  readonly property: Property

  constructor(property: Property, message: string) {
    super(`${property}: ${message}`)
    this.property = property
  }
}

export type Property =
  | 'agreement'
  | 'prefix-digest'
  | 'equivocation'
  | 'log-before-send'
  | 'exactly-once'
  | 'order'
  | 'bounded-memory'
  | 'no-refusal'
  | 'linearizability'
  | 'progress'

export class Checker implements Observer {
  readonly #cluster: Cluster
  readonly #limits: RabiaLimits
  readonly #decided = new Map<number, { readonly batch: string; readonly digest: string }>()
  readonly #nodes = new Map<NodeId, Said>()
  readonly #tags = new Map<NodeId, { readonly life: number; readonly tags: Set<string> }>()
  readonly #expected = new Map<NodeId, FaultCode>()
  /** Starts that were refused as expected. */
  refusals = 0
  /** The highest slot that some node has applied. */
  slots = 0
  forfeited = 0
  /** Slots that some node took to a second phase. */
  readonly prolonged = new Set<number>()
  phasesMax = 0

  constructor(cluster: Cluster, limits: RabiaLimits) {
    this.#cluster = cluster
    this.#limits = limits
    for (const node of cluster.roster)
      this.#nodes.set(node, { sent: new Map(), durable: new Map(), applied: 0 })
    cluster.observers.push(this)
  }

  effect(node: NodeId, effect: Effect): void {
    if (effect.kind === 'applied') this.#applied(node, effect)
    else if (effect.kind === 'send' && effect.message.kind === 'ballots') {
      const { epoch, slot, ballots } = effect.message
      for (const ballot of ballots) {
        if (ballot.phase > 1) this.prolonged.add(slot)
        this.#sent(node, ballotName(epoch, slot, ballot), ballot)
      }
    } else if (effect.kind === 'violation')
      fail('equivocation', `${node} says that ${effect.from} broke the protocol: ${effect.reason}`)
    else if (effect.kind === 'fatal' || effect.kind === 'stalled')
      fail('progress', `${node} is ${effect.kind}`)
  }

  persisted(node: NodeId, records: readonly LogRecord[]): void {
    const { durable } = this.#nodes.get(node)!
    for (const record of records)
      if (record.kind === 'ballot')
        durable.set(ballotName(record.epoch, record.slot, record.ballot), content(record.ballot))
  }

  started(node: NodeId, replayed: readonly LogRecord[]): void {
    const said = this.#nodes.get(node)!
    said.durable.clear()
    this.persisted(node, replayed)
    for (const [name, ballot] of said.sent)
      if (said.durable.get(name) !== ballot)
        fail('log-before-send', `${node} sent ${name} ${ballot}, but its log does not have it`)
  }

  /** From now on the node is right when it refuses to start with this. */
  expectRefusal(node: NodeId, code: FaultCode): void {
    this.#expected.set(node, code)
  }

  refused(node: NodeId, fault: AetherError): void {
    if (this.#expected.get(node) === fault.code) {
      this.refusals++
      return
    }
    fail('no-refusal', `${node} refuses to start although its disk did what it may: ${fault}`)
  }

  executed(node: NodeId, life: number, tag: string): void {
    let replica = this.#tags.get(node)
    if (replica?.life !== life) {
      replica = { life, tags: new Set() }
      this.#tags.set(node, replica)
    }
    if (replica.tags.has(tag)) fail('exactly-once', `${node} has carried out ${tag} twice`)
    replica.tags.add(tag)
  }

  /** What a node keeps stays within what it says it keeps. */
  checkMemory(): void {
    for (const node of this.#cluster.roster) {
      const status = this.#cluster.process(node)?.status()
      if (status === undefined) continue
      const { queued, waiting, reads, sessions, kept } = status
      const batches = QUEUED_PER_MEMBER_MAX * this.#cluster.roster.length
      if (
        queued > batches ||
        waiting > this.#limits.requests ||
        sessions > this.#limits.sessions ||
        kept > this.#limits.decisions ||
        reads > READS_MAX
      )
        fail('bounded-memory', `${node} keeps ${JSON.stringify(status)}`)
    }
  }

  #applied(node: NodeId, effect: Extract<Effect, { kind: 'applied' }>): void {
    const { slot, digest } = effect
    const batch = effect.batch ?? 'forfeited'
    const said = this.#nodes.get(node)!
    if (slot !== 1 && slot !== said.applied + 1)
      fail('order', `${node} applied slot ${slot} after ${said.applied}`)
    said.applied = slot
    const known = this.#decided.get(slot)
    if (known === undefined) {
      this.#decided.set(slot, { batch, digest })
      this.slots = Math.max(this.slots, slot)
      if (effect.batch === undefined) this.forfeited++
      return
    }
    if (known.batch !== batch)
      fail('agreement', `slot ${slot} is ${known.batch}, and on ${node} ${batch}`)
    if (known.digest !== digest)
      fail('prefix-digest', `${node} has another state than others after slot ${slot}`)
  }

  #sent(node: NodeId, name: string, ballot: Ballot): void {
    const { sent, durable } = this.#nodes.get(node)!
    this.phasesMax = Math.max(this.phasesMax, ballot.phase)
    const now = content(ballot)
    const before = sent.get(name)
    if (before === now) return
    if (before !== undefined) fail('equivocation', `${node} sent ${name} ${before}, then ${now}`)
    if (durable.get(name) !== now)
      fail('log-before-send', `${node} sends ${name} ${now} before it is durable`)
    sent.set(name, now)
  }
}

type Said = {
  readonly sent: Map<string, string>
  readonly durable: Map<string, string>
  applied: number
}

/** Of each member, whatever it has open and what its earlier lives left behind. */
const QUEUED_PER_MEMBER_MAX = 8

/** Clients of a simulation retry their reads, and each retry may wait on each node. */
const READS_MAX = 1_000

function fail(property: Property, message: string): never {
  throw new PropertyViolation(property, message)
}

function ballotName(epoch: number, slot: number, ballot: Ballot): string {
  return `${epoch}/${slot}/${ballot.stage}/${ballot.phase}`
}

function content(ballot: Ballot): string {
  return ballot.batch === undefined ? String(ballot.value) : `${ballot.value} ${ballot.batch}`
}
