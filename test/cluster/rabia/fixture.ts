import type { NodeId } from '../../../src/base/ids.ts'
import {
  type Applied,
  type Effect,
  type Electorate,
  electorate,
  genesis,
  type Input,
  type LogRecord,
  type Message,
  Rabia,
  type RabiaLimits,
  type Snapshot,
  type StateMachine,
} from '../../../src/cluster/rabia/index.ts'

/** Node names in order. */
export const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'] as NodeId[] as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]

/**
 * A machine that lists what it applied. `members a,b` changes the electorate, `?` is a command it does not know, and
 * every other command answers with its place in the list.
 */
export class ListMachine implements StateMachine {
  applied: string[] = []
  /** It does know `?`. */
  isNewer = false
  #electorate: Electorate

  constructor(members: readonly NodeId[]) {
    this.#electorate = electorate(1, members)
  }

  apply(command: string): Applied {
    if (command === '?' && !this.isNewer) return { kind: 'stalled', reason: 'not known here' }
    const [kind, members] = command.split(' ')
    if (kind === 'members' && members !== undefined) {
      this.#electorate = electorate(this.#electorate.epoch + 1, members.split(',') as NodeId[])
    }
    this.applied.push(command)
    return { kind: 'applied', result: String(this.applied.length) }
  }

  electorate(): Electorate {
    return this.#electorate
  }

  snapshot(): string {
    return JSON.stringify({ applied: this.applied, electorate: this.#electorate })
  }

  restore(snapshot: string): void {
    const { applied, electorate } = JSON.parse(snapshot)
    this.applied = applied
    this.#electorate = electorate
  }
}

type Packet = { readonly from: NodeId; readonly to: NodeId; readonly message: Message }

type Host = {
  rabia: Rabia
  machine: ListMachine
  boots: number
  durable: LogRecord[]
  /** All that has ever been in its log. */
  written: LogRecord[]
  /** The snapshot on its disk, and the one on its way there. */
  snapshot: Snapshot | undefined
  saving: Snapshot | undefined
  /** Persists not yet confirmed, in order. */
  unsynced: Extract<Effect, { kind: 'persist' }>[]
  isUp: boolean
}

/** Nodes, their disks and a network in memory; every event happens when a test says so. */
export class Cluster {
  readonly packets: Packet[] = []
  readonly effects: { readonly node: NodeId; readonly effect: Effect }[] = []
  readonly #hosts = new Map<NodeId, Host>()
  readonly #roster: readonly NodeId[]
  readonly #limits: Partial<RabiaLimits>
  readonly #joiners: readonly NodeId[]
  /** Packets for which this is false are lost. */
  link: (packet: Packet) => boolean = () => true

  constructor(
    roster: readonly NodeId[],
    options: {
      limits?: Partial<RabiaLimits>
      nodes?: readonly NodeId[]
      /** Those of the nodes that begin with nothing, not even the genesis. */
      joiners?: readonly NodeId[]
    } = {},
  ) {
    this.#roster = roster
    this.#joiners = options.joiners ?? []
    this.#limits = options.limits ?? {}
    for (const node of options.nodes ?? roster) {
      this.#hosts.set(node, {
        rabia: undefined as never,
        machine: undefined as never,
        boots: 0,
        durable: [],
        written: [],
        snapshot: undefined,
        saving: undefined,
        unsynced: [],
        isUp: false,
      })
    }
    for (const node of this.#hosts.keys()) this.start(node)
  }

  get nodes(): readonly NodeId[] {
    return [...this.#hosts.keys()]
  }

  host(node: NodeId): Host {
    return this.#hosts.get(node)!
  }

  start(node: NodeId): void {
    const host = this.host(node)
    host.boots++
    host.isUp = true
    host.machine = new ListMachine([])
    host.rabia = new Rabia({
      self: node,
      cluster: 'test',
      boot: `boot${host.boots}`,
      machine: host.machine,
      limits: this.#limits,
      contacts: this.#roster,
    })
    if (!this.#joiners.includes(node)) host.snapshot ??= genesis(new ListMachine(this.#roster))
    if (host.snapshot) this.input(node, { kind: 'restore', snapshot: host.snapshot })
    for (const record of host.durable) this.input(node, { kind: 'replay', record })
    this.input(node, { kind: 'start' })
  }

  /** Stops the node; of what was not synced, the first `kept` writes survive. */
  crash(node: NodeId, kept = 0): void {
    const host = this.host(node)
    for (const persist of host.unsynced.slice(0, kept)) this.#write(host, persist.records)
    host.unsynced = []
    host.saving = undefined
    host.isUp = false
  }

  restart(node: NodeId, kept = 0): void {
    this.crash(node, kept)
    this.start(node)
  }

  input(node: NodeId, input: Input): readonly Effect[] {
    const host = this.host(node)
    const effects = host.rabia.step(input)
    for (const effect of effects) {
      this.effects.push({ node, effect })
      if (effect.kind === 'persist') host.unsynced.push(effect)
      if (effect.kind === 'save') host.saving = effect.snapshot
      if (effect.kind === 'trim') {
        host.durable = host.durable.filter(({ slot }) => slot >= effect.below)
      }
      if (effect.kind === 'send') {
        for (const to of effect.to) this.packets.push({ from: node, to, message: effect.message })
      }
    }
    return effects
  }

  request(node: NodeId, client: string, command: string, seq = 1): readonly Effect[] {
    return this.input(node, { kind: 'request', request: { client, seq, command } })
  }

  tick(nodes: readonly NodeId[] = this.nodes): void {
    for (const node of nodes) if (this.host(node).isUp) this.input(node, { kind: 'tick' })
  }

  /** The oldest write of the node is durable. Returns whether there was one. */
  sync(node: NodeId): boolean {
    const host = this.host(node)
    const persist = host.unsynced.shift()
    if (!persist) return false
    this.#write(host, persist.records)
    this.input(node, { kind: 'persisted', token: persist.token })
    return true
  }

  /** The snapshot under way is the durable one; unless `isTold`, the node stops before it hears of that. */
  save(node: NodeId, isTold = true): boolean {
    const host = this.host(node)
    if (!host.saving) return false
    host.snapshot = host.saving
    host.saving = undefined
    if (isTold) this.input(node, { kind: 'saved', slot: host.snapshot.slot })
    return true
  }

  /** Delivers the `index`th packet, or loses it. */
  deliver(index = 0): void {
    const [packet] = this.packets.splice(index, 1)
    if (!packet || !this.host(packet.to)?.isUp || !this.link(packet)) return
    this.input(packet.to, { kind: 'message', from: packet.from, message: packet.message })
  }

  /** Syncs and delivers in order until nothing is left to do. */
  settle(): void {
    for (let i = 0; ; i++) {
      if (i > SETTLE_STEPS_MAX) throw new Error(`a storm: ${JSON.stringify(this.packets[0])}`)
      let busy = false
      for (const node of this.nodes) {
        if (!this.host(node).isUp) continue
        if (this.sync(node)) busy = true
        if (this.save(node)) busy = true
      }
      if (this.packets.length > 0) {
        busy = true
        this.deliver()
      }
      if (!busy) return
    }
  }

  /** Ticks and settles until all running nodes have applied the same slots and nothing waits. */
  heal(ticksMax = 200): void {
    for (let i = 0; i < ticksMax; i++) {
      this.settle()
      const running = this.nodes.map((node) => this.host(node)).filter(({ isUp }) => isUp)
      const [first] = running
      const isQuiet = this.nodes.every((node) => {
        const { isUp, rabia, machine } = this.host(node)
        if (!isUp) return true
        const { digest, waiting, queued } = rabia.status()
        // Who has no vote proposes nothing of what others have asked for.
        const isLeft = machine.electorate().members.includes(node) ? queued : 0
        return digest === first?.rabia.status().digest && waiting + isLeft === 0
      })
      if (isQuiet) return
      this.tick()
    }
    throw new Error(`no agreement after ${ticksMax} ticks`)
  }

  #write(host: Host, records: readonly LogRecord[]): void {
    host.durable.push(...records)
    host.written.push(...records)
  }

  applied(node: NodeId): readonly string[] {
    return this.host(node).machine.applied
  }

  replies(client: string): readonly Extract<Effect, { kind: 'reply' }>[] {
    return this.effects
      .map(({ effect }) => effect)
      .filter((effect) => effect.kind === 'reply')
      .filter((effect) => effect.client === client)
  }
}

/** Nothing that ends takes longer. */
const SETTLE_STEPS_MAX = 20_000
