/**
 * This node as a member of its cluster: joins its replica of the log with the connections to the others, admits them, and
 * tells each of its parts what it has to know.
 */
import { closeInOrder } from '../../base/closing.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Result } from '../../base/result.ts'
import type { Consensus } from '../control/consensus.driver.ts'
import { excluded, type ReplicatedControlStore, removed } from '../control/index.ts'
import type { Message } from '../rabia/index.ts'
import type { Report } from '../report.ts'
import {
  type Admission,
  type Channel,
  Channels,
  CONSENSUS_CHANNEL,
  decodeMessage,
  encodeMessage,
  type FrameCounts,
  frameCounts,
  HEARTBEAT_CHANNEL,
  type Hello,
  type RefusalReason,
  type Transport,
} from '../wire/index.ts'
import type { AddRefusal, ClusterAdmin, ClusterStatus, RemoveRefusal } from './admin.ts'
import { isFinal } from './admission.ts'
import type { TransportCallbacks } from './callbacks.ts'
import { missingQuorum } from './change.ts'
import { Departure } from './departure.driver.ts'
import { Gate } from './gate.driver.ts'
import { type Home, type HomeOptions, openHome } from './home.driver.ts'
import { MemberChanges } from './member-changes.driver.ts'
import { explainObstacle } from './obstacle.ts'
import { Reachability } from './reachability.ts'
import { Roles } from './roles.driver.ts'
import type { Roster } from './roster.ts'
import { clusterStatus } from './status.ts'
import { type Observations, peersOf, votersOf } from './view.ts'

export class ClusterMember implements ClusterAdmin {
  /** Resolves with the reason when this node must stop: its disk has failed, or it is no member any more. */
  readonly failed: Promise<unknown>
  /** What the connections have dropped. */
  readonly dropped: FrameCounts = frameCounts()
  /** Who lives, and who leads which partition. */
  readonly roles: Roles
  /** The other members, for the parts of the node that talk to theirs. */
  readonly network = new Channels(() => this.#transport)
  readonly #options: ClusterMemberOptions
  readonly #home: Home
  readonly #transport: Transport | undefined
  readonly #gate: Gate
  readonly #reachability: Reachability
  readonly #departure: Departure
  readonly #changes: MemberChanges
  readonly #fail: (fault: unknown) => void
  #epoch = -1
  #tick = 0
  #isClosing = false

  /** Opens what the data directory holds of the cluster. Nobody is talked to before `start`. Rejects with an AetherError. */
  static async open(options: ClusterMemberOptions): Promise<ClusterMember> {
    return new ClusterMember(options, await openHome(options))
  }

  /** Use `open`. */
  private constructor(options: ClusterMemberOptions, home: Home) {
    const failure = Promise.withResolvers<unknown>()
    this.failed = Promise.race([failure.promise, home.consensus.failed])
    this.#fail = failure.resolve
    this.#options = options
    this.#home = home
    const { cluster, self, address, report } = options
    this.#departure = new Departure({
      members: home.consensus.machine.membership,
      stays: (peers) =>
        report('warn', 'this node was removed, and stays until these know', { peers }),
      leave: () => this.#leave(),
    })
    this.#gate = new Gate({
      cluster,
      self,
      address,
      incarnation: home.consensus.incarnation,
      identity: home.identity,
      members: home.consensus.machine.membership,
      contacts: new Set(this.#contacts().keys()),
    })
    this.#reachability = new Reachability(report)
    this.roles = new Roles({
      self,
      zone: options.zone,
      report,
      isAlone: options.connect === undefined,
      read: (key) => home.consensus.machine.state.get(key),
      control: home.consensus.control,
      hasQuorum: () => missingQuorum(this.#members, this.#observe()) === undefined,
      send: (to, heartbeat) => this.#sendTo(to, HEARTBEAT_CHANNEL, heartbeat),
    })
    this.network.listen(CONSENSUS_CHANNEL, {
      receive: (from, payload) => this.#receiveMessage(from, payload),
      connected: (peer) => home.consensus.connected(peer),
    })
    this.network.listen(HEARTBEAT_CHANNEL, {
      receive: (from, payload) => this.roles.liveness.receive(from, payload),
    })
    this.#changes = new MemberChanges({
      self,
      address,
      report,
      gate: this.#gate,
      consensus: home.consensus,
      observe: () => this.#observe(),
      // The voters at the beginning are given the partitions: who comes later holds none of the data.
      mayPromote: () => this.roles.partitions.table !== undefined,
      status: () => this.status(),
      obstacle: () => this.obstacle(),
      excluded: (reason) => this.#fail(excluded(self, reason, undefined)),
    })
    this.#transport = options.connect?.({
      counts: this.dropped,
      hello: () => this.#gate.hello(),
      admit: (hello, sought) => this.#admit(hello, sought),
      onMessage: (from, channel, payload) => this.#receive(from, channel, payload),
      onConnected: (peer) => this.#connected(peer),
      onDisconnected: (peer, reason) => this.#disconnected(peer, reason),
      onDrain: (peer) => this.network.drained(peer),
      onUnreachable: (peer, reason, isRefused) => this.#unreachable(peer, reason, isRefused),
      onRefused: (peer, reason, epoch) => this.#refused(peer, reason, epoch),
    })
  }

  /** Whether the disk of this node was there when the cluster was formed. */
  get isFounder(): boolean {
    return this.#gate.isFounder
  }

  get control(): ReplicatedControlStore {
    return this.#consensus.control
  }

  /** Begins to listen and to take part. Rejects with the system's error when the address cannot be listened on. */
  async start(): Promise<void> {
    await this.#transport?.listen()
    this.#stateMayHaveChanged()
    this.#consensus.start({
      send: (to, message) => this.#send(to, message),
      applied: () => this.#stateMayHaveChanged(),
      violated: (peer, reason) =>
        this.#options.report('warn', 'a node has broken the protocol', { peer, reason }),
      ticked: () => this.#ticked(),
    })
  }

  status(): ClusterStatus {
    return clusterStatus({
      cluster: this.#options.cluster,
      committed: this.#members,
      observed: this.#observe(),
      applicants: this.#gate.applicants(this.#tick),
      health: this.roles.liveness.health(),
      table: this.roles.partitions.table,
    })
  }

  /** What keeps this node from serving control state, for an operator; undefined when nothing does. */
  obstacle(): string | undefined {
    return explainObstacle({
      ...this.#observe(),
      committed: this.#members,
      contacts: [...this.#contacts().keys()],
      refusals: this.#reachability.refusals,
      stalled: this.#consensus.stalled,
      unaware: this.#departure.unaware,
      latest: this.#gate.latest,
    })
  }

  add(id: NodeId): Promise<Result<ClusterStatus, AddRefusal>> {
    return this.#changes.add(id, this.#tick)
  }

  remove(id: NodeId): Promise<Result<ClusterStatus, RemoveRefusal>> {
    return this.#changes.remove(id)
  }

  /** Ends the connections, answers whatever waits and closes the files. No call may follow. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#departure.cancel()
    await closeInOrder([async () => this.#transport?.close(), () => this.#consensus.close()])
  }

  get #consensus(): Consensus {
    return this.#home.consensus
  }

  get #members() {
    return this.#consensus.machine.membership
  }

  #find(id: NodeId) {
    return this.#members.find(id)
  }

  #observe(): Observations {
    const { self } = this.#options
    const { applied, slot } = this.#consensus.status()
    const ids = this.#members.members.map(({ id }) => id)
    return {
      self,
      connected: new Set(ids.filter((id) => this.#transport?.isConnected(id))),
      applied: new Map([...applied, [self, Math.max(0, slot - 1)]]),
    }
  }

  /** Whom a node asks that has yet to join. */
  #contacts(): Roster {
    const { founding } = this.#options
    return founding.kind === 'join' ? founding.contacts : new Map()
  }

  /** Whoever dials a member names the disk that it takes it for. */
  #admit(hello: Hello, sought: string | undefined): Promise<Admission> {
    const { cluster, self } = this.#options
    const isOther = sought !== undefined && sought !== this.#consensus.incarnation
    const reason = 'other-incarnation'
    if (isOther && hello.cluster === cluster && isFinal(reason, hello.epoch, this.#gate.ownEpoch)) {
      this.#fail(excluded(self, reason, hello.node))
    }
    return this.#gate.admit(hello, this.#tick)
  }

  /** A frame of any kind shows that its sender lives. */
  #receive(from: NodeId, channel: Channel, payload: Uint8Array): void {
    this.roles.liveness.take({ kind: 'heard', from })
    if (!this.network.receive(from, channel, payload)) this.dropped.malformed++
  }

  #receiveMessage(from: NodeId, payload: Uint8Array): boolean {
    const message = decodeMessage(payload)
    if (message.ok) this.#consensus.receive(from, message.value)
    return message.ok
  }

  #send(to: readonly NodeId[], message: Message): void {
    if (this.#transport !== undefined) this.#sendTo(to, CONSENSUS_CHANNEL, encodeMessage(message))
  }

  #sendTo(to: readonly NodeId[], channel: Channel, payload: Uint8Array): void {
    for (const peer of to) this.#transport?.send(peer, channel, payload)
  }

  #connected(peer: NodeId): void {
    this.#reachability.reached(peer)
    this.roles.liveness.take({ kind: 'connected', peer })
    this.network.connected(peer)
  }

  #disconnected(peer: NodeId, reason: string): void {
    this.network.disconnected(peer)
    this.#unreachable(peer, reason, false)
  }

  #unreachable(peer: NodeId, reason: string, isRefused: boolean): void {
    if (isRefused) this.roles.liveness.take({ kind: 'refused', peer })
    if (this.#isClosing) return
    this.#reachability.failed(peer, reason, this.roles.liveness.isLeaving(peer))
  }

  #refused(peer: NodeId, reason: RefusalReason, epoch: number): void {
    this.#reachability.refused(peer, reason, epoch)
    if (isFinal(reason, epoch, this.#gate.ownEpoch))
      this.#fail(excluded(this.#options.self, reason, peer))
    this.#departure.refused(peer, epoch)
  }

  #stateMayHaveChanged(): void {
    this.#membersMayHaveChanged()
    this.roles.partitions.refresh()
  }

  /** Connects to whoever is a member now, and notices when this node no longer is. */
  #membersMayHaveChanged(): void {
    const { epoch, members } = this.#members
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    const { report } = this.#options
    this.#transport?.setPeers(peersOf(this.#members, this.#contacts(), this.#gate.ownEpoch > 0))
    const voters = votersOf(this.#members)
    this.roles.liveness.take({ kind: 'members', members: members.map(({ id }) => id), voters })
    const names = members.map(({ id, role }) => (role === 'voter' ? id : `${id} (${role})`))
    const isAlone = this.#transport === undefined || epoch === 0
    if (!isAlone) report('info', 'the members of the cluster', { epoch, members: names })
    const { identity } = this.#home
    if (this.#gate.ownEpoch > 0) {
      // What it had applied before it was killed may have been lost, the addition of this node with it.
      this.#departure.cancel()
      identity.join().catch(this.#fail)
    } else if (epoch > 0 && identity.hasJoined) this.#departure.begin()
  }

  #leave(): void {
    const { cluster, self } = this.#options
    const isReplaced = this.#find(self) !== undefined
    this.#fail(isReplaced ? excluded(self, 'other-incarnation') : removed(self, cluster))
  }

  #ticked(): void {
    this.#tick++
    const isBound = this.#gate.ownEpoch > 0 && this.#find(this.#options.self)?.incarnation
    if (isBound) this.roles.tick(votersOf(this.#members))
    this.#changes.tick(this.#tick)
  }
}

export type ClusterMemberOptions = HomeOptions & {
  /** `host:port` under which the other members reach this node; empty when it listens to nobody. */
  readonly address: string
  /** Of this node: where it is, and what is likely to fail with it. */
  readonly zone?: string | undefined
  /** Makes the transport; absent for a node that is alone. */
  readonly connect?: (callbacks: TransportCallbacks) => Transport
  readonly report: Report
}
