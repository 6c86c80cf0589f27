import { compareBytes } from '../../../src/base/bytes.ts'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import type { Version } from '../../../src/base/port.ts'
import { prefixEnd, recordPrefix, recordVersion } from '../../../src/cluster/dht/key.ts'
import type { Consistency } from '../../../src/cluster/dht/quorum.ts'
import type { ReplicaBounds } from '../../../src/cluster/dht/replica/bound.ts'
import type {
  Placement,
  ReplicaEffect,
  ReplicaInput,
} from '../../../src/cluster/dht/replica/effect.ts'
import { recoverHistory } from '../../../src/cluster/dht/replica/history.ts'
import { readPromise } from '../../../src/cluster/dht/replica/promise.ts'
import { decodeRecord } from '../../../src/cluster/dht/replica/record.ts'
import { Replica } from '../../../src/cluster/dht/replica/replica.ts'
import type { EngineEntry, EngineOperation, EngineRange } from '../../../src/storage/index.ts'

export const partition = 5 as PartitionId

/** An engine in memory: what is committed is durable and visible at once. */
export class EngineTwin {
  readonly #entries = new Map<string, EngineEntry>()

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(hex(key))?.value
  }

  commit(operations: readonly EngineOperation[]): void {
    for (const operation of operations) {
      if (operation.kind === 'put') this.#entries.set(hex(operation.key), operation)
      else this.#entries.delete(hex(operation.key))
    }
  }

  scan({
    gte,
    lt,
    limit,
    bytesMax = Number.POSITIVE_INFINITY,
  }: EngineRange): readonly EngineEntry[] {
    let bytes = 0
    const isRoom = ({ key, value }: EngineEntry) => {
      const before = bytes
      bytes += key.length + value.length
      return before <= bytesMax
    }
    const isWithin = ({ key }: EngineEntry) =>
      compareBytes(gte, key) <= 0 && compareBytes(key, lt) < 0
    return [...this.#entries.values()]
      .filter(isWithin)
      .sort((a, b) => compareBytes(a.key, b.key))
      .slice(0, limit)
      .filter(isRoom)
  }

  /** Of a partition, oldest first. */
  records(of = partition): readonly { readonly version: Version; readonly requestId: string }[] {
    const gte = recordPrefix(of)
    const found = this.scan({ gte, lt: prefixEnd(gte), limit: Number.POSITIVE_INFINITY })
    return found.map(({ key, value }) => ({
      version: recordVersion(key),
      requestId: decodeRecord(value).requestId,
    }))
  }

  /** All keys of one kind with their values, as text. */
  dump(kind: '01' | '02' | '03' | '04'): ReadonlyMap<string, string> {
    const ofKind = [...this.#entries].filter(([key]) => key.startsWith(kind))
    return new Map(ofKind.sort().map(([key, { value }]) => [key, hex(value)]))
  }
}

export type NodeOptions = {
  readonly self: NodeId
  readonly bounds: ReplicaBounds
  readonly consistency: Consistency
}

/** A node with one replica, its engine, and what the replica waits for. A crash loses all but the engine. */
export class ReplicaNode {
  readonly self: NodeId
  engine = new EngineTwin()
  readonly #options: NodeOptions
  readonly #perform: (node: ReplicaNode, effect: ReplicaEffect) => void
  replica: Replica | undefined
  /** Neither durable nor visible yet. */
  queue: Extract<ReplicaEffect, { kind: 'persist' }>[] = []
  /** Durable, but the replica has not been told. */
  durable: number[] = []
  scans: Extract<ReplicaEffect, { kind: 'scan' }>[] = []
  lives = 0
  #isFirstDisk = true
  /** Whether it serves as the primary. */
  isServing = false

  /** Begins stopped. `perform` is given what this node cannot do alone. */
  constructor(options: NodeOptions, perform: (node: ReplicaNode, effect: ReplicaEffect) => void) {
    this.self = options.self
    this.#options = options
    this.#perform = perform
  }

  start(placement: Placement | undefined): void {
    const { self, bounds, consistency } = this.#options
    const view = (key: Uint8Array) => this.engine.get(key)
    const isComplete = readPromise(partition, view).had === undefined
    const gte = recordPrefix(partition)
    const range = { gte, lt: prefixEnd(gte), limit: bounds.retained + 1 }
    const history = recoverHistory(partition, this.engine.scan(range), undefined, {
      isComplete,
      count: bounds.retained,
    })
    const turnFirst = ++this.lives * 2 ** 32
    const isFirstDisk = this.#isFirstDisk
    const options = { partition, self, view, bounds, consistency, isFirstDisk, turnFirst }
    this.replica = new Replica(options, history)
    if (placement !== undefined) this.step({ kind: 'configure', placement })
  }

  stop(): void {
    this.replica = undefined
    this.isServing = false
    this.queue = []
    this.durable = []
    this.scans = []
  }

  /** It stops, and comes back with an empty disk under its name. */
  loseDisk(): void {
    this.stop()
    this.engine = new EngineTwin()
    this.#isFirstDisk = false
  }

  step(input: ReplicaInput): void {
    const { replica } = this
    for (const effect of replica?.step(input) ?? []) {
      if (effect.kind === 'persist') this.queue.push(effect)
      else if (effect.kind === 'scan') this.scans.push(effect)
      else {
        if (effect.kind === 'role') this.isServing = effect.role === 'primary'
        this.#perform(this, effect)
      }
    }
  }

  /** Makes the oldest `count` commits durable in one. */
  commit(count = this.queue.length): void {
    const group = this.queue.splice(0, count)
    this.engine.commit(group.flatMap(({ operations }) => operations))
    this.durable.push(...group.map(({ token }) => token))
  }

  notify(count = this.durable.length): void {
    for (const token of this.durable.splice(0, count)) this.step({ kind: 'persisted', token })
  }

  /** The disk is full: everything that waits for it is gone. */
  refuse(): void {
    this.notify()
    const [first] = this.queue.splice(0)
    if (first !== undefined) this.step({ kind: 'refused', token: first.token })
  }

  scan(): void {
    const scan = this.scans.shift()
    if (scan === undefined) return
    const entries = this.engine.scan(scan.range)
    this.step({ kind: 'scanned', token: scan.token, entries })
  }
}

/** As `hex` of the sources, which takes its time with a thousand long keys. */
function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
