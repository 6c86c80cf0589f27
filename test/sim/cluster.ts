/** A Rabia cluster in a world: a process on every machine, the network between them, and who watches what they do. */
import { AetherError } from '../../src/base/fault.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { MembershipSnapshot } from '../../src/cluster/control/members.ts'
import type {
  Effect,
  Input,
  LogRecord,
  Message,
  RabiaLimits,
  SlotNumber,
  Snapshot,
} from '../../src/cluster/rabia/index.ts'
import { decodeMessage, encodeMessage, type Hello } from '../../src/cluster/wire/index.ts'
import type { ReplaceStep } from './hosted-file.ts'
import { Machine } from './machine.ts'
import { Network } from './network.ts'
import { RabiaProcess, type Retirement, type Start } from './process.ts'
import { type RegisterListener, Registers, type Replica } from './register.ts'
import { MILLISECOND, type World } from './world.ts'

export class Cluster {
  readonly world: World
  /** Who forms the cluster. */
  readonly founders: readonly NodeId[]
  readonly network: Network<Frame>
  readonly observers: Observer[] = []
  readonly limits: Partial<RabiaLimits>
  readonly newReplica: NewReplica
  readonly #machines = new Map<NodeId, RabiaMachine>()
  /** The nodes that are, are to be or were members and have not been dismissed. */
  #roster: readonly NodeId[]
  /** Of those, who waits to be added. */
  readonly #joining = new Set<NodeId>()
  /** Whom nodes take for the founders that are told something else. */
  readonly #rivals = new Map<NodeId, readonly NodeId[]>()

  /** `spares` are machines for nodes that join later. */
  constructor(world: World, options: ClusterOptions) {
    this.world = world
    this.limits = options.limits
    this.newReplica = options.newReplica ?? ((_, founders, on) => new Registers(founders, on))
    const nodes = Array.from(
      { length: options.nodes + options.spares },
      (_, i) => `n${i + 1}` as NodeId,
    )
    this.founders = nodes.slice(0, options.nodes)
    this.#roster = this.founders
    this.network = new Network<Frame>({
      world,
      deliver: (_, to, frame) => this.#deliver(to as NodeId, frame),
    })
    const wiring = {
      boot: (machine: RabiaMachine) => this.#boot(machine),
      perform: (machine: RabiaMachine, effect: Effect) => this.#perform(machine, effect),
    }
    for (const node of nodes) this.#machines.set(node, new Machine(node, world, wiring))
  }

  get machines(): readonly RabiaMachine[] {
    return [...this.#machines.values()]
  }

  get roster(): readonly NodeId[] {
    return this.#roster
  }

  /** Nodes that could be added. */
  get spares(): readonly NodeId[] {
    return [...this.#machines.keys()].filter((node) => !this.#roster.includes(node))
  }

  machine(node: NodeId): RabiaMachine {
    return this.#machines.get(node)!
  }

  /** The process of a running node. */
  process(node: NodeId): RabiaProcess | undefined {
    return this.#machines.get(node)?.program as RabiaProcess | undefined
  }

  /** Tells a node of other founders: it and they form another cluster, or try to. */
  mislead(node: NodeId, founders: readonly NodeId[]): void {
    this.#rivals.set(node, founders)
    if (!this.#roster.includes(node)) this.#roster = [...this.#roster, node].sort()
  }

  /** Starts the node, unless it is not wanted back. */
  start(node: NodeId): void {
    if (this.#roster.includes(node)) this.machine(node).start()
  }

  /** Starts a node with an empty disk that waits to be added. */
  enlist(node: NodeId): void {
    const machine = this.machine(node)
    machine.replaceDisk()
    this.#joining.add(node)
    if (!this.#roster.includes(node)) this.#roster = [...this.#roster, node].sort()
    machine.start()
  }

  /** The node is no member any more and is not wanted back. */
  dismiss(node: NodeId): void {
    this.machine(node).kill()
    this.#roster = this.#roster.filter((other) => other !== node)
  }

  /** What its configuration tells a node. */
  configurationOf(node: NodeId): Configuration {
    if (this.#joining.has(node)) {
      const contacts = this.#roster.filter((other) => other !== node)
      return { founders: [], contacts, roster: undefined }
    }
    const founders = this.#rivals.get(node) ?? this.founders
    return { founders, contacts: [], roster: founders.join() }
  }

  /** Another part of a node says something over the connections of the log: `arrive` runs there. */
  carry(from: NodeId, to: NodeId, arrive: () => void): void {
    this.#send(from, to, arrive)
  }

  /** All of `nodes` run and have applied the same. */
  isLevel(nodes = this.#roster): boolean {
    const digests = nodes.map((node) => this.process(node)?.status()?.digest)
    return digests.every((digest) => digest !== undefined && digest === digests[0])
  }

  /** The nodes that run and exchange messages with this one. */
  connectedTo(node: NodeId): readonly NodeId[] {
    const self = this.process(node)
    if (self === undefined) return []
    return this.#roster.filter((other) => {
      const peer = other === node ? undefined : this.process(other)
      return peer !== undefined && self.fence.dials(other) && peer.fence.dials(node)
    })
  }

  /** Every connection of the node is made anew: the far ends notice, and so does the node itself. */
  reconnect(node: NodeId): void {
    for (const peer of this.#roster) if (peer !== node) this.reset(node, peer)
  }

  /** The connection between two nodes breaks and is made anew. */
  reset(a: NodeId, b: NodeId): void {
    this.network.reset(a, b)
    this.world.schedule(MILLISECOND, () => {
      this.machine(a).input({ kind: 'connected', peer: b })
      this.machine(b).input({ kind: 'connected', peer: a })
    })
  }

  #boot(machine: RabiaMachine): RabiaProcess | undefined {
    try {
      return new RabiaProcess(this, machine)
    } catch (fault) {
      if (!(fault instanceof AetherError)) throw fault
      this.world.trace(`${machine.name} refuses to start: ${fault.code}`)
      for (const observer of this.observers) observer.refused?.(machine.name as NodeId, fault)
      return undefined
    }
  }

  #perform(machine: RabiaMachine, effect: Effect): void {
    const node = machine.name as NodeId
    for (const observer of this.observers) observer.effect?.(node, effect)
    if (machine.state !== 'up') return
    if (effect.kind === 'send') {
      const bytes = encodeMessage(effect.message)
      for (const to of effect.to) this.#send(node, to, bytes)
    } else this.process(node)?.perform(effect)
  }

  /** A frame leaves on a connection that the other node has taken part in making: each has seen who the other is. */
  #send(node: NodeId, to: NodeId, content: Frame['content']): void {
    const fence = this.process(node)?.fence
    const peer = this.process(to)
    if (!peer?.isOpen || !fence?.dials(to)) return
    if (this.#admits(node, peer.fence.hello()))
      this.network.send(node, to, { hello: fence.hello(), content })
  }

  #deliver(to: NodeId, { hello, content }: Frame): void {
    if (!this.#admits(to, hello)) {
      this.world.trace(`${hello.node}>${to} not admitted`)
      return
    }
    if (typeof content === 'function') {
      this.machine(to).after(0, content)
      return
    }
    const message = decode(content)
    this.world.trace(`${hello.node}>${to} ${describe(message)}`)
    this.machine(to).input({ kind: 'message', from: hello.node, message })
  }

  /** Whether `node` exchanges messages with who says this; if not, that one hears why. */
  #admits(node: NodeId, hello: Hello): boolean {
    const own = this.process(node)
    const verdict = own?.fence.admit(hello)
    if (own === undefined || verdict === undefined || verdict === true) return verdict === true
    const { epoch } = own.fence.hello()
    this.world.schedule(MILLISECOND, () => {
      const peer = this.process(hello.node)
      if (peer?.incarnation === hello.incarnation) peer.refusedBy(node, verdict, epoch)
    })
    return false
  }
}

export type ClusterOptions = {
  readonly nodes: number
  readonly spares: number
  readonly limits: Partial<RabiaLimits>
  /** What nodes run; registers if absent. */
  readonly newReplica?: NewReplica
}

type NewReplica = (node: NodeId, founders: readonly NodeId[], on: RegisterListener) => Replica

export type RabiaMachine = Machine<Input, Effect>

/** A node that joins has no founders; one that founds says the roster it does it with. */
type Configuration = {
  readonly founders: readonly NodeId[]
  readonly contacts: readonly NodeId[]
  readonly roster: string | undefined
}

/** A message of the log, or what arrives of another part of the node. */
type Frame = { readonly hello: Hello; readonly content: Uint8Array | (() => void) }

/** What a checker or a scenario wants to see of a cluster, at the moment it happens. */
export type Observer = {
  /** The node has found this incarnation of itself on its disk, and begins to read it. */
  booted?(node: NodeId, incarnation: string): void
  /** Before it is performed. */
  effect?(node: NodeId, effect: Effect): void
  /** The node's log says that these survive power loss. */
  persisted?(node: NodeId, records: readonly LogRecord[]): void
  refusedSpace?(node: NodeId): void
  /** A step of replacing the node's snapshot was done. */
  saving?(node: NodeId, step: ReplaceStep, snapshot: Snapshot): void
  /** The snapshot survives power loss. */
  saved?(node: NodeId, snapshot: Snapshot): void
  /** The node has read its disk and goes on from there. */
  started?(node: NodeId, start: Start): void
  /** The node does not start, and says why. */
  refused?(node: NodeId, fault: AetherError): void
  /** The node has stopped because its disk failed, or was full when it started. */
  stopped?(node: NodeId, cause: 'disk-failed' | 'no-space'): void
  /** The node has stopped because it can take part no more. */
  retired?(node: NodeId, reason: Retirement): void
  /** A replica has carried out the operation with this tag. */
  executed?(node: NodeId, tag: string): void
  /** On this replica the slot has led to these members. */
  changed?(node: NodeId, slot: SlotNumber, membership: MembershipSnapshot): void
}

function decode(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes)
  if (!message.ok) throw new Error(`a node sends what others refuse: ${message.error.reason}`)
  return message.value
}

function describe(message: Message): string {
  switch (message.kind) {
    case 'ballots': {
      const last = message.ballots.at(-1)
      return `ballots ${message.slot} ${last?.stage} ${last?.phase} ${last?.value}`
    }
    case 'decided':
      return `decided ${message.first}+${message.decisions.length}`
    case 'forward':
      return `forward ${message.batch.id}`
    case 'fetch':
    case 'mark':
    case 'offer':
    case 'witness':
      return `${message.kind} ${message.slot}`
    case 'snapshot-fetch':
    case 'snapshot-chunk':
      return `${message.kind} ${message.slot} ${message.offset}`
    default:
      return message.kind
  }
}
