/**
 * A partition's primary for one epoch: orders the writes, decides their conditions, sends them to the
 * other replicas, and answers.
 *
 * 1. Writes are ordered as (epoch, seq). Seq grows by one with each write and goes on across
 *    epochs, so a gap shows.
 * 2. A condition sees all writes ordered before, also those in flight.
 * 3. An answer leaves when everything it rests on is committed: the write itself, the first write
 *    of a request id that is tried again, the write in flight that made a condition fail. A refused
 *    or crashed write is never told of.
 * 4. A write is sent to others when it is durable here, so that no version is ever given twice. It is
 *    committed when `writeQuorum` replicas have it, this one included, and all before it are
 *    committed.
 * 5. A request id within the retained records gets its first answer and changes nothing. Failed
 *    conditions are not recorded. A write that may be attempted again names a version that is older than
 *    all its attempts, and is only made where that is still retained: an attempt that was made, here or
 *    by an earlier primary, then shows among the records, however late another one comes.
 * 6. A write of this epoch that is committed commits all before it, also those of earlier primaries;
 *    nothing else does. So a primary that takes over begins with an empty write, and serves when that
 *    is committed.
 */
import { assert } from '../../../base/assert.ts'
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Unavailable, Version } from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import type { EngineOperation } from '../../../storage/index.ts'
import { encodeEntry } from '../entry.ts'
import { entryKey, entryName, entryPrefix, recordKey } from '../key.ts'
import { VERSION_NONE } from '../version.ts'
import type { ReplicaBounds } from './bound.ts'
import { failedCondition, type Pending, type View } from './condition.ts'
import type { Answer, MapRead, MapWrite } from './effect.ts'
import type { Retained } from './history.ts'
import { type Log, NO_REQUEST } from './log.ts'
import type { AppendedWrite, ReplicaMessage } from './message.ts'
import { Reads } from './reads.ts'
import { encodeRecord, type WriteRecord } from './record.ts'

/** The rules are at the head of this file. */
export class Primary {
  readonly #options: PrimaryOptions
  readonly #log: Log
  readonly #inFlight: InFlight[] = []
  /** What the writes in flight make of each entry they touch. */
  readonly #overlay = new Map<string, Pending>()
  /** How far each other replica is known to have come in this epoch. */
  readonly #acks = new Map<NodeId, number>()
  /** The same at the last tick, and for how many ticks it has been so: who does not move for long has missed something. */
  readonly #stands = new Map<NodeId, Stand>()
  /** Up to where each has been told that writes are committed. */
  readonly #told = new Map<NodeId, number>()
  /** What was durable here at the last tick, and at the one before it. */
  #durableLast = 0
  #durableBefore = 0
  readonly #reads: Reads
  #committed: Version
  #isServing: boolean

  /** Everything in the log is durable. */
  constructor(options: PrimaryOptions) {
    const { log, epoch, others, readQuorum, nextTurn, host } = options
    this.#options = options
    this.#log = log
    this.#committed = log.last
    assert(log.last.epoch <= epoch, 'an epoch never goes back')
    this.#isServing = others.length === 0
    this.#reads = new Reads({
      readQuorum,
      nextTurn,
      ask: (turn) => {
        for (const other of others) host.send(other, { kind: 'confirm', epoch, turn })
      },
      committed: () => this.#committed.seq,
      reply: (answer) => host.reply(answer),
    })
    if (!this.#isServing) this.#orderNothing()
  }

  get isServing(): boolean {
    return this.#isServing
  }

  /** The last write that is known to be committed. */
  get committed(): Version | undefined {
    return this.#isServing ? this.#committed : undefined
  }

  /** Whether ticks have something to do. */
  get isBusy(): boolean {
    // The write that begins its epoch may have found no space.
    if (!this.#isServing) return true
    if (this.#inFlight.length > 0 || this.#reads.isBusy) return true
    const durable = this.#log.durable.seq
    const isDue = (other: NodeId) =>
      (this.#acks.get(other) ?? 0) < durable || (this.#told.get(other) ?? 0) < this.#committed.seq
    return this.#options.others.some(isDue)
  }

  /** Who lacks a write that was here a tick ago. */
  lagging(): readonly NodeId[] {
    return this.#options.others.filter(
      (other) => (this.#acks.get(other) ?? 0) < this.#durableBefore,
    )
  }

  write(write: MapWrite, client: number): void {
    const { host, bounds, writeQuorum, partition, view } = this.#options
    const first = this.#log.find(write.requestId)
    if (typeof first === 'object') {
      this.#answerAfter(first, { client, result: ok(first) })
      return
    }
    const { since } = write
    if (first === 'gone' || (since !== undefined && !this.#log.reachesBackTo(since))) {
      host.reply({ client, result: err({ kind: 'forgotten', committed: this.#committed }) })
      return
    }
    if (writeQuorum > 1 && this.#inFlight.length >= bounds.inFlight) {
      host.reply({ client, result: unavailable('too many writes wait for other replicas') })
      return
    }
    const prefix = entryPrefix(partition, write.space, write.partitionKey)
    const refusal = failedCondition(write, prefix, this.#overlay, view)
    if (refusal === undefined) this.#order(write, prefix, client)
    else
      this.#reads.add({ client, result: err(refusal.conflict) }, refusal.basis ?? this.#committed)
  }

  /**
   * Replies when what the engine shows at this moment is committed, and no other primary can have
   * answered anything before this call.
   */
  read({ space, partitionKey, sortKey }: MapRead, client: number): void {
    const isSeen = (write: InFlight) =>
      sortKey === undefined
        ? write.space === space && write.partitionKey === partitionKey
        : write.pending.some(([name]) => name === entryName(space, partitionKey, sortKey))
    const basis = this.#inFlight.findLast(isSeen)?.version ?? this.#committed
    this.#reads.add({ client, result: ok(basis) }, basis)
  }

  /** The next write is durable here. `append` is for the others, if there are any. */
  persisted(append: AppendedWrite | undefined): void {
    const { others } = this.#options
    if (others.length > 0) this.#append(others, append)
    this.#commit()
  }

  /** The writes from this one on found no space here, so they never happen. */
  refused({ seq }: Version): void {
    const dropped = this.#inFlight.splice(seq - this.#committed.seq - 1)
    this.#overlay.clear()
    for (const { pending } of this.#inFlight) {
      for (const [name, entry] of pending) this.#overlay.set(name, entry)
    }
    const noSpace = err({ kind: 'no-space' as const })
    for (const { client } of dropped.flatMap(({ answers }) => answers)) {
      this.#options.host.reply({ client, result: noSpace })
    }
    this.#reads.cancelAfter(this.#inFlight.at(-1)?.version ?? this.#committed)
  }

  /** That replica has durably everything up to this write. */
  appended(from: NodeId, version: Version): void {
    // A version of an earlier epoch proves nothing: another primary may yet drop it. See rule 6.
    if (version.epoch !== this.#options.epoch) return
    if (version.seq <= (this.#acks.get(from) ?? 0)) return
    assert(version.seq <= this.#log.durable.seq, 'a replica has only what was sent to it')
    this.#acks.set(from, version.seq)
    this.#commit()
  }

  confirmed(from: NodeId, turn: number): void {
    this.#reads.confirmed(from, turn)
  }

  /** Asks how far that replica has come, so that it hears how far it should have. */
  reached(peer: NodeId): void {
    if (this.#options.others.includes(peer)) this.#append([peer], undefined)
  }

  tick(): void {
    const { others, bounds } = this.#options
    if (!this.#isServing && this.#inFlight.length === 0) this.#orderNothing()
    for (const other of others) {
      const acked = this.#acks.get(other) ?? 0
      const isBehind = acked < this.#log.durable.seq
      const quietTicks = this.#quietTicks(other, acked)
      if (quietTicks === 0) continue
      if (!isBehind) this.#tellCommitted(other)
      // A disk that is slow is no reason to ask: that would only give it more to do.
      else if (quietTicks % bounds.repeatTicks === 0) this.#append([other], undefined)
    }
    this.#durableBefore = this.#durableLast
    this.#durableLast = this.#log.durable.seq
    for (const write of this.#inFlight) {
      if (++write.age >= bounds.outcomeTicks) this.#giveUp(write, 'too few replicas answer')
    }
    this.#reads.tick(bounds.outcomeTicks)
  }

  /** This node is not the primary any more: answers all who wait. */
  close(): void {
    for (const write of this.#inFlight) this.#giveUp(write, 'another node has become the primary')
    this.#reads.close()
  }

  /** The version of the state that the view shows at this moment. */
  version(): Version {
    const { partition, view, bounds } = this.#options
    let shown = this.#committed
    for (let place = 0; place < this.#inFlight.length; ) {
      const { version } = this.#inFlight[place] as InFlight
      const isThere = view(recordKey(partition, version)) !== undefined
      if (isThere) shown = version
      // A record that is not there may have come and gone again: then the write that took it is shown.
      place += isThere ? 1 : bounds.retained
    }
    return shown
  }

  /** Whether a write in flight puts or deletes the entry of this `entryName`. */
  isPending(name: string): boolean {
    return this.#overlay.has(name)
  }

  /** Gives the write its place: from here on every later condition sees it. */
  #order(write: MapWrite, prefix: Uint8Array, client: number): void {
    const { requestId, space, partitionKey } = write
    const version = this.#next()
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
    const answers = [{ client, result: ok(version) }]
    this.#inFlight.push({ version, space, partitionKey, pending, answers, age: 0 })
    for (const [name, entry] of pending) this.#overlay.set(name, entry)
    this.#persist({ requestId, space, partitionKey, sortKeys }, version, operations)
  }

  #orderNothing(): void {
    const version = this.#next()
    const record = { requestId: NO_REQUEST, space: '', partitionKey: '', sortKeys: [] }
    this.#inFlight.push({ version, ...record, pending: [], answers: [], age: 0 })
    this.#persist(record, version, [])
  }

  #next(): Version {
    return { epoch: this.#options.epoch, seq: this.#log.last.seq + 1 }
  }

  #persist(record: WriteRecord, version: Version, entries: EngineOperation[]): void {
    const { host, others } = this.#options
    const previous = this.#log.last
    const bytes = encodeRecord(record)
    const append =
      others.length === 0
        ? undefined
        : {
            version,
            previous,
            record: bytes,
            written: record,
            entries: entries.filter((entry) => entry.kind === 'put'),
          }
    host.order({ ...record, version }, bytes, entries, append)
  }

  #quietTicks(other: NodeId, acked: number): number {
    const stand = this.#stands.get(other)
    const ticks = stand?.acked === acked ? stand.ticks + 1 : 0
    this.#stands.set(other, { acked, ticks })
    return ticks
  }

  /** With the next write at the latest; by itself when there is none. */
  #tellCommitted(to: NodeId): void {
    const { epoch, host } = this.#options
    const version = this.committed
    if (version === undefined || (this.#told.get(to) ?? 0) >= version.seq) return
    this.#told.set(to, version.seq)
    host.send(to, { kind: 'committed', epoch, version })
  }

  /** The same message for all of them. */
  #append(peers: readonly NodeId[], write: AppendedWrite | undefined): void {
    const { epoch, host } = this.#options
    const committed = this.committed ?? VERSION_NONE
    const history = this.#log.runs()
    const message = { kind: 'append', epoch, history, committed, write } as const
    for (const to of peers) {
      // Who is behind may have to fetch what it lacks, and heeds nothing else meanwhile: it is told again.
      const isBehind = (this.#acks.get(to) ?? 0) < this.#log.durable.seq
      if (!isBehind) this.#told.set(to, committed.seq)
      host.send(to, message)
    }
  }

  /** Commits what enough replicas have, in the order of the sequence. */
  #commit(): void {
    const { epoch, host } = this.#options
    const seq = this.#quorumSeq()
    for (let head = this.#inFlight[0]; head !== undefined; head = this.#inFlight[0]) {
      if (head.version.seq > seq) break
      this.#inFlight.shift()
      this.#committed = head.version
      for (const [name, entry] of head.pending) {
        if (this.#overlay.get(name) === entry) this.#overlay.delete(name)
      }
      if (!this.#isServing) host.serving(epoch)
      this.#isServing = true
      for (const answer of head.answers) host.reply(answer)
    }
    this.#reads.release()
  }

  /** Up to where enough replicas have the writes, as far as this one has them. */
  #quorumSeq(): number {
    const { others, writeQuorum } = this.#options
    if (writeQuorum === 1) return this.#log.durable.seq
    let best = 0
    for (const candidate of others) {
      const seq = this.#acks.get(candidate) ?? 0
      let count = 1
      for (const other of others) if ((this.#acks.get(other) ?? 0) >= seq) count++
      if (count >= writeQuorum && seq > best) best = seq
    }
    return best
  }

  #answerAfter(first: Version, answer: Answer): void {
    if (first.seq <= this.#committed.seq) {
      this.#options.host.reply(answer)
      return
    }
    const write = this.#inFlight[first.seq - this.#committed.seq - 1]
    assert(write !== undefined, `no write ${first.seq} is in flight`)
    write.answers.push(answer)
  }

  #giveUp(write: InFlight, reason: string): void {
    for (const { client } of write.answers.splice(0)) {
      this.#options.host.reply({ client, result: err({ kind: 'outcome-unknown', reason }) })
    }
  }
}

/** Fixed for the epoch. */
export type PrimaryOptions = {
  readonly partition: PartitionId
  readonly epoch: number
  /** The replicas besides this one. */
  readonly others: readonly NodeId[]
  readonly writeQuorum: number
  readonly readQuorum: number
  readonly bounds: ReplicaBounds
  readonly log: Log
  readonly view: View
  readonly nextTurn: () => number
  readonly host: PrimaryHost
}

/** What a primary needs done. */
export type PrimaryHost = {
  /** Orders the write in the log and persists it. */
  order(
    write: Retained,
    record: Uint8Array,
    entries: EngineOperation[],
    append: AppendedWrite | undefined,
  ): void
  send(to: NodeId, message: ReplicaMessage): void
  reply(answer: Answer): void
  /** From here on it serves. */
  serving(epoch: number): void
}

type Stand = { readonly acked: number; readonly ticks: number }

type InFlight = {
  readonly version: Version
  readonly space: string
  readonly partitionKey: string
  readonly pending: readonly (readonly [string, Pending])[]
  readonly answers: Answer[]
  age: number
}

function unavailable(reason: string): Result<never, Unavailable> {
  return err({ kind: 'unavailable', reason })
}
