/**
 * The replicas of one partition under a random schedule: requests at any node and their retries, crashes that lose
 * what is not durable, full disks, messages late, lost, repeated and out of order, and a table that names another primary
 * at any moment, of which the nodes hear when they hear of it. Checked all along; at the end everything heals and
 * all replicas must come to be equal.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { Consistency } from '../../../src/cluster/dht/quorum.ts'
import type { ReplicaBounds } from '../../../src/cluster/dht/replica/bound.ts'
import type { Placement, ReplicaEffect } from '../../../src/cluster/dht/replica/effect.ts'
import type { ReplicaMessage } from '../../../src/cluster/dht/replica/message.ts'
import { compareVersions } from '../../../src/cluster/dht/version.ts'
import { Random } from '../../sim/random.ts'
import { ReplicaClients } from './replica-clients.ts'
import { nameOf, ReplicaHistory } from './replica-history.ts'
import { ReplicaNode } from './replica-node.ts'

/** So small that every bound is met. */
export const SMALL: ReplicaBounds = {
  retained: 24,
  inFlight: 6,
  pageBytes: 200,
  scanEntries: 4,
  outcomeTicks: 8,
  repeatTicks: 2,
}

export type Exploration = {
  readonly nodes: number
  readonly seed: number
  readonly events: number
  readonly consistency?: Consistency
  /** The first node has data before the others join it. */
  readonly hasOrigin?: boolean
  /** Disks are lost, each after the one before has been replaced. */
  readonly losesDisks?: boolean
  readonly bounds?: ReplicaBounds
}

/** What has happened, so that a test can see that it has. */
export type Explored = {
  readonly counts: ReplicaClients['counts']
  readonly takeovers: number
  readonly crashes: number
  readonly disksLost: number
  readonly refusals: number
  /** Of fetches by records, and from nothing. */
  readonly recordPages: number
  readonly entryPages: number
  readonly fenced: number
}

/** Throws at the first property that does not hold. */
export function explore(exploration: Exploration): Explored {
  return new Explorer(exploration).run()
}

type Packet = { readonly from: NodeId; readonly to: NodeId; readonly message: ReplicaMessage }

class Explorer {
  readonly #options: Exploration
  readonly #random: Random
  readonly #nodes: readonly ReplicaNode[]
  readonly #history = new ReplicaHistory()
  readonly #clients: ReplicaClients
  readonly #isStrong: boolean
  #packets: Packet[] = []
  /** The table as it is now; each node knows some earlier one. */
  #placement: Placement
  /** Copies that arrive some time, in later epochs and later lives too. */
  readonly #late: Packet[] = []
  /** Whose disk was lost, until it has everything again: one loss at a time takes nothing with it. */
  #replaced: ReplicaNode | undefined
  /** A disk was lost while another replica lacked something: nobody may be able to tell any more what was acknowledged. */
  #isCrippled = false
  /** Directed links that lose everything. */
  readonly #cuts = new Set<string>()
  readonly #known = new Map<ReplicaNode, Placement>()
  readonly #counts = {
    takeovers: 0,
    crashes: 0,
    disksLost: 0,
    refusals: 0,
    recordPages: 0,
    entryPages: 0,
    fenced: 0,
  }

  constructor(options: Exploration) {
    const { nodes, seed, consistency = 'strong', bounds = SMALL } = options
    this.#options = options
    this.#isStrong = consistency === 'strong'
    this.#random = new Random(seed)
    const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}` as NodeId)
    this.#nodes = names.map(
      (self) =>
        new ReplicaNode({ self, bounds, consistency }, (node, effect) => this.#take(node, effect)),
    )
    this.#clients = new ReplicaClients(this.#random.split('clients'), this.#history)
    this.#placement = { epoch: 0, primary: names[0] as NodeId, replicas: names }
  }

  run(): Explored {
    if (this.#options.hasOrigin) this.#begin()
    this.#elect(this.#nodes[0] as ReplicaNode)
    for (const node of this.#nodes) if (node.replica === undefined) this.#start(node)
    for (let event = 0; event < this.#options.events; event++) this.#happen()
    if (this.#heal()) this.#checkEnd()
    return { ...this.#counts, counts: this.#clients.counts }
  }

  /** The first node is alone for a while. */
  #begin(): void {
    const [first] = this.#nodes as [ReplicaNode]
    const alone = { epoch: 1, primary: first.self, replicas: [first.self] }
    first.start(alone)
    for (let i = 0; i < 40; i++) {
      this.#clients.ask(first)
      this.#commit(first)
      first.notify()
    }
    first.stop()
    this.#placement = { ...this.#placement, epoch: 1, origin: first.self }
  }

  #happen(): void {
    const random = this.#random
    const node = random.pick(this.#nodes)
    const chance = random.next()
    if (this.#options.losesDisks) this.#loseDisk(node)
    if (chance < 0.002) this.#elect(random.pick(this.#nodes))
    else if (chance < 0.01) this.#tell(node)
    else if (chance < 0.016) {
      if (node.replica === undefined) this.#start(node)
      else if (random.chance(0.4)) this.#crash(node)
    } else if (chance < 0.017) {
      if (node.queue.length > 0) this.#counts.refusals++
      node.refuse()
    } else if (chance < 0.05) node.step({ kind: 'tick' })
    else if (chance < 0.12) {
      const serving = this.#nodes.filter(({ isServing }) => isServing)
      const asked = serving.length > 0 && random.chance(0.98) ? random.pick(serving) : node
      if (asked.replica !== undefined) this.#clients.ask(asked)
    } else if (chance < 0.123) this.#cut()
    else if (chance < 0.14) {
      if (this.#late.length > 0) this.#deliver(random.pick(this.#late))
    } else if (chance < 0.5) this.#useDisk()
    else if (this.#packets.length > 0) {
      const place = random.int(0, Math.min(this.#packets.length, 12) - 1)
      const packet = this.#packets[place] as Packet
      if (random.chance(0.05)) this.#late.push(packet)
      if (!random.chance(0.1)) this.#packets.splice(place, 1)
      if (!random.chance(0.04)) this.#deliver(packet)
    }
  }

  /** Whoever loses its disk was down for long enough that others lead. */
  #loseDisk(node: ReplicaNode): void {
    if (this.#replaced !== undefined && this.#isWhole(this.#replaced)) this.#replaced = undefined
    const isHarmless = node.engine.records().length === 0
    if (isHarmless || this.#replaced !== undefined || !this.#random.chance(0.02)) return
    this.#replaced = node
    const others = this.#nodes.filter((other) => other !== node)
    const heir = this.#random.pick(others)
    if (!others.every((other) => this.#isWhole(other))) this.#isCrippled = true
    this.#counts.disksLost++
    this.#crash(node)
    node.loseDisk()
    this.#elect(heir)
    this.#known.set(node, this.#placement)
  }

  /** Whether it has all that anybody was told to be written. */
  #isWhole({ replica }: ReplicaNode): boolean {
    const { last, isComplete, isFetching } = replica?.status() ?? {}
    const isSteady = last !== undefined && last.seq > 0 && isComplete && !isFetching
    return isSteady === true && compareVersions(last, this.#clients.acknowledgedLast) >= 0
  }

  /** One direction, both, or all of a node; or everything is whole again. */
  #cut(): void {
    const random = this.#random
    this.#cuts.clear()
    if (random.chance(0.3)) return
    const [one, other] = random.shuffled(this.#nodes) as [ReplicaNode, ReplicaNode]
    const whole = random.chance(0.3)
    for (const peer of whole ? this.#nodes : [other]) {
      this.#cuts.add(`${one.self} ${peer.self}`)
      if (random.chance(0.7)) this.#cuts.add(`${peer.self} ${one.self}`)
    }
  }

  #useDisk(): void {
    const isBusy = ({ queue, durable, scans }: ReplicaNode) =>
      queue.length + durable.length + scans.length > 0
    const busy = this.#nodes.filter(isBusy)
    if (busy.length === 0) return
    const node = this.#random.pick(busy)
    const count = this.#random.int(1, 4)
    if (node.queue.length > 0 && this.#random.chance(0.5)) this.#commit(node, count)
    else if (node.durable.length > 0) node.notify(count)
    else node.scan()
  }

  #take(node: ReplicaNode, effect: ReplicaEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#packets.push({ from: node.self, to: effect.to, message: effect.message })
        if (effect.message.kind === 'records') this.#counts.recordPages++
        if (effect.message.kind === 'entries') this.#counts.entryPages++
        if (effect.message.kind === 'fenced') this.#counts.fenced++
        break
      case 'reply':
        if (effect.result.ok && this.#isStrong) this.#checkWritten(node)
        this.#clients.reply(effect)
        break
      case 'role':
        if (effect.role === 'primary') this.#checkPrimary(node)
        break
    }
  }

  #elect(primary: ReplicaNode): void {
    // Often because the two do not hear each other: then the earlier one goes on for a while.
    if (this.#random.chance(0.5)) {
      const earlier = this.#placement.primary
      this.#cuts.add(`${earlier} ${primary.self}`).add(`${primary.self} ${earlier}`)
    }
    this.#placement = {
      ...this.#placement,
      epoch: this.#placement.epoch + 1,
      primary: primary.self,
    }
    if (this.#random.chance(0.8)) this.#tell(primary)
  }

  #tell(node: ReplicaNode): void {
    if (this.#known.get(node) === this.#placement) return
    this.#known.set(node, this.#placement)
    node.step({ kind: 'configure', placement: this.#placement })
  }

  #start(node: ReplicaNode): void {
    // What the table said when it stopped, or says now.
    if (!this.#known.has(node) || this.#random.chance(0.7)) this.#known.set(node, this.#placement)
    node.start(this.#known.get(node))
    if (node.replica?.status().isComplete) this.#history.checkEntries(node.engine)
  }

  #crash(node: ReplicaNode): void {
    this.#counts.crashes++
    node.stop()
    this.#clients.lose(node)
  }

  #commit(node: ReplicaNode, count?: number): void {
    if (node.queue.length === 0) return
    node.commit(count)
    this.#history.observe(node.engine)
  }

  #deliver({ from, to, message }: Packet): void {
    if (this.#cuts.has(`${from} ${to}`)) return
    const node = this.#nodes.find(({ self }) => self === to)
    node?.step({ kind: 'message', from, message })
  }

  /** Nobody else knows whether a write is committed. */
  #checkWritten(node: ReplicaNode): void {
    if (!node.isServing) throw new Error('a node answers that is not the primary')
  }

  /** A primary that begins to serve has all that was ever acknowledged, and nothing else. */
  #checkPrimary(node: ReplicaNode): void {
    this.#counts.takeovers++
    this.#history.checkEntries(node.engine)
    if (this.#isStrong) this.#checkAcknowledged(node)
  }

  #checkAcknowledged(node: ReplicaNode): void {
    const has = new Map(
      this.#history.of(node.engine).map((link) => [nameOf(link.version), link.requestId]),
    )
    for (const { version, requestId } of this.#clients.acknowledged) {
      if (has.get(nameOf(version)) !== requestId) {
        throw new Error(`durability: ${node.self} lacks ${requestId} at ${nameOf(version)}`)
      }
    }
  }

  /** Nothing fails any more; the last primary has to bring all to the same state. False when nobody may be able to lead. */
  #heal(): boolean {
    for (const node of this.#nodes) if (node.replica === undefined) this.#start(node)
    const primary = this.#random.pick(this.#nodes)
    this.#elect(primary)
    this.#cuts.clear()
    for (const node of this.#nodes) this.#tell(node)
    for (let round = 0; round < 400; round++) {
      this.#settle()
      for (const node of this.#nodes) node.step({ kind: 'tick' })
      if (round === 40) for (let i = 0; i < 4; i++) this.#clients.ask(primary)
      if (round > 60 && this.#isEqual() && this.#clients.waiting === 0) return true
    }
    if (this.#isCrippled && !this.#nodes.some(({ isServing }) => isServing)) return false
    const states = this.#nodes.map(({ self, replica }) => [self, replica?.status()])
    throw new Error(`progress: ${this.#clients.waiting} wait, ${JSON.stringify(states)}`)
  }

  /** Everything that is under way ends. */
  #settle(): void {
    const isBusy = () =>
      this.#packets.length > 0 ||
      this.#nodes.some(({ queue, durable, scans }) => queue.length + durable.length + scans.length)
    while (isBusy()) {
      const packets = this.#packets
      this.#packets = []
      for (const packet of packets) this.#deliver(packet)
      for (const node of this.#nodes) {
        this.#commit(node)
        node.notify()
        node.scan()
      }
    }
  }

  #isEqual(): boolean {
    const statuses = this.#nodes.map(({ replica }) => replica?.status())
    const [first] = statuses
    return statuses.every(
      (status) =>
        first !== undefined &&
        status?.isComplete &&
        !status.isFetching &&
        compareVersions(status.last, first.last) === 0,
    )
  }

  #checkEnd(): void {
    const [first, ...others] = this.#nodes as [ReplicaNode, ...ReplicaNode[]]
    if (!this.#nodes.some(({ isServing }) => isServing)) throw new Error('progress: nobody serves')
    this.#history.checkEntries(first.engine)
    for (const other of others) {
      for (const kind of ['01', '02'] as const) {
        const [one, two] = [first, other].map(({ engine }) => [...engine.dump(kind)].join('\n'))
        if (one !== two) throw new Error(`convergence: ${first.self} and ${other.self} differ`)
      }
    }
    if (!this.#isStrong) return
    this.#checkAcknowledged(first)
    this.#clients.check()
  }
}
