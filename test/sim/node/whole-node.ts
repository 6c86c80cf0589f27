/**
 * One life of a node above its log: detector, partition directory, replicas and coordinator, all as shipped, joined as the
 * drivers of the product join them.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { ControlStore } from '../../../src/base/port.ts'
import { ReplicatedControlStore } from '../../../src/cluster/control/replicated.ts'
import { Detector, type DetectorInput } from '../../../src/cluster/membership/detector.ts'
import { progressOf, standingsOf } from '../../../src/cluster/membership/standing.ts'
import { PartitionDirectory } from '../../../src/cluster/partition/directory.driver.ts'
import { partitionSet } from '../../../src/cluster/partition/index.ts'
import { type Effect, quorum } from '../../../src/cluster/rabia/index.ts'
import type { EngineTwin } from '../../cluster/dht/replica-node.ts'
import type { RabiaMachine } from '../cluster.ts'
import type { Random } from '../random.ts'
import { MILLISECOND } from '../world.ts'
import type { SimulatedControl } from './control.ts'
import { type CallResult, Coordinator, type MapRequest } from './coordinator.ts'
import type { Platform } from './platform.ts'
import { ReplicaSet } from './replica-set.ts'

export class WholeNode {
  readonly id: NodeId
  readonly detector: Detector
  readonly directory: PartitionDirectory
  readonly replicas: ReplicaSet
  readonly coordinator: Coordinator
  readonly engine: EngineTwin
  readonly #platform: Platform
  readonly #machine: RabiaMachine
  readonly #state: SimulatedControl
  readonly #control: ReplicatedControlStore
  readonly #random: Random
  #membersEpoch = 0
  #tickedUs: number
  #ticks = 0
  #writes = 0
  /** Of the own replicas. */
  #said = ''

  constructor(
    platform: Platform,
    machine: RabiaMachine,
    state: SimulatedControl,
    engine: EngineTwin,
  ) {
    const self = machine.name as NodeId
    this.id = self
    this.engine = engine
    this.#platform = platform
    this.#machine = machine
    this.#state = state
    this.#random = machine.random.split(`node ${machine.life}`)
    this.#tickedUs = machine.world.now
    this.detector = new Detector(self)
    this.#control = new ReplicatedControlStore({
      node: self,
      boot: `${machine.life}`,
      machine: state,
      input: (input) => machine.input(input),
    })
    this.directory = new PartitionDirectory({
      self,
      isAlone: false,
      read: (key) => state.state.get(key),
      control: { write: (...it) => this.#write(...it) } as ControlStore,
      relieved: (member) => this.#detect({ kind: 'relieved', member }),
      report: (_, message) => machine.world.trace(`${self} ${message}`),
    })
    this.replicas = new ReplicaSet({
      machine,
      engine,
      partitions: platform.partitions,
      send: (to, bytes) => platform.send(self, to, (node) => node.replicas.receive(self, bytes)),
      changed: (partition, role, epoch) => platform.roleChanged(self, partition, role, epoch),
      broken: () => platform.diskFailed(self),
      refused: () => platform.diskRefused(),
    })
    this.coordinator = this.#newCoordinator()
    this.directory.follow(() => this.#configure())
    this.directory.refresh()
    machine.after(this.#random.int(0, TICK_US), () => this.#tick())
  }

  /** What the log of this node does. */
  take(effect: Effect): void {
    this.#control.take(effect)
    if (effect.kind !== 'applied' && effect.kind !== 'restored') return
    const lagUs = this.#platform.lagUsOf(this.id)
    if (lagUs === 0) this.#refresh()
    else this.#machine.after(lagUs, () => this.#refresh())
  }

  /** What this node says from now on reaches `peer`. */
  connected(peer: NodeId): void {
    this.#detect({ kind: 'connected', peer })
  }

  /** Something has arrived from `peer`. */
  heard(peer: NodeId): void {
    this.#detect({ kind: 'heard', from: peer })
  }

  /** Whether anything waits for the log to answer. */
  get isWriting(): boolean {
    return this.#writes > 0
  }

  async #write(...it: Parameters<ControlStore['write']>): ReturnType<ControlStore['write']> {
    this.#writes++
    try {
      return await this.#control.write(...it)
    } finally {
      this.#writes--
    }
  }

  #refresh(): void {
    this.directory.refresh()
    this.#platform.noteTable(this)
  }

  #newCoordinator(): Coordinator {
    const { id } = this
    return new Coordinator({
      machine: this.#machine,
      engine: this.engine,
      replicas: this.replicas,
      primaryOf: (partition) => this.directory.row(partition)?.primary,
      call: (to: NodeId, call: number, request: MapRequest) =>
        this.#platform.send(id, to, (node) => node.coordinator.called(id, call, request)),
      answer: (to: NodeId, call: number, result: CallResult) =>
        this.#platform.send(id, to, (node) => node.coordinator.answered(call, result)),
      acknowledged: (partition) => this.#platform.acknowledged(id, partition),
    })
  }

  #configure(): void {
    for (const partition of this.#platform.partitions) {
      const row = this.directory.row(partition)
      if (row !== undefined) this.replicas.configure(partition, row)
    }
  }

  #tick(): void {
    const { now } = this.#machine.world
    this.#machine.after(TICK_US * (1 + this.#random.next() / 10), () => this.#tick())
    const elapsedMs = ((now - this.#tickedUs) * this.#machine.clockRate) / MILLISECOND
    this.#tickedUs = now
    this.#control.tick()
    this.#updateMembers()
    this.#knock()
    this.#sayProgress()
    this.#detect({ kind: 'tick', elapsedMs })
    const health = this.detector.health()
    const voters = this.#state.electorate().members
    const situation = { standings: standingsOf(health), progress: progressOf(health), voters }
    const heard = health.filter(({ silentMs }) => silentMs < SILENCE_MS)
    this.directory.tick(situation, () => heard.length >= quorum(voters.length))
    if (++this.#ticks % REPLICA_TICKS === 0) this.replicas.tick()
  }

  #updateMembers(): void {
    const { membership } = this.#state
    if (membership.epoch === this.#membersEpoch) return
    this.#membersEpoch = membership.epoch
    const members = membership.snapshot().members.map(({ id }) => id)
    this.#detect({ kind: 'members', members, voters: this.#state.electorate().members })
  }

  /** Dials whoever is not there; some machines answer that nobody listens. */
  #knock(): void {
    if (this.#ticks % KNOCK_TICKS !== 0) return
    for (const peer of this.#platform.cluster.roster) {
      if (this.#platform.isRefusing(this.id, peer)) this.#detect({ kind: 'refused', peer })
    }
  }

  #sayProgress(): void {
    const partitions = this.replicas.behind()
    const tableVersion = this.directory.table?.version ?? 0
    const said = `${tableVersion} ${[...partitions]}`
    if (said === this.#said) return
    this.#said = said
    const behind = partitionSet(partitions)
    this.#detect({ kind: 'progress', progress: { tableVersion, behind } })
  }

  #detect(input: DetectorInput): void {
    const self = this.id
    for (const effect of this.detector.step(input)) {
      if (effect.kind === 'changed') {
        this.#machine.world.trace(`${self} sees ${effect.id} ${effect.state}`)
        continue
      }
      const { heartbeat } = effect
      for (const to of effect.to) {
        this.#platform.send(self, to, (node) =>
          node.#detect({ kind: 'heartbeat', from: self, heartbeat }),
        )
      }
    }
  }
}

const TICK_US = 20 * MILLISECOND
const REPLICA_TICKS = 5
const KNOCK_TICKS = 10
/** Whoever was heard since can be written to. */
const SILENCE_MS = 1_500
