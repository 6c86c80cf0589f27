import { assert } from '../../base/assert.ts'
import type { NodeId, PartitionId } from '../../base/ids.ts'
import type { Conflict, NoSpace, OutcomeUnknown, Unavailable, Version } from '../../base/port.ts'
import { err, type Result } from '../../base/result.ts'
import {
  type Engine,
  type EngineOperation,
  GROUP_BYTES_MAX,
  GROUP_OPERATIONS_MAX,
  type HighWater,
} from '../../storage/index.ts'
import type { MapWrite, ReplicaEffect } from './effect.ts'
import { RECORDS_RETAINED, recoverHistory } from './history.ts'
import { prefixEnd, recordKey, recordPrefix } from './key.ts'
import { MarkTable } from './mark-table.driver.ts'
import { PARTITION_COUNT } from './partition.ts'
import { readPromise } from './promise.ts'
import { Replica } from './replica.ts'

/**
 * The replicas of this node and their one way to the disk: takes an input, steps the replica,
 * performs the effects.
 *
 * What replicas persist while a commit is under way goes down together in the next one. A commit
 * that finds no space takes everything queued behind it along, since that was decided on top of it.
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
  readonly #replicas: (Replica | undefined)[] = new Array(PARTITION_COUNT)
  readonly #opening = new Map<PartitionId, Promise<Replica>>()
  readonly #clients = new Map<number, (outcome: WriteOutcome) => void>()
  #clientLast = 0
  #queue: Persist[] = []
  /** Of the queue and of the commit under way. */
  #waitingBytes = 0
  #committing: Promise<void> | undefined
  #refusal: Unavailable | undefined

  constructor(options: ReplicaHostOptions) {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#options = options
    this.failed = promise
    this.#fail = resolve
    this.#marks = new MarkTable(options.highWater, (fault) => this.#stop(fault))
  }

  /**
   * Proves that every partition still has the write that its mark names, so that a node with lost
   * writes does not start. Rejects with `data-damaged`. Gaps further back are found when a
   * partition is opened, before it serves.
   */
  async verify(): Promise<void> {
    const { engine } = this.#options
    for (let index = 0; index < PARTITION_COUNT; index++) {
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
    return this.#replicas[partition] ?? this.#opening.get(partition) ?? this.#open(partition)
  }

  /** Orders the write before it returns. */
  async write(partition: PartitionId, replica: Replica, write: MapWrite): Promise<WriteOutcome> {
    if (this.#refusal !== undefined) return err(this.#refusal)
    if (this.#waitingBytes > WAITING_BYTES_MAX) {
      return err({ kind: 'unavailable', reason: 'too many writes wait for the disk' })
    }
    const client = ++this.#clientLast
    const effects = replica.step({ kind: 'write', write, client })
    const { promise, resolve } = Promise.withResolvers<WriteOutcome>()
    this.#clients.set(client, resolve)
    this.#perform(partition, replica, effects)
    return promise
  }

  /** Waits for the commits under way. No call may follow. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#opening.values())
    await this.#committing
    await this.#marks.close()
    this.#refusal ??= { kind: 'unavailable', reason: 'this node has stopped' }
  }

  #open(partition: PartitionId): Promise<Replica> {
    const opening = this.#recover(partition).finally(() => this.#opening.delete(partition))
    this.#opening.set(partition, opening)
    return opening
  }

  async #recover(partition: PartitionId): Promise<Replica> {
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
    const replica = new Replica({ partition, self, view }, history)
    const placement = { epoch: EPOCH, primary: self, replicas: [self] }
    this.#perform(partition, replica, replica.step({ kind: 'configure', placement }))
    this.#replicas[partition] = replica
    return replica
  }

  #perform(partition: PartitionId, replica: Replica, effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'persist') {
        const { operations, token, version } = effect
        const sizeBytes = sizeOf(operations)
        this.#queue.push({ partition, replica, operations, token, version, sizeBytes })
        this.#waitingBytes += sizeBytes
      } else if (effect.kind === 'reply') {
        this.#clients.get(effect.client)?.(effect.result)
        this.#clients.delete(effect.client)
      } else {
        assert(effect.kind === 'role', 'a replica alone asks nobody')
      }
    }
    if (this.#queue.length > 0) this.#committing ??= this.#commitAll()
  }

  async #commitAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        // A turn of the microtask queue, so that writes made in the same turn share the first
        // group.
        await Promise.resolve()
        const group = this.#takeGroup()
        const result = await this.#options.engine.commit(group.flatMap((item) => item.operations))
        if (result.ok) this.#settle(group)
        else this.#refuse(group.concat(this.#queue.splice(0)))
      }
    } catch (fault) {
      this.#stop(fault)
    }
    this.#committing = undefined
  }

  #takeGroup(): Persist[] {
    let sizeBytes = 0
    let operations = 0
    let count = 0
    for (const item of this.#queue) {
      sizeBytes += item.sizeBytes
      operations += item.operations.length
      const isFull = sizeBytes > GROUP_BYTES_MAX || operations > GROUP_OPERATIONS_MAX
      if (isFull && count > 0) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  #settle(group: readonly Persist[]): void {
    for (const { partition, replica, token, version, sizeBytes } of group) {
      this.#waitingBytes -= sizeBytes
      if (version !== undefined) this.#marks.advance(partition, version)
      this.#perform(partition, replica, replica.step({ kind: 'persisted', token }))
    }
  }

  #refuse(items: readonly Persist[]): void {
    const refused = new Set<Replica>()
    for (const { partition, replica, token, sizeBytes } of items) {
      this.#waitingBytes -= sizeBytes
      if (refused.has(replica)) continue
      refused.add(replica)
      this.#perform(partition, replica, replica.step({ kind: 'refused', token }))
    }
  }

  #stop(fault: unknown): void {
    this.#refusal = { kind: 'unavailable', reason: 'the storage of this node has failed' }
    this.#queue = []
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
}

/** How a write of `MapSpace` ends. */
export type WriteOutcome = Result<Version, Conflict | Unavailable | OutcomeUnknown | NoSpace>

type Persist = {
  readonly partition: PartitionId
  readonly replica: Replica
  readonly operations: readonly EngineOperation[]
  readonly token: number
  /** The partition's last when this is durable, if it changes. */
  readonly version: Version | undefined
  readonly sizeBytes: number
}

/** A cluster of one has been given its partitions once. */
const EPOCH = 1

/**
 * Bounds the memory of writes that wait; far more than a disk writes in the time a client is
 * willing to wait.
 */
const WAITING_BYTES_MAX = 64 * 1_024 * 1_024

function sizeOf(operations: readonly EngineOperation[]): number {
  let size = 0
  for (const operation of operations) {
    size += operation.key.length + (operation.kind === 'put' ? operation.value.length : 0)
  }
  return size
}
