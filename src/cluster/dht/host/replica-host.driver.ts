import { randomInt } from 'node:crypto'
import { assert } from '../../../base/assert.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Unavailable, Version } from '../../../base/port.ts'
import { err } from '../../../base/result.ts'
import { REPLICA_CHANNEL } from '../../wire/index.ts'
import type { ReplicaHostOptions } from '../host-options.ts'
import { recordKey } from '../key.ts'
import { consistencyOf, PARTITIONS_MAX, rowNumberOf } from '../partition.ts'
import type { MapRead, MapWrite, Placement, ReplicaEffect, ReplicaInput } from '../replica/index.ts'
import { isForDisk, Replica, type ReplicaMessage, readHistory } from '../replica/index.ts'
import { Turns } from '../turns.ts'
import { type AppliedListener, appliedEntries } from './applied.ts'
import { type ClientResult, Clients, type ReadOutcome, type WriteOutcome } from './clients.ts'
import type { Hosted } from './hosted.ts'
import { MarkTable } from './mark-table.driver.ts'
import { type Held, Openings } from './openings.ts'
import { operationBytes, type Persist, PersistQueue } from './persist-queue.ts'
import { PULLS_MAX, Pulls } from './pulls.ts'
import { decodeParcel, encodeParcel } from './replica-codec.ts'
import { HealthCounts, type ReplicaHealth } from './replica-health.ts'

/**
 * The replicas of this node: takes an input, steps the replica, performs the effects. A replica is opened when somebody uses it,
 * when another node speaks of it, and when the table makes this node the primary of a partition that others hold too.
 */
export class ReplicaHost {
  /**
   * Resolves with the error when the engine or a replica has failed: nothing is served any more, and
   * the node has to stop.
   */
  readonly failed: Promise<unknown>
  readonly #options: ReplicaHostOptions
  readonly #marks: MarkTable
  readonly #fail: (fault: unknown) => void
  readonly #queue: PersistQueue<Persisting>
  readonly #hosted: (Hosted | undefined)[] = new Array(PARTITIONS_MAX)
  /** Those for which time may have to pass. */
  readonly #busy = new Set<Hosted>()
  readonly #openings = new Openings((partition, held) => this.#recover(partition, held))
  readonly #clients = new Clients()
  readonly #pulls = new Pulls<Hosted>(PULLS_MAX, ({ partition }, { to, pull }) =>
    this.#tell(to, partition, pull),
  )
  readonly #scans = new Turns(SCANS_MAX, Number.POSITIVE_INFINITY)
  readonly #applied: AppliedListener[] = []
  readonly #counts = new HealthCounts()
  /** A random place far from those of other lives, and each question has the next number. */
  readonly #turnFirst = randomInt(2 ** 47) * 8
  /** The last message that left. */
  #told: { readonly message: ReplicaMessage; readonly payload: Uint8Array } | undefined
  #ticker: NodeJS.Timeout | undefined
  #refusal: Unavailable | undefined

  constructor(options: ReplicaHostOptions) {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const { engine, highWater, cluster } = options
    this.#options = options
    this.failed = promise
    this.#fail = resolve
    this.#marks = new MarkTable(highWater, (fault) => this.#stop(fault))
    this.#queue = new PersistQueue(engine, {
      turn: () => new Promise((done) => setImmediate(done)),
      committed: (item) => this.#committed(item),
      refused: (items) => this.#refuse(items),
      failed: (fault) => this.#stop(fault),
    })
    cluster?.network.listen(REPLICA_CHANNEL, {
      receive: (from, payload) => this.#receive(from, payload),
      connected: (peer) => this.#reached(peer),
    })
    cluster?.directory.follow(() => this.#configureAll())
  }

  /**
   * Proves that every partition still has the write that its mark names, so that a node with lost
   * writes does not start. Rejects with `data-damaged`. Gaps further back are found when a
   * partition is opened, before it serves.
   */
  async verify(): Promise<void> {
    const { engine } = this.#options
    for (let index = 0; index < PARTITIONS_MAX; index++) {
      const partition = index as PartitionId
      const mark = this.#marks.get(partition)
      if (mark !== undefined && engine.get(recordKey(partition, mark)) === undefined) {
        await this.replica(partition)
      }
    }
  }

  /** Why nothing is served any more, if so. */
  refusal(): Unavailable | undefined {
    return this.#refusal
  }

  /**
   * The replica of a partition, its history proved complete; rejects with `data-damaged` when it is
   * not.
   */
  replica(partition: PartitionId): Replica | Promise<Replica> {
    return this.#hosted[partition]?.replica ?? this.#openings.open(partition)
  }

  /** The same if it has been opened. */
  opened(partition: PartitionId): Replica | undefined {
    return this.#hosted[partition]?.replica
  }

  /**
   * Whether this node, as far as it knows, has everything up to the last write that its replica shows. False for one that has not been opened.
   */
  isComplete(partition: PartitionId): boolean {
    return this.opened(partition)?.status().isComplete ?? false
  }

  /** Tells of what other nodes have written here. No listener may throw. */
  onApplied(listener: AppliedListener): void {
    this.#applied.push(listener)
  }

  /** Orders the write before it returns. */
  async write(partition: PartitionId, replica: Replica, write: MapWrite): Promise<WriteOutcome> {
    if (this.#refusal !== undefined) return err(this.#refusal)
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.#options
    if (this.#queue.waitingBytes > waitingBytesMax) {
      return err({ kind: 'unavailable', reason: 'too many writes wait for the disk' })
    }
    return this.#ask(partition, replica, (client) => ({ kind: 'write', write, client }))
  }

  /**
   * Asks whether what the engine shows right after this call may be told: look there before anything else happens, and tell
   * it when the outcome is ok. Given at once where no other replica has to be asked.
   */
  read(
    partition: PartitionId,
    replica: Replica,
    read: MapRead,
  ): ReadOutcome | Promise<ReadOutcome> {
    if (this.#refusal !== undefined) return err(this.#refusal)
    const outcome = this.#ask(partition, replica, (client) => ({ kind: 'read', read, client }))
    return outcome as ReadOutcome | Promise<ReadOutcome>
  }

  /** What an operator wants to know, as of now. */
  health(): ReplicaHealth {
    return this.#counts.health(this.#hosted)
  }

  /** Waits for the commits under way. No call may follow. */
  async close(): Promise<void> {
    clearInterval(this.#ticker)
    await this.#openings.settled()
    await this.#queue.idle()
    await this.#marks.close()
    this.#refusal ??= { kind: 'unavailable', reason: 'this node has stopped' }
  }

  async #recover(partition: PartitionId, held: readonly Held[]): Promise<Replica> {
    const { engine, self, cluster } = this.#options
    const history = await readHistory(engine, partition, this.#marks.get(partition))
    const view = (key: Uint8Array) => engine.get(key)
    const consistency = consistencyOf(partition)
    const turnFirst = this.#turnFirst
    const isFirstDisk = cluster?.isFirstDisk ?? true
    const options = { partition, self, view, consistency, isFirstDisk, turnFirst }
    const replica = new Replica(options, history)
    const hosted: Hosted = { partition, replica, role: 'replica', isCurrent: false }
    this.#hosted[partition] = hosted
    this.#configure(hosted)
    for (const { from, message } of held) this.#step(hosted, { kind: 'message', from, message })
    return replica
  }

  /** The table may have changed. */
  #configureAll(): void {
    for (let index = 0; index < PARTITIONS_MAX; index++) {
      const partition = index as PartitionId
      const hosted = this.#hosted[partition]
      this.#tellBehind(partition)
      if (hosted !== undefined) this.#configure(hosted)
      else if (this.#hasToLead(partition))
        this.#openings.open(partition).catch((fault) => this.#stop(fault))
    }
  }

  /** Whether to take over a partition before it is used. */
  #hasToLead(partition: PartitionId): boolean {
    const placement = this.#placementOf(partition)
    if (placement?.primary !== this.#options.self || placement.replicas.length === 1) return false
    // Eventual partitions are many, and few are ever used.
    return consistencyOf(partition) === 'strong' || this.#marks.get(partition) !== undefined
  }

  #configure(hosted: Hosted): void {
    const placement = this.#placementOf(hosted.partition)
    if (placement === undefined || placement.epoch <= (hosted.placement?.epoch ?? 0)) return
    if (!placement.replicas.includes(this.#options.self)) return
    hosted.placement = placement
    const { tickMs = TICK_MS } = this.#options
    if (placement.replicas.length > 1)
      this.#ticker ??= setInterval(() => this.#tick(), tickMs).unref()
    this.#step(hosted, { kind: 'configure', placement })
  }

  /** Rows of the table stand for the strong partitions that they place. */
  #tellBehind(partition: PartitionId): void {
    const { cluster, self } = this.#options
    if (cluster === undefined || consistencyOf(partition) !== 'strong') return
    const { replicas = [] } = this.#placementOf(partition) ?? {}
    // Of the only replica there is nothing more anywhere.
    const mayLack = replicas.includes(self) && replicas.length > 1
    cluster.setBehind(partition, mayLack && !this.#hosted[partition]?.isCurrent)
  }

  #setCurrent(hosted: Hosted, isCurrent: boolean): void {
    if (hosted.isCurrent === isCurrent) return
    hosted.isCurrent = isCurrent
    this.#tellBehind(hosted.partition)
  }

  #placementOf(partition: PartitionId): Placement | undefined {
    const { cluster, self } = this.#options
    if (cluster === undefined) return { epoch: EPOCH_ALONE, primary: self, replicas: [self] }
    return cluster.directory.row(rowNumberOf(partition))
  }

  #tick(): void {
    for (const hosted of this.#busy) {
      if (hosted.replica.isBusy) this.#step(hosted, { kind: 'tick' })
      else this.#busy.delete(hosted)
    }
  }

  #reached(peer: NodeId): void {
    for (const hosted of this.#hosted) {
      if (hosted?.placement?.replicas.includes(peer)) this.#step(hosted, { kind: 'reached', peer })
    }
  }

  #receive(from: NodeId, payload: Uint8Array): boolean {
    const parcel = decodeParcel(payload)
    if (parcel === undefined) return false
    if (this.#refusal !== undefined) return true
    const { partition, message } = parcel
    const hosted = this.#hosted[partition]
    if (hosted === undefined)
      this.#openings.hold(partition, { from, message }).catch((fault) => this.#stop(fault))
    else this.#deliver(hosted, from, message)
    return true
  }

  #deliver(hosted: Hosted, from: NodeId, message: ReplicaMessage): void {
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.#options
    // It is fetched later, when the disk has caught up.
    if (isForDisk(message) && this.#queue.waitingBytes > waitingBytesMax) return
    this.#step(hosted, { kind: 'message', from, message })
  }

  #ask(
    partition: PartitionId,
    replica: Replica,
    inputOf: (client: number) => ReplicaInput,
  ): ClientResult | Promise<ClientResult> {
    const hosted = this.#hosted[partition]
    assert(hosted?.replica === replica, 'this replica is of another partition')
    return this.#clients.ask((client) => this.#step(hosted, inputOf(client)))
  }

  /** What a step that has not come to its end leaves behind is not served on. */
  #step(hosted: Hosted, input: ReplicaInput): void {
    if (this.#refusal !== undefined) return
    try {
      this.#perform(hosted, hosted.replica.step(input))
    } catch (fault) {
      this.#stop(fault)
    }
  }

  #perform(hosted: Hosted, effects: readonly ReplicaEffect[]): void {
    this.#busy.add(hosted)
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist': {
          const { operations, token, version } = effect
          const isOwn = hosted.role === 'primary'
          const sizeBytes = operationBytes(operations)
          this.#queue.push({ hosted, operations, token, version, isOwn, sizeBytes })
          break
        }
        case 'reply':
          this.#counts.replied(effect.result)
          this.#clients.answer(effect)
          break
        case 'send':
          this.#send(hosted, effect.to, effect.message)
          break
        case 'scan':
          void this.#scan(hosted, effect)
          break
        case 'role':
          this.#counts.changed(hosted.role, effect.role)
          hosted.role = effect.role
          if (effect.role === 'primary') this.#setCurrent(hosted, true)
          break
      }
    }
    const { replica } = hosted
    if (this.#pulls.has(hosted) && !replica.status().isFetching) this.#pulls.end(hosted)
  }

  #send(hosted: Hosted, to: NodeId, message: ReplicaMessage): void {
    this.#counts.sent(message)
    if (message.kind === 'pull') {
      this.#setCurrent(hosted, false)
      this.#pulls.ask(hosted, { to, pull: message, isUrgent: hosted.role === 'taking-over' })
      return
    }
    if (message.kind === 'appended') this.#setCurrent(hosted, true)
    this.#tell(to, hosted.partition, message)
  }

  /** What the network does not take is lost; whoever has said it says it again. */
  #tell(to: NodeId, partition: PartitionId, message: ReplicaMessage): void {
    const { network } = this.#options.cluster ?? {}
    if (!network?.isConnected(to)) return
    // What a primary tells all others is encoded once.
    if (this.#told?.message !== message) {
      this.#told = { message, payload: encodeParcel({ partition, message }) }
    }
    network.send(to, REPLICA_CHANNEL, this.#told.payload)
  }

  async #scan(hosted: Hosted, { range, token }: Extract<ReplicaEffect, { kind: 'scan' }>) {
    try {
      await this.#scans.take(async () => {
        if (this.#refusal !== undefined) return
        const entries = await this.#options.engine.scan(range)
        this.#step(hosted, { kind: 'scanned', token, entries })
      })
    } catch (fault) {
      this.#stop(fault)
    }
  }

  #committed({ hosted, operations, token, version, isOwn }: Persisting): void {
    const { partition } = hosted
    if (version !== undefined) this.#marks.advance(partition, version)
    // Whoever has lost the role meanwhile does not answer for its own writes any more.
    const isAnswering = isOwn && hosted.role === 'primary'
    if (!isAnswering && this.#applied.length > 0) {
      const entries = appliedEntries(operations)
      if (entries.length > 0) for (const tell of this.#applied) tell(partition, entries)
    }
    this.#step(hosted, { kind: 'persisted', token })
  }

  #refuse(items: readonly Persisting[]): void {
    const refused = new Set<Hosted>()
    for (const { hosted, token } of items) {
      if (refused.has(hosted)) continue
      refused.add(hosted)
      this.#step(hosted, { kind: 'refused', token })
    }
  }

  #stop(fault: unknown): void {
    this.#refusal ??= { kind: 'unavailable', reason: 'the storage of this node has failed' }
    this.#queue.clear()
    clearInterval(this.#ticker)
    this.#clients.answerAll(err({ kind: 'outcome-unknown', reason: this.#refusal.reason }))
    this.#fail(fault)
  }
}

type Persisting = Persist & {
  readonly hosted: Hosted
  readonly token: number
  /** The partition's last when this is durable, if it changes. */
  readonly version: Version | undefined
  /** Ordered here, by the primary. */
  readonly isOwn: boolean
}

/** A cluster of one has been given its partitions once. */
const EPOCH_ALONE = 1

/** What `BOUNDS` is made for. */
const TICK_MS = 100

/** Of at most 4 MiB each, and one alone would leave the disk idle. Of each partition one waits for each other replica. */
const SCANS_MAX = 4

/**
 * Bounds the memory of writes that wait; far more than a disk writes in the time a client is
 * willing to wait.
 */
const WAITING_BYTES_MAX = 64 * 1_024 * 1_024
