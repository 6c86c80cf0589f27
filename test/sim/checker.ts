/**
 * What must hold at every moment of every history, checked as it happens on what nodes say, keep and apply. Nothing here knows
 * how the protocol works beyond its messages.
 */
import { hex } from '../../src/base/bytes.ts'
import type { AetherError, FaultCode } from '../../src/base/fault.ts'
import { sha256 } from '../../src/base/hash.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { MembershipSnapshot } from '../../src/cluster/control/members.ts'
import {
  type Ballot,
  type Ballots,
  type Effect,
  type LogRecord,
  quorum,
  type RabiaLimits,
  type SlotNumber,
  type Snapshot,
} from '../../src/cluster/rabia/index.ts'
import type { Cluster, Observer } from './cluster.ts'
import { firstSlotOf } from './hosted-log.ts'
import type { Start } from './process.ts'
import { fail } from './property.ts'
import { Quorums } from './quorums.ts'

export class Checker implements Observer {
  readonly #cluster: Cluster
  readonly #limits: RabiaLimits
  readonly #decided = new Map<SlotNumber, { readonly batch: string; readonly digest: string }>()
  readonly #snapshots = new Map<SlotNumber, string>()
  readonly #quorums: Quorums
  /** Of every incarnation of every node; and of the one that each node has now. */
  readonly #deeds = new Map<string, Deeds>()
  readonly #nodes = new Map<NodeId, Deeds>()
  readonly #expected = new Map<NodeId, FaultCode>()
  readonly #amnesic = new Set<NodeId>()
  /** Starts that were refused as expected. */
  refusals = 0
  /** The highest slot that some node has applied. */
  slots = 0
  forfeited = 0
  /** Slots that some node took to a second phase. */
  readonly prolonged = new Set<SlotNumber>()
  phasesMax = 0
  /** Durable snapshots of their own that nodes made, and states that nodes took over from others. */
  compactions = 0
  adoptions = 0

  constructor(cluster: Cluster, limits: RabiaLimits) {
    this.#cluster = cluster
    this.#limits = limits
    this.#quorums = new Quorums(cluster.founders)
    cluster.observers.push(this)
  }

  /** How often the electorate has changed. */
  get changes(): number {
    return this.#quorums.changes
  }

  booted(node: NodeId, incarnation: string): void {
    const name = `${node} ${incarnation}`
    const deeds = this.#deeds.get(name) ?? {
      sent: new Map(),
      durable: new Map(),
      tags: new Set(),
      appliedMax: 0,
      durableSlot: 0,
      savedSlot: undefined,
      applied: undefined,
    }
    this.#deeds.set(name, deeds)
    this.#nodes.set(node, deeds)
    deeds.applied = undefined
    deeds.tags.clear()
  }

  effect(node: NodeId, effect: Effect): void {
    switch (effect.kind) {
      case 'applied':
        this.#applied(node, effect)
        break
      case 'restored':
        this.#restored(node, effect)
        break
      case 'save':
        this.#saves(node, effect.snapshot)
        break
      case 'trim':
        this.#trims(node, effect.below)
        break
      case 'send':
        if (effect.message.kind === 'ballots') this.#says(node, effect.message)
        break
      case 'violation':
        fail('equivocation', `${node} says that ${effect.from} broke it: ${effect.reason}`)
        break
      case 'stalled':
        fail('progress', `${node} is stalled`)
    }
  }

  persisted(node: NodeId, records: readonly LogRecord[]): void {
    const deeds = this.#nodes.get(node)!
    for (const record of records) {
      this.#quorums.persisted(node, record)
      if (record.kind === 'ballot') deeds.durable.set(nameOf(record), contentOf(record.ballot))
      else deeds.durableSlot = Math.max(deeds.durableSlot, record.slot)
    }
  }

  saved(node: NodeId, { slot }: Snapshot): void {
    const deeds = this.#nodes.get(node)!
    deeds.savedSlot = Math.max(deeds.savedSlot ?? 0, slot)
    deeds.durableSlot = Math.max(deeds.durableSlot, slot)
  }

  started(node: NodeId, { restored = 0, replayed }: Start): void {
    const deeds = this.#nodes.get(node)!
    deeds.savedSlot = restored
    deeds.durable.clear()
    const { durableSlot } = deeds
    this.persisted(node, replayed)
    if (this.#amnesic.has(node)) return
    for (const [name, { slot, content }] of deeds.sent)
      if (slot > restored && deeds.durable.get(name) !== content)
        fail('log-before-send', `${node} sent ${name} ${content}, but its log does not have it`)
    if ((deeds.applied ?? 0) < durableSlot)
      fail('no-regress', `${node} is at slot ${deeds.applied}, after ${durableSlot} was durable`)
  }

  changed(node: NodeId, slot: SlotNumber, membership: MembershipSnapshot): void {
    this.#quorums.changed(node, slot, membership)
  }

  /** From now on the node is right when it refuses to start with this. */
  expectRefusal(node: NodeId, code: FaultCode): void {
    this.#expected.set(node, code)
  }

  /** From now on the node's disk may have forgotten what the node has said; it must not say anything else all the same. */
  expectAmnesia(node: NodeId): void {
    this.#amnesic.add(node)
  }

  refused(node: NodeId, fault: AetherError): void {
    if (this.#expected.get(node) === fault.code) {
      this.refusals++
      return
    }
    fail('no-refusal', `${node} refuses to start although its disk did what it may: ${fault}`)
  }

  executed(node: NodeId, tag: string): void {
    const { tags } = this.#nodes.get(node)!
    if (tags.has(tag)) fail('exactly-once', `${node} has carried out ${tag} twice`)
    tags.add(tag)
  }

  /** What a node keeps stays within what it says it keeps. */
  checkMemory(): void {
    for (const { name } of this.#cluster.machines) {
      const node = name as NodeId
      const status = this.#cluster.process(node)?.status()
      if (status === undefined) continue
      const { queued, waiting, reads, sessions, kept } = status
      const batches = QUEUED_PER_MEMBER_MAX * this.#cluster.machines.length
      if (
        queued > batches ||
        waiting > this.#limits.requests ||
        sessions > this.#limits.sessions ||
        kept > this.#limits.decisions * KEPT_FACTOR ||
        reads > READS_MAX
      )
        fail('bounded-memory', `${node} keeps ${JSON.stringify(status)}`)
    }
  }

  /** What a node keeps on its disk does not grow with the history, once nothing has failed for a while. */
  checkDisk(nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      const slots = this.slots - firstSlotOf(this.#cluster.machine(node))
      if (slots > this.#limits.decisions * LOGGED_FACTOR)
        fail('bounded-disk', `the log of ${node} goes back ${slots} slots`)
    }
  }

  #applied(node: NodeId, effect: Extract<Effect, { kind: 'applied' }>): void {
    const { slot, digest } = effect
    const deeds = this.#nodes.get(node)!
    if (slot !== (deeds.applied ?? 0) + 1)
      fail('order', `${node} applied slot ${slot} after ${deeds.applied}`)
    this.#reached(deeds, slot)
    const batch = effect.batch ?? 'forfeited'
    const known = this.#decided.get(slot)
    if (known === undefined) {
      this.#decided.set(slot, { batch, digest })
      this.#quorums.decided(slot, effect.batch)
      this.slots = Math.max(this.slots, slot)
      if (effect.batch === undefined) this.forfeited++
      return
    }
    if (known.batch !== batch)
      fail('agreement', `slot ${slot} is ${known.batch}, and on ${node} ${batch}`)
    if (known.digest !== digest)
      fail('prefix-digest', `${node} has another state than others after slot ${slot}`)
  }

  #restored(node: NodeId, { slot, digest }: Extract<Effect, { kind: 'restored' }>): void {
    const deeds = this.#nodes.get(node)!
    if (slot < (deeds.applied ?? 0))
      fail('no-regress', `${node} goes from ${deeds.applied} to ${slot}`)
    if (this.#cluster.process(node) !== undefined) this.adoptions++
    const known = this.#decided.get(slot)
    if (slot > 0 && known?.digest !== digest)
      fail('prefix-digest', `${node} takes over another state than others had after slot ${slot}`)
    this.#reached(deeds, slot)
  }

  #reached(deeds: Deeds, slot: SlotNumber): void {
    deeds.applied = slot
    deeds.appliedMax = Math.max(deeds.appliedMax, slot)
  }

  #saves(node: NodeId, { slot, bytes }: Snapshot): void {
    this.compactions++
    const now = hex(sha256(bytes))
    const before = this.#snapshots.get(slot)
    if (before !== undefined && before !== now)
      fail('snapshot', `${node} has another snapshot of slot ${slot} than others`)
    this.#snapshots.set(slot, now)
    const { savedSlot = 0 } = this.#nodes.get(node)!
    if (slot < savedSlot) fail('no-regress', `${node} saves ${slot} over ${savedSlot}`)
  }

  #trims(node: NodeId, below: SlotNumber): void {
    const { savedSlot } = this.#nodes.get(node)!
    if (savedSlot === undefined || savedSlot < below - 1)
      fail('compaction', `${node} trims below ${below}, its durable snapshot is of ${savedSlot}`)
    const { membership } = this.#cluster.process(node)!.registers
    const { members } = membership.electorate
    const level = members.filter((member) => {
      const { incarnation } = membership.find(member)!
      const deeds = this.#deeds.get(`${member} ${incarnation}`) ?? this.#nodes.get(member)
      return (deeds?.appliedMax ?? 0) >= below - 1
    })
    if (level.length < quorum(members.length))
      fail('compaction', `${node} trims below ${below}, which of ${members} only ${level} have`)
  }

  #says(node: NodeId, { epoch, slot, ballots }: Ballots): void {
    for (const ballot of ballots) {
      this.phasesMax = Math.max(this.phasesMax, ballot.phase)
      if (ballot.phase > 1) this.prolonged.add(slot)
      this.#saysOnce(node, slot, nameOf({ epoch, slot, ballot }), contentOf(ballot))
    }
    this.#quorums.assertMaySay(node, epoch, slot)
  }

  #saysOnce(node: NodeId, slot: SlotNumber, name: string, content: string): void {
    const { sent, durable } = this.#nodes.get(node)!
    const before = sent.get(name)?.content
    if (before === content) return
    if (before !== undefined)
      fail('equivocation', `${node} sent ${name} ${before}, then ${content}`)
    if (durable.get(name) !== content)
      fail('log-before-send', `${node} sends ${name} ${content} before it is durable`)
    sent.set(name, { slot, content })
  }
}

/** What one incarnation of a node has said, kept and done. */
type Deeds = {
  readonly sent: Map<string, { readonly slot: SlotNumber; readonly content: string }>
  readonly durable: Map<string, string>
  /** Of the operations carried out in this life. */
  readonly tags: Set<string>
  appliedMax: SlotNumber
  /** Everything up to here survives power loss. */
  durableSlot: SlotNumber
  /** Of the last durable snapshot. */
  savedSlot: SlotNumber | undefined
  /** In this life; undefined while nothing is known. */
  applied: SlotNumber | undefined
}

/** Of each member, whatever it has open and what its earlier lives left behind. */
const QUEUED_PER_MEMBER_MAX = 8

/** Clients of a simulation retry their reads, and each retry may wait on each node. */
const READS_MAX = 1_000

/** Decisions are kept until a snapshot that covers them is durable. */
const KEPT_FACTOR = 4

/** Snapshots are taken after half of the kept decisions, later while one is being fetched. */
const LOGGED_FACTOR = 3

function nameOf({ epoch, slot, ballot }: Pick<Ballots, 'epoch' | 'slot'> & { ballot: Ballot }) {
  return `${epoch}/${slot}/${ballot.stage}/${ballot.phase}`
}

function contentOf(ballot: Ballot): string {
  return ballot.batch === undefined ? String(ballot.value) : `${ballot.value} ${ballot.batch}`
}
