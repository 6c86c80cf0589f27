/**
 * One partition on one node, as its primary: orders the writes, decides their conditions, and
 * answers.
 *
 * 1. Writes are ordered as (epoch, seq). Seq grows by one with each write and goes on across
 *    epochs, so a gap shows.
 * 2. A condition sees all writes ordered before, also those in flight.
 * 3. An answer leaves when everything it rests on is committed: the write itself, the first write
 *    of a request id that is tried again, the write in flight that made a condition fail. A refused
 *    or crashed write is never told of.
 * 4. A write is committed when `writeQuorum` replicas have it, this one included, and all before it
 *    are committed.
 * 5. A request id within the retained records gets its first answer and changes nothing. Failed
 *    conditions are not recorded.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId, PartitionId, RequestId } from '../../base/ids.ts'
import type { Condition, Conflict, MapOperation, NoSpace, Version } from '../../base/port.ts'
import { err, ok, type Result } from '../../base/result.ts'
import type { EngineOperation } from '../../storage/index.ts'
import { decodeEntry, encodeEntry } from './entry.ts'
import { RECORDS_RETAINED, type Retained } from './history.ts'
import { entryKey, entryName, entryPrefix, recordKey } from './key.ts'
import { encodeRecord } from './record.ts'
import { VERSION_NONE } from './version.ts'

/** The rules are at the head of this file. */
export class Replica {
  readonly #options: ReplicaOptions
  /** Oldest first, consecutive; those in flight are the last. */
  readonly #retained: Retained[]
  readonly #answered = new Map<RequestId, Version>()
  readonly #inFlight: InFlight[] = []
  /** What the writes in flight make of each entry they touch. */
  readonly #overlay = new Map<string, Pending>()
  #committed: Version

  /** Takes ownership of `history`. */
  constructor(options: ReplicaOptions, history: Retained[]) {
    this.#options = options
    this.#retained = history
    this.#committed = history.at(-1)?.version ?? VERSION_NONE
    assert(this.#committed.epoch <= options.epoch, 'an epoch never goes back')
    for (const { requestId, version } of history) this.#answered.set(requestId, version)
  }

  /** The effects are in order and complete: nothing else is ever to be done for this input. */
  step(input: ReplicaInput): readonly ReplicaEffect[] {
    switch (input.kind) {
      case 'write':
        return this.#write(input.write, input.client)
      case 'persisted':
        return this.#acknowledge(input.token, this.#options.self)
      case 'refused':
        return this.#refuse(input.token)
    }
  }

  /** The version of the state that the view shows at this moment. */
  version(): Version {
    const { partition, view } = this.#options
    let shown = this.#committed
    for (let place = 0; place < this.#inFlight.length; ) {
      const { version } = this.#inFlight[place] as InFlight
      const isThere = view(recordKey(partition, version)) !== undefined
      if (isThere) shown = version
      // A record that is not there may have come and gone again: then the write that took it is shown.
      place += isThere ? 1 : RECORDS_RETAINED
    }
    return shown
  }

  /** What `MapSpace.version` says of a partition key, by the state that the view shows. */
  versionOf(space: string, partitionKey: string): Version {
    return this.#lastWrite(space, partitionKey, this.version().seq)
  }

  /** The same when all writes that have been ordered are committed. */
  orderedVersionOf(space: string, partitionKey: string): Version {
    return this.#lastWrite(space, partitionKey, Number.POSITIVE_INFINITY)
  }

  /** Whether a write in flight puts or deletes the entry of this `entryName`. */
  isPending(name: string): boolean {
    return this.#overlay.has(name)
  }

  #write(write: MapWrite, client: number): readonly ReplicaEffect[] {
    const first = this.#answered.get(write.requestId)
    if (first !== undefined) return this.#answerAfter(first, { client, result: ok(first) })

    const prefix = entryPrefix(this.#options.partition, write.space, write.partitionKey)
    const refusal = this.#failedCondition(write, prefix)
    if (refusal !== undefined) {
      return this.#answerAfter(refusal.basis, { client, result: err(refusal.conflict) })
    }
    const { operations, version } = this.#order(write, prefix, client)
    return [{ kind: 'persist', operations, token: version }]
  }

  #failedCondition(
    { space, partitionKey, operations }: MapWrite,
    prefix: Uint8Array,
  ): { readonly basis: Version; readonly conflict: Conflict } | undefined {
    for (const { condition, sortKey } of operations) {
      if (condition === undefined) continue
      const pending = this.#overlay.get(entryName(space, partitionKey, sortKey))
      const current = pending === undefined ? this.#shown(entryKey(prefix, sortKey)) : pending.live
      if (holds(condition, current)) continue
      const basis = pending?.version ?? this.#committed
      return { basis, conflict: { kind: 'conflict', key: sortKey, current } }
    }
    return undefined
  }

  /** The last write to a partition key, or if that is not retained any more, a version that it does not exceed. */
  #lastWrite(space: string, partitionKey: string, seqMax: number): Version {
    for (let place = this.#retained.length - 1; place >= 0; place--) {
      const write = this.#retained[place] as Retained
      const isOfKey = write.partitionKey === partitionKey && write.space === space
      if (isOfKey && write.version.seq <= seqMax) return write.version
    }
    const oldest = this.#retained[0]?.version
    if (oldest === undefined || oldest.seq === 1) return VERSION_NONE
    // In steps, so that a key that is not written keeps its version while others are.
    const seq = Math.ceil((oldest.seq - 1) / VERSION_STEP) * VERSION_STEP
    return { epoch: oldest.epoch, seq }
  }

  #shown(key: Uint8Array): Version | undefined {
    const bytes = this.#options.view(key)
    if (bytes === undefined) return undefined
    const { version, value } = decodeEntry(bytes)
    return value === undefined ? undefined : version
  }

  /** Gives the write its place: from here on every later condition sees it. */
  #order(write: MapWrite, prefix: Uint8Array, client: number): Ordered {
    const { partition, epoch } = this.#options
    const { requestId, space, partitionKey } = write
    const version = { epoch, seq: (this.#retained.at(-1)?.version.seq ?? 0) + 1 }
    const operations: EngineOperation[] = []
    const sortKeys: string[] = []
    const pending: [string, Pending][] = []
    for (const operation of write.operations) {
      if (operation.kind === 'check') continue
      const value = operation.kind === 'put' ? operation.value : undefined
      const { sortKey } = operation
      const key = entryKey(prefix, sortKey)
      operations.push({ kind: 'put', key, value: encodeEntry({ version, value }) })
      sortKeys.push(sortKey)
      const live = value === undefined ? undefined : version
      pending.push([entryName(space, partitionKey, sortKey), { version, live }])
    }
    const record = encodeRecord({ requestId, space, partitionKey, sortKeys })
    operations.push({ kind: 'put', key: recordKey(partition, version), value: record })
    const expired = this.#retained.at(-RECORDS_RETAINED)
    if (expired !== undefined) {
      operations.push({ kind: 'delete', key: recordKey(partition, expired.version) })
    }
    const answers = [{ client, result: ok(version) }]
    this.#retained.push({ version, requestId, space, partitionKey })
    this.#answered.set(requestId, version)
    this.#inFlight.push({ version, pending, answers, acks: new Set() })
    for (const [name, entry] of pending) this.#overlay.set(name, entry)
    return { operations, version }
  }

  #acknowledge(token: Version, from: NodeId): readonly ReplicaEffect[] {
    this.#inFlight[this.#place(token)]?.acks.add(from)
    const effects: ReplicaEffect[] = []
    let head = this.#inFlight[0]
    while (head !== undefined && head.acks.size >= this.#options.writeQuorum) {
      this.#inFlight.shift()
      this.#commit(head)
      for (const answer of head.answers) effects.push({ kind: 'reply', ...answer })
      head = this.#inFlight[0]
    }
    return effects
  }

  #commit(write: InFlight): void {
    this.#committed = write.version
    for (const [name, entry] of write.pending) {
      if (this.#overlay.get(name) === entry) this.#overlay.delete(name)
    }
    const oldest = this.#retained[0]
    if (oldest !== undefined && oldest.version.seq <= write.version.seq - RECORDS_RETAINED) {
      this.#retained.shift()
      this.#answered.delete(oldest.requestId)
    }
  }

  /** That write found no space, so what was ordered after it never happens either. */
  #refuse(token: Version): readonly ReplicaEffect[] {
    const dropped = this.#inFlight.splice(this.#place(token))
    for (const { requestId } of this.#retained.splice(-dropped.length)) {
      this.#answered.delete(requestId)
    }
    this.#overlay.clear()
    for (const { pending } of this.#inFlight) {
      for (const [name, entry] of pending) this.#overlay.set(name, entry)
    }
    return dropped.flatMap(({ answers }) =>
      answers.map(({ client }) => ({
        kind: 'reply' as const,
        client,
        result: err({ kind: 'no-space' as const }),
      })),
    )
  }

  #answerAfter(basis: Version, answer: Answer): readonly ReplicaEffect[] {
    if (basis.seq <= this.#committed.seq) return [{ kind: 'reply', ...answer }]
    this.#inFlight[this.#place(basis)]?.answers.push(answer)
    return []
  }

  #place({ seq }: Version): number {
    const place = seq - this.#committed.seq - 1
    assert(place >= 0 && place < this.#inFlight.length, `no write ${seq} is in flight`)
    return place
  }
}

/** Less than what is retained, so that such a version is never one that a later write gets. */
const VERSION_STEP = RECORDS_RETAINED / 2

/** Fixed while the replica is the primary of its epoch. */
export type ReplicaOptions = {
  readonly partition: PartitionId
  readonly self: NodeId
  /** Of the partition table. This replica is the primary of `epoch`. */
  readonly epoch: number
  readonly writeQuorum: number
  /** The engine's `get`. */
  readonly view: (key: Uint8Array) => Uint8Array | undefined
}

/** A write of `MapSpace`, its limits checked. */
export type MapWrite = {
  readonly space: string
  readonly partitionKey: string
  readonly operations: readonly MapOperation[]
  readonly requestId: RequestId
}

/**
 * `client` names who gets the reply. `persisted` and `refused` answer a `persist`, in the order of
 * these; after `refused` those ordered later are gone and get no answer of their own.
 */
export type ReplicaInput =
  | { readonly kind: 'write'; readonly write: MapWrite; readonly client: number }
  | { readonly kind: 'persisted'; readonly token: Version }
  | { readonly kind: 'refused'; readonly token: Version }

/** `persist`: commit these operations as one, none of them before those of earlier tokens. */
export type ReplicaEffect =
  | {
      readonly kind: 'persist'
      readonly operations: readonly EngineOperation[]
      readonly token: Version
    }
  | ({ readonly kind: 'reply' } & Answer)

/** To a write. `no-space`: nothing was written, nor was anything that it rests on. */
export type Answer = {
  readonly client: number
  readonly result: Result<Version, Conflict | NoSpace>
}

type Pending = { readonly version: Version; readonly live: Version | undefined }

type Ordered = { readonly operations: readonly EngineOperation[]; readonly version: Version }

type InFlight = {
  readonly version: Version
  readonly pending: readonly (readonly [string, Pending])[]
  readonly answers: Answer[]
  /** The replicas that have it; a set, so that one that says so twice counts once. */
  readonly acks: Set<NodeId>
}

function holds(condition: Condition, current: Version | undefined): boolean {
  if (condition === 'absent') return current === undefined
  return current?.epoch === condition.epoch && current.seq === condition.seq
}
