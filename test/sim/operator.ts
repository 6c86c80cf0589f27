/** Who changes the members, as an administrator does through any node: again and again until it has happened. */
import type { NodeId } from '../../src/base/ids.ts'
import type { MembershipChange, MembershipSnapshot } from '../../src/cluster/control/members.ts'
import { VOTERS_MAX } from '../../src/cluster/control/members.ts'
import { decodeSnapshot, quorum, type SlotNumber } from '../../src/cluster/rabia/index.ts'
import type { Cluster, Observer } from './cluster.ts'
import { pinsOf } from './fence.ts'
import { HostedFile } from './hosted-file.ts'
import type { RabiaProcess } from './process.ts'
import type { Random } from './random.ts'
import { encodeChange, Registers } from './register.ts'
import { unsealSnapshot } from './snapshot-format.ts'
import { MILLISECOND, SECOND } from './world.ts'

export class Operator implements Observer {
  /** Goals that were reached. */
  readonly reached = { join: 0, leave: 0, replace: 0 }
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #goals = new Map<NodeId, Goal>()
  #current: MembershipSnapshot
  #goalCount = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = cluster.world.random.split('operator')
    this.#current = newRegisters(cluster.founders).membership.snapshot()
    cluster.observers.push(this)
  }

  /** The incarnation that a member is bound to. */
  incarnationOf(node: NodeId): string | undefined {
    return this.#current.members.find(({ id }) => id === node)?.incarnation
  }

  /** The latest members that some replica has come to. */
  get members(): readonly NodeId[] {
    return this.#current.members.map(({ id }) => id)
  }

  get voters(): readonly NodeId[] {
    return this.#current.members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  }

  get epoch(): number {
    return this.#current.epoch
  }

  get isIdle(): boolean {
    return this.#goals.size === 0
  }

  changed(_: NodeId, __: SlotNumber, membership: MembershipSnapshot): void {
    if (membership.epoch > this.#current.epoch) this.#current = membership
  }

  /** Starts a node with an empty disk and makes it a member. */
  join(node: NodeId): boolean {
    if (this.#goals.has(node) || this.members.includes(node)) return false
    this.#cluster.enlist(node)
    this.#pursue(node, 'join')
    return true
  }

  /** Takes a member out for good. While a disk is lost the others are needed. */
  leave(node: NodeId): boolean {
    if (this.#goals.has(node) || !this.voters.some((voter) => voter !== node)) return false
    if (!this.members.includes(node) || this.#isPursuing('replace')) return false
    this.#pursue(node, 'leave')
    return true
  }

  /**
   * The node's disk is lost; with its empty one it starts as if nothing had happened, and is replaced a little later. No
   * more than one at a time, and only where the others do without it.
   */
  lose(node: NodeId): boolean {
    const isSpare = this.voters.length > 2 || !this.voters.includes(node)
    if (!isSpare || this.#goals.has(node) || !this.#isKnown(node)) return false
    // With its disk it would lose what it knows of the others, and begin anew by itself.
    if (this.#cluster.configurationOf(node).founders.join() === node) return false
    if (this.#isPursuing('replace') || this.#isPursuing('leave')) return false
    const machine = this.#cluster.machine(node)
    machine.replaceDisk()
    machine.start()
    this.#pursue(node, 'replace', REPLACEMENT_US)
    return true
  }

  /** From now on members that nobody else can help are replaced. */
  watch(): void {
    this.#cluster.world.schedule(WATCH_US, () => {
      for (const node of this.members) {
        const isLeaving = (this.#goals.get(node)?.kind ?? 'join') !== 'join'
        if (!isLeaving && this.#isStranded(node)) this.replace(node)
      }
      this.watch()
    })
  }

  /** Takes a member out whose disk is of no use any more, and adds it as a new one. */
  replace(node: NodeId): void {
    this.#pursue(node, 'replace')
  }

  /** It was away, or had hardly joined, when everybody it knew was replaced: it lets none of the others in. */
  #isStranded(node: NodeId): boolean {
    const process = this.#cluster.process(node)
    const { epoch = 0, members = [] } = process?.registers.membership ?? {}
    if (epoch === 0 || process?.incarnation !== this.incarnationOf(node)) return false
    const pins = process?.fence.pins
    return !members.some(({ id, incarnation = pins?.get(id) }) => {
      if (id === node) return this.members.length === 1
      if (incarnation === undefined) return this.members.includes(id)
      return this.incarnationOf(id) === incarnation
    })
  }

  #isPursuing(kind: Goal['kind']): boolean {
    return [...this.#goals.values()].some((goal) => goal.kind === kind)
  }

  /** Every other disk would tell this node from another one that has its name. */
  #isKnown(node: NodeId): boolean {
    if (!this.members.includes(node)) return false
    return this.#cluster.roster.every((other) => {
      const machine = this.#cluster.machine(other)
      if (other === node || pinsOf(new HostedFile(machine, 'identity')).has(node)) return true
      const file = new HostedFile(machine, 'snapshot').read()
      if (file === undefined) return false
      const registers = newRegisters([])
      registers.restore(decodeSnapshot(unsealSnapshot(file).bytes).machine)
      return registers.membership.find(node)?.incarnation !== undefined
    })
  }

  #pursue(node: NodeId, kind: Goal['kind'], delayUs = 0): void {
    this.#goals.set(node, { kind, node, number: ++this.#goalCount })
    this.#cluster.world.schedule(delayUs, () => this.#step(node))
  }

  #step(node: NodeId): void {
    const goal = this.#goals.get(node)
    if (goal === undefined) return
    if (goal.kind === 'join') this.#stepIn(goal)
    else this.#stepOut(goal)
    this.#cluster.world.schedule(STEP_US, () => this.#step(node))
  }

  #stepIn(goal: Goal): void {
    const { node } = goal
    const member = this.#current.members.find(({ id }) => id === node)
    if (member !== undefined) {
      const isFull = this.voters.length >= VOTERS_MAX
      if (member.role === 'voter' || isFull) this.#reach(goal)
      return
    }
    const asked = this.#anyProcess(node)
    const applicant = asked?.fence.applicant(node)
    if (asked === undefined || applicant === undefined) return
    const { incarnation, address } = applicant
    // A node that asked before its disk was replaced is remembered for a while.
    if (incarnation !== this.#cluster.process(node)?.incarnation) return
    const { epoch } = asked.registers.membership
    this.#submit(goal, asked, { kind: 'add', epoch, node, incarnation, address })
  }

  #stepOut(goal: Goal): void {
    const { node } = goal
    if (!this.members.includes(node)) {
      if (!this.#isSettled()) return
      this.#reach(goal)
      if (goal.kind === 'replace') this.join(node)
      else this.#cluster.world.schedule(FAREWELL_US, () => this.#dismiss(node))
      return
    }
    const asked = this.#anyProcess(node)
    if (asked === undefined || (goal.kind === 'leave' && this.voters.join() === node)) return
    const { epoch } = asked.registers.membership
    this.#submit(goal, asked, { kind: 'remove', epoch, node })
  }

  /** So many voters know the current members that nobody else is needed to learn them. */
  #isSettled(): boolean {
    const known = this.voters.filter(
      (voter) => (this.#cluster.process(voter)?.registers.membership.epoch ?? 0) >= this.epoch,
    )
    return known.length >= quorum(this.voters.length)
  }

  /** Unless it was added again in the meantime. */
  #dismiss(node: NodeId): void {
    if (!this.#goals.has(node) && !this.members.includes(node)) this.#cluster.dismiss(node)
  }

  #reach(goal: Goal): void {
    this.#goals.delete(goal.node)
    this.reached[goal.kind]++
  }

  #anyProcess(besides: NodeId): RabiaProcess | undefined {
    const others = this.#cluster.roster.filter((other) => other !== besides)
    return others.length === 0 ? undefined : this.#cluster.process(this.#random.pick(others))
  }

  /** Once for each goal and epoch, however often it is sent. */
  #submit(goal: Goal, asked: RabiaProcess, change: MembershipChange): void {
    const client = `operator ${goal.number} ${'epoch' in change ? change.epoch : ''}`
    const request = { client, seq: 1, command: encodeChange(client, change) }
    this.#cluster.machine(asked.node).input({ kind: 'request', request })
  }
}

/** `replace` takes a lost node out, and then adds it as a new one. */
type Goal = {
  readonly kind: 'join' | 'leave' | 'replace'
  readonly node: NodeId
  readonly number: number
}

const STEP_US = 300 * MILLISECOND

const WATCH_US = 5 * SECOND

/** Somebody notices that a disk was lost. */
const REPLACEMENT_US = SECOND

/** By then a removed node has stopped by itself. */
const FAREWELL_US = 2 * SECOND

function newRegisters(founders: readonly NodeId[]): Registers {
  return new Registers(founders, { executed: () => {}, changed: () => {} })
}
