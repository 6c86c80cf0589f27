import { randomInt } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import type { NodeId, PartitionId } from '../../base/ids.ts'
import type { Conflict, NoSpace, OutcomeUnknown, Unavailable, Version } from '../../base/port.ts'
import { err, type Result } from '../../base/result.ts'
import type { Engine, HighWater } from '../../storage/index.ts'
import type { PartitionRow } from '../partition/index.ts'
import { type PeerNetwork, REPLICA_CHANNEL } from '../wire/index.ts'
import { type AppliedListener, appliedEntries } from './applied.ts'
import type {
  MapRead,
  MapWrite,
  NotServing,
  Placement,
  ReplicaEffect,
  ReplicaInput,
  Role,
} from './effect.ts'
import { RECORDS_RETAINED, recoverHistory } from './history.ts'
import { prefixEnd, recordKey, recordPrefix } from './key.ts'
import { MarkTable } from './mark-table.driver.ts'
import type { ReplicaMessage } from './message.ts'
import { consistencyOf, PARTITIONS_MAX, rowNumberOf } from './partition.ts'
import { operationBytes, type Persist, PersistQueue } from './persist-queue.ts'
import { readPromise } from './promise.ts'
import { Replica } from './replica.ts'
import { decodeParcels } from './replica-codec.ts'
import { HealthCounts, type ReplicaHealth } from './replica-health.ts'
import { ReplicaSender } from './replica-sender.driver.ts'

/**
 * The replicas of this node: takes an input, steps the replica, performs the effects. A replica is opened when somebody uses it,
 * when another node speaks of it, and when the table makes this node the primary of a partition that others hold too.
 */
export class ReplicaHost {
  /**
   * Resolves with the error when the engine has failed: nothing is written any more, and the node
   * has to stop.
   */
  readonly failed: Promise<unknown>
  readonly #options: ReplicaHostOptions
  readonly #marks: MarkTable
  readonly #fail: (fault: unknown) => void
  readonly #queue: PersistQueue<Persisting>
  readonly #sender: ReplicaSender | undefined
  readonly #hosted: (Hosted | undefined)[] = new Array(PARTITIONS_MAX)
  readonly #opening = new Map<PartitionId, Opening>()
  readonly #clients = new Map<number, (result: ClientResult) => void>()
  readonly #applied: AppliedListener[] = []
  readonly #counts = new HealthCounts()
  /** A random place far from those of other lives, and each question has the next number. */
  readonly #turnFirst = randomInt(2 ** 47) * 8
  #clientLast = 0
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
      committed: (item) => this.#committed(item),
      refused: (items) => this.#refuse(items),
      failed: (fault) => this.#stop(fault),
    })
    this.#sender = cluster === undefined ? undefined : new ReplicaSender(cluster.network)
    cluster?.network.listen(REPLICA_CHANNEL, {
      receive: (from, payload) => this.#receive(from, payload),
    })
    cluster?.directory.onChange(() => this.#configureAll())
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
    this.#configureAll()
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
    return this.#hosted[partition]?.replica ?? this.#open(partition).replica
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
    if (this.#queue.waitingBytes > WAITING_BYTES_MAX) {
      return err({ kind: 'unavailable', reason: 'too many writes wait for the disk' })
    }
    const outcome = this.#ask(partition, replica, (client) => ({ kind: 'write', write, client }))
    return outcome
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
    this.#sender?.close()
    await Promise.allSettled([...this.#opening.values()].map(({ replica }) => replica))
    await this.#queue.idle()
    await this.#marks.close()
    this.#refusal ??= { kind: 'unavailable', reason: 'this node has stopped' }
  }

  #open(partition: PartitionId): Opening {
    const known = this.#opening.get(partition)
    if (known !== undefined) return known
    const held: Held[] = []
    const replica = this.#recover(partition, held).finally(() => this.#opening.delete(partition))
    const opening = { replica, held }
    this.#opening.set(partition, opening)
    return opening
  }

  async #recover(partition: PartitionId, held: readonly Held[]): Promise<Replica> {
    const { engine, self } = this.#options
    const prefix = recordPrefix(partition)
    // One more than there may be: what was not trimmed is seen, and never hides the newest.
    const range = { gte: prefix, lt: prefixEnd(prefix), limit: RECORDS_RETAINED + 1 }
    const view = (key: Uint8Array) => engine.get(key)
    const { epoch: promised, had } = readPromise(partition, view)
    const isComplete = had === undefined
    const mark = this.#marks.get(partition)
    const records = await engine.scan(range)
    const history = recoverHistory(partition, records, mark, { isComplete, promised })
    const consistency = consistencyOf(partition)
    const turnFirst = this.#turnFirst
    const replica = new Replica({ partition, self, view, consistency, turnFirst }, history)
    const hosted: Hosted = { partition, replica, role: 'replica' }
    this.#hosted[partition] = hosted
    this.#configure(hosted)
    for (const { from, message } of held) this.#step(hosted, { kind: 'message', from, message })
    return replica
  }

  /** The table may have changed. */
  #configureAll(): void {
    const { self } = this.#options
    for (let index = 0; index < PARTITIONS_MAX; index++) {
      const partition = index as PartitionId
      const hosted = this.#hosted[partition]
      if (hosted !== undefined) this.#configure(hosted)
      else {
        const placement = this.#placementOf(partition)
        const isShared = placement !== undefined && placement.replicas.length > 1
        if (!isShared || placement.primary !== self) continue
        // Eventual partitions are many, few are ever used, and none has to be taken over before it is.
        const isUsed = this.#marks.get(partition) !== undefined
        if (isUsed || consistencyOf(partition) === 'strong') this.#openFor(partition)
      }
    }
  }

  #configure(hosted: Hosted): void {
    const placement = this.#placementOf(hosted.partition)
    if (placement === undefined || placement.epoch <= (hosted.placement?.epoch ?? 0)) return
    if (!placement.replicas.includes(this.#options.self)) return
    hosted.placement = placement
    if (placement.replicas.length > 1) this.#ticker ??= this.#startTicking()
    this.#step(hosted, { kind: 'configure', placement })
  }

  #placementOf(partition: PartitionId): Placement | undefined {
    const { cluster, self } = this.#options
    if (cluster === undefined) return { epoch: EPOCH_ALONE, primary: self, replicas: [self] }
    return cluster.directory.row(rowNumberOf(partition))
  }

  /** Opens a partition that no caller waits for. */
  #openFor(partition: PartitionId): Opening {
    const opening = this.#open(partition)
    opening.replica.catch((fault) => this.#stop(fault))
    return opening
  }

  #startTicking(): NodeJS.Timeout {
    const { tickMs = TICK_MS } = this.#options
    return setInterval(() => this.#tick(), tickMs).unref()
  }

  #tick(): void {
    for (const hosted of this.#hosted) {
      if (hosted?.replica.isBusy) this.#step(hosted, { kind: 'tick' })
    }
  }

  #receive(from: NodeId, payload: Uint8Array): boolean {
    const parcels = decodeParcels(payload)
    if (parcels === undefined) return false
    for (const { partition, message } of parcels) {
      if (this.#refusal !== undefined) return true
      const hosted = this.#hosted[partition]
      if (hosted === undefined) this.#hold(partition, { from, message })
      else this.#deliver(hosted, from, message)
    }
    return true
  }

  #deliver(hosted: Hosted, from: NodeId, message: ReplicaMessage): void {
    const isWrite = message.kind === 'append' && message.write !== undefined
    // It is fetched later, when the disk has caught up.
    if (isWrite && this.#queue.waitingBytes > WAITING_BYTES_MAX) return
    this.#step(hosted, { kind: 'message', from, message })
  }

  /** Until the replica is open. */
  #hold(partition: PartitionId, held: Held): void {
    const opening = this.#openFor(partition)
    if (opening.held.length < HELD_MAX) opening.held.push(held)
  }

  #ask(
    partition: PartitionId,
    replica: Replica,
    inputOf: (client: number) => ReplicaInput,
  ): ClientResult | Promise<ClientResult> {
    const hosted = this.#hosted[partition]
    assert(hosted?.replica === replica, 'this replica is of another partition')
    const client = ++this.#clientLast
    let early: ClientResult | undefined
    this.#clients.set(client, (result) => {
      early = result
    })
    this.#perform(hosted, replica.step(inputOf(client)))
    if (early !== undefined) return early
    const { promise, resolve } = Promise.withResolvers<ClientResult>()
    this.#clients.set(client, resolve)
    return promise
  }

  /** An input that nobody waits for. */
  #step(hosted: Hosted, input: ReplicaInput): void {
    if (this.#refusal !== undefined) return
    try {
      this.#perform(hosted, hosted.replica.step(input))
    } catch (fault) {
      this.#stop(fault)
    }
  }

  #perform(hosted: Hosted, effects: readonly ReplicaEffect[]): void {
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
          this.#clients.get(effect.client)?.(effect.result)
          this.#clients.delete(effect.client)
          break
        case 'send':
          this.#counts.sent(effect.message)
          this.#sender?.send(effect.to, { partition: hosted.partition, message: effect.message })
          break
        case 'scan':
          void this.#scan(hosted, effect)
          break
        case 'role':
          this.#counts.changed(hosted.role, effect.role)
          hosted.role = effect.role
          break
      }
    }
  }

  async #scan(hosted: Hosted, { range, token }: Extract<ReplicaEffect, { kind: 'scan' }>) {
    try {
      const entries = await this.#options.engine.scan(range)
      this.#step(hosted, { kind: 'scanned', token, entries })
    } catch (fault) {
      this.#stop(fault)
    }
  }

  #committed({ hosted, operations, token, version, isOwn }: Persisting): void {
    const { partition } = hosted
    if (version !== undefined) this.#marks.advance(partition, version)
    if (!isOwn && this.#applied.length > 0) {
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
    for (const answer of this.#clients.values()) {
      answer(err({ kind: 'outcome-unknown', reason: this.#refusal.reason }))
    }
    this.#clients.clear()
    this.#fail(fault)
  }
}

/** What the replicas live on. */
export type ReplicaHostOptions = {
  /** Stays the caller's: closed after the host. */
  readonly engine: Engine
  /** Kept up to date by the host, which is its only user. */
  readonly highWater: HighWater
  readonly self: NodeId
  /** Absent on a node that is alone for good: it leads everything. */
  readonly cluster?: HostCluster
  /** 100 ms if absent, for which the bounds of a replica are made. */
  readonly tickMs?: number
}

/** What the host sees of the other nodes. */
export type HostCluster = {
  readonly directory: {
    /** Undefined while there is no table. */
    row(partition: PartitionId): PartitionRow | undefined
    onChange(listener: () => void): void
  }
  readonly network: PeerNetwork
}

/** How a write of a partition ends here. */
export type WriteOutcome = Result<
  Version,
  Conflict | Unavailable | OutcomeUnknown | NoSpace | NotServing
>

/** How a read ends here: with the last write that it may have seen. */
export type ReadOutcome = Result<Version, Unavailable | NotServing>

/** A replica that is open, and what it does. */
export type Hosted = {
  readonly partition: PartitionId
  readonly replica: Replica
  role: Role
  placement?: Placement
}

type ClientResult = WriteOutcome

type Opening = { readonly replica: Promise<Replica>; readonly held: Held[] }

type Held = { readonly from: NodeId; readonly message: ReplicaMessage }

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

/** Of a partition that is being opened; what is lost is said again. */
const HELD_MAX = 16

/**
 * Bounds the memory of writes that wait; far more than a disk writes in the time a client is
 * willing to wait.
 */
const WAITING_BYTES_MAX = 64 * 1_024 * 1_024
