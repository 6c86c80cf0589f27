/** A cluster of whole nodes in a world, with clients, checkers and faults. */
import { setImmediate as turn } from 'node:timers/promises'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import type { Role } from '../../../src/cluster/dht/replica/effect.ts'
import type { PartitionTable } from '../../../src/cluster/partition/index.ts'
import type { Effect } from '../../../src/cluster/rabia/index.ts'
import { LIMITS } from '../../../src/cluster/rabia/options.ts'
import { EngineTwin } from '../../cluster/dht/replica-node.ts'
import { Checker } from '../checker.ts'
import { Cluster, type Observer } from '../cluster.ts'
import { Saboteur } from '../fault.ts'
import { Operator } from '../operator.ts'
import type { RabiaProcess } from '../process.ts'
import { fail } from '../property.ts'
import type { Random } from '../random.ts'
import { SECOND, World } from '../world.ts'
import { SimulatedControl } from './control.ts'
import { MapClients, type MapClientsOptions, PARTITIONS } from './map-clients.ts'
import { WholeNode } from './whole-node.ts'

export class Platform implements Observer {
  readonly world: World
  readonly cluster: Cluster
  readonly checker: Checker
  readonly saboteur: Saboteur
  readonly clients: MapClients
  readonly partitions: readonly PartitionId[] = PARTITIONS
  /** Every table that some node has applied, and when the first one did. */
  readonly tables: { readonly table: PartitionTable; readonly atUs: number }[] = []
  readonly counts = { acknowledged: 0, takeovers: 0, refused: 0, failed: 0 }
  /** Every role of a primary that was taken: `partition/epoch` and who has it. */
  readonly primaries = new Map<string, NodeId>()
  /** By its process, so that what an earlier life has left behind is never met while the next one reads its disk. */
  readonly #nodes = new WeakMap<RabiaProcess, WholeNode>()
  /** Of each node: what its engine keeps is of one disk, which its log names. */
  readonly #disks = new Map<string, EngineTwin>()
  readonly #lags: PlatformOptions['lags']
  /** By which epoch a node has become the primary. */
  readonly #leading = new Map<string, number>()
  #hasAnswered = false

  constructor(random: Random, options: PlatformOptions) {
    const { nodes, clients, lags, watch } = options
    this.#lags = lags
    this.world = new World(random, watch)
    this.cluster = new Cluster(this.world, {
      nodes,
      spares: 0,
      limits: { decisions: 48 },
      newReplica: (_, founders, on) => new SimulatedControl(founders, on),
    })
    this.checker = new Checker(this.cluster, { ...LIMITS, decisions: 48 })
    this.saboteur = new Saboteur(this.cluster, new Operator(this.cluster))
    this.cluster.observers.push(this)
    this.clients = new MapClients(this, { ...CLIENTS, ...clients })
  }

  /** Every node starts; the clients begin when the partitions were given to the nodes. */
  async open(): Promise<void> {
    for (const node of this.cluster.roster) this.cluster.start(node)
    const isFormed = () => this.cluster.roster.every((id) => this.node(id)?.directory.table)
    await this.run(20, isFormed)
    if (!isFormed()) fail('progress', 'the partitions were not given to the nodes')
    this.clients.start()
  }

  /** So many virtual seconds pass, or fewer when `isOver` answers true. */
  async run(seconds: number, isOver: () => boolean = () => false): Promise<void> {
    const { world } = this
    const end = world.now + seconds * SECOND
    while (world.now < end && !isOver()) {
      world.runUntil(end, () => this.#hasAnswered || isOver())
      if (!this.#hasAnswered) continue
      this.#hasAnswered = false
      await turn()
    }
  }

  /** Everything heals: all is level again, and every node gives to read what anybody was promised. */
  async close(): Promise<void> {
    this.saboteur.heal()
    this.clients.stop()
    await this.run(HEALING_SECONDS, () => this.clients.open === 0 && this.isLevel())
    if (this.clients.open > 0 || !this.isLevel()) fail('progress', `after healing: ${this.state()}`)
    await this.clients.readEverywhere()
    this.clients.check()
  }

  /** Undefined while it is down, and until its disk is open. */
  node(id: NodeId): WholeNode | undefined {
    const process = this.cluster.process(id)
    return process && this.#nodes.get(process)
  }

  /** Runs `arrive` on `to`, if the network has it so. */
  send(from: NodeId, to: NodeId, arrive: (node: WholeNode) => void): void {
    this.cluster.carry(from, to, () => {
      const node = this.node(to)
      if (node === undefined) return
      node.heard(from)
      arrive(node)
    })
  }

  /** Who leads it, as it is committed. */
  primaryOf(partition: PartitionId): NodeId {
    return this.tables.at(-1)!.table.rows[partition]!.primary
  }

  /** Cuts all links between these and those, or mends them. */
  part(some: readonly NodeId[], others: readonly NodeId[], isCut = true): void {
    const { network } = this.cluster
    for (const [a, b] of some.flatMap((one) => others.map((other) => [one, other] as const))) {
      network.link(a, b).isCut = isCut
      network.link(b, a).isCut = isCut
    }
  }

  /** Whether all nodes run, know one table, and their replicas are complete and the same, each led by the preferred primary. */
  isLevel(): boolean {
    const { roster } = this.cluster
    const nodes = roster.flatMap((id) => this.node(id) ?? [])
    if (nodes.length < roster.length) return false
    const versions = new Set(nodes.map(({ directory }) => directory.table?.version))
    return versions.size === 1 && this.partitions.every((partition) => this.#isEven(partition))
  }

  /** For whoever reads a failure. */
  state(): string {
    const lines = this.cluster.roster.map((id) => {
      const node = this.node(id)
      const statuses = this.partitions.map((partition) => node?.replicas.status(partition))
      return `${id} ${this.cluster.machine(id).state} ${node?.directory.table?.version} ${JSON.stringify(statuses)}`
    })
    return `${this.clients.open} operations open\n${lines.join('\n')}`
  }

  /** The process is gone and its port answers so; every other death leaves silence. */
  isRefusing(from: NodeId, to: NodeId): boolean {
    const { state, random, life } = this.cluster.machine(to)
    const { network } = this.cluster
    if (from === to || state !== 'down' || !random.split(`port ${life}`).chance(0.5)) return false
    return !network.link(from, to).isCut && !network.link(to, from).isCut
  }

  started(id: NodeId): void {
    const process = this.cluster.process(id)!
    const disk = `${id} ${process.incarnation}`
    const engine = this.#disks.get(disk) ?? new EngineTwin()
    this.#disks.set(disk, engine)
    const control = process.registers as SimulatedControl
    this.#nodes.set(process, new WholeNode(this, this.cluster.machine(id), control, engine))
    for (const other of this.cluster.roster) {
      if (other === id) continue
      this.node(id)?.connected(other)
      this.node(other)?.connected(id)
    }
  }

  effect(id: NodeId, effect: Effect): void {
    const node = this.node(id)
    if (node === undefined) return
    this.#hasAnswered ||= effect.kind === 'reply' || node.isWriting
    node.take(effect)
  }

  roleChanged(id: NodeId, partition: PartitionId, role: Role, epoch: number): void {
    this.world.trace(`${id} ${partition} ${role} ${epoch}`)
    if (role !== 'primary') return
    this.counts.takeovers++
    const name = `${partition}/${epoch}`
    const other = this.primaries.get(name) ?? id
    if (other !== id) fail('single-primary', `${other} and ${id} both lead ${name}`)
    this.primaries.set(name, id)
    this.#leading.set(`${id} ${partition}`, epoch)
  }

  acknowledged(id: NodeId, partition: PartitionId): void {
    this.counts.acknowledged++
    const epoch = this.#leading.get(`${id} ${partition}`)
    if (this.primaries.get(`${partition}/${epoch}`) !== id) {
      fail('single-primary', `${id} acknowledges in ${partition}/${epoch}, which it does not lead`)
    }
  }

  diskFailed(id: NodeId): void {
    this.counts.failed++
    this.cluster.machine(id).disk.isBroken = false
    for (const observer of this.cluster.observers) observer.stopped?.(id, 'disk-failed')
    this.cluster.machine(id).kill()
  }

  diskRefused(): void {
    this.counts.refused++
  }

  #isEven(partition: PartitionId): boolean {
    const row = this.tables.at(-1)?.table.rows[partition]
    if (row === undefined || row.primary !== row.replicas[0]) return false
    const statuses = row.replicas.map((id) => this.node(id)?.replicas.status(partition))
    const ends = new Set(statuses.map((it) => `${it?.last.epoch}/${it?.last.seq}`))
    const areWhole = statuses.every((it) => it?.isComplete && !it.isFetching)
    const isLed = this.node(row.primary)?.replicas.status(partition).role === 'primary'
    return ends.size === 1 && areWhole && isLed
  }

  /** How long after the log a node notices a new table. */
  lagUsOf(id: NodeId): number {
    return this.#lags?.[this.cluster.founders.indexOf(id)] ?? 0
  }

  noteTable({ directory: { table } }: WholeNode): void {
    if (table === undefined) return
    const known = this.tables[table.version - 1]
    if (known === undefined) this.tables.push({ table, atUs: this.world.now })
  }
}

export type PlatformOptions = {
  readonly nodes: number
  readonly clients?: Partial<MapClientsOptions>
  /** Of each node, in microseconds; 0 if absent. */
  readonly lags?: readonly number[]
  readonly watch?: (line: string) => void
}

/** Nodes that keep falling get their roles back after a minute at most. */
const HEALING_SECONDS = 120

const CLIENTS: MapClientsOptions = { clients: 6, thinkUs: [10_000, 300_000] }
