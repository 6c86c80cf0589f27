/** A Rabia cluster in a world: the shipped core over the shipped log on every machine, and who watches what they do. */
import { AetherError } from '../../src/base/fault.ts'
import type { NodeId } from '../../src/base/ids.ts'
import {
  decodeRecord,
  type Effect,
  encodeRecord,
  type Input,
  type LogRecord,
  type Message,
  Rabia,
  type RabiaLimits,
} from '../../src/cluster/rabia/index.ts'
import { HostedLog } from './hosted-log.ts'
import { Machine, type Program } from './machine.ts'
import { Network } from './network.ts'
import { Registers } from './register.ts'
import { MILLISECOND, type World } from './world.ts'

export class Cluster {
  readonly world: World
  readonly roster: readonly NodeId[]
  readonly network: Network<Message>
  readonly observers: Observer[] = []
  readonly #machines = new Map<NodeId, RabiaMachine>()
  readonly #limits: Partial<RabiaLimits>

  constructor(world: World, size: number, limits: Partial<RabiaLimits> = {}) {
    this.world = world
    this.roster = Array.from({ length: size }, (_, i) => `n${i + 1}` as NodeId)
    this.#limits = limits
    this.network = new Network<Message>({
      world,
      describe,
      deliver: (from, to, message) =>
        this.#machines.get(to as NodeId)?.input({ kind: 'message', from: from as NodeId, message }),
    })
    const wiring = {
      boot: (machine: RabiaMachine) => this.#boot(machine),
      perform: (machine: RabiaMachine, effect: Effect) => this.#perform(machine, effect),
    }
    for (const node of this.roster) this.#machines.set(node, new Machine(node, world, wiring))
  }

  get machines(): readonly RabiaMachine[] {
    return [...this.#machines.values()]
  }

  machine(node: NodeId): RabiaMachine {
    return this.#machines.get(node)!
  }

  /** The process of a running node. */
  process(node: NodeId): RabiaProcess | undefined {
    return this.machine(node).program as RabiaProcess | undefined
  }

  /** All of `nodes` run and have applied the same. */
  isLevel(nodes = this.roster): boolean {
    const digests = nodes.map((node) => this.process(node)?.status()?.digest)
    return digests.every((digest) => digest !== undefined && digest === digests[0])
  }

  /** Every connection of the node is made anew: the far ends notice, and so does the node itself. */
  reconnect(node: NodeId): void {
    for (const peer of this.roster) if (peer !== node) this.reset(node, peer)
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
      return new RabiaProcess(this, machine, this.#limits)
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
    if (effect.kind === 'persist') this.process(node)?.persist(effect.token, effect.records)
    if (effect.kind === 'send')
      for (const to of effect.to) this.network.send(node, to, effect.message)
  }
}

export type RabiaMachine = Machine<Input, Effect>

/** What a checker or a scenario wants to see of a cluster, at the moment it happens. */
export type Observer = {
  /** Before it is performed. */
  effect?(node: NodeId, effect: Effect): void
  /** The node's log says that these survive power loss. */
  persisted?(node: NodeId, records: readonly LogRecord[]): void
  refusedSpace?(node: NodeId): void
  /** The node has read its log and goes on from there. */
  started?(node: NodeId, replayed: readonly LogRecord[]): void
  /** The node does not start, and says why. */
  refused?(node: NodeId, fault: AetherError): void
  /** The node has stopped because its disk failed, or was full when it started. */
  stopped?(node: NodeId, cause: 'disk-failed' | 'no-space'): void
  /** A replica has carried out the operation with this tag, in this life. */
  executed?(node: NodeId, life: number, tag: string): void
}

/** One life of a node. Until its log is open it hears nothing. */
export class RabiaProcess implements Program<Input, Effect> {
  readonly registers: Registers
  readonly #cluster: Cluster
  readonly #machine: RabiaMachine
  readonly #rabia: Rabia
  readonly #log: HostedLog
  readonly #pending = new Map<number, readonly LogRecord[]>()
  readonly #replayed: LogRecord[] = []
  #isOpen = false

  constructor(cluster: Cluster, machine: RabiaMachine, limits: Partial<RabiaLimits>) {
    const self = machine.name as NodeId
    const { life } = machine
    this.#cluster = cluster
    this.#machine = machine
    this.registers = new Registers(cluster.roster, (tag) =>
      this.#observe((observer) => observer.executed?.(self, life, tag)),
    )
    const options = { self, cluster: 'sim', boot: `${life}`, machine: this.registers, limits }
    this.#rabia = new Rabia(options)
    this.#log = new HostedLog(machine, (entry) => this.#replay(decodeRecord(entry.bytes)), {
      opened: () => this.#open(),
      appended: (token) => this.#appended(token),
      refused: (token) => {
        this.#observe((observer) => observer.refusedSpace?.(self))
        machine.input({ kind: 'no-space', token })
      },
      stopped: (cause) => {
        this.#observe((observer) => observer.stopped?.(self, cause))
        machine.kill()
      },
    })
  }

  /** Something that it was asked to keep is not durable yet. */
  get isSyncing(): boolean {
    return this.#pending.size > 0
  }

  step(input: Input): readonly Effect[] {
    return this.#isOpen ? this.#rabia.step(input) : []
  }

  status(): ReturnType<Rabia['status']> | undefined {
    return this.#isOpen ? this.#rabia.status() : undefined
  }

  persist(token: number, records: readonly LogRecord[]): void {
    this.#pending.set(token, records)
    const entries = records.map((record) => ({ slot: record.slot, bytes: encodeRecord(record) }))
    this.#log.append(token, entries)
  }

  #replay(record: LogRecord): void {
    this.#replayed.push(record)
    const node = this.#machine.name as NodeId
    for (const effect of this.#rabia.step({ kind: 'replay', record }))
      this.#observe((observer) => observer.effect?.(node, effect))
  }

  #open(): void {
    this.#isOpen = true
    const node = this.#machine.name as NodeId
    const replayed = this.#replayed.splice(0)
    this.#observe((observer) => observer.started?.(node, replayed))
    this.#machine.input({ kind: 'start' })
    this.#cluster.reconnect(node)
    this.#tick()
  }

  #tick(): void {
    this.#machine.after(TICK_US, () => {
      this.#machine.input({ kind: 'tick' })
      this.#tick()
    })
  }

  #appended(token: number): void {
    const records = this.#pending.get(token)!
    this.#pending.delete(token)
    this.#observe((observer) => observer.persisted?.(this.#machine.name as NodeId, records))
    this.#machine.input({ kind: 'persisted', token })
  }

  #observe(tell: (observer: Observer) => void): void {
    for (const observer of this.#cluster.observers) tell(observer)
  }
}

const TICK_US = 50 * MILLISECOND

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
      return `${message.kind} ${message.slot}`
    default:
      return message.kind
  }
}
