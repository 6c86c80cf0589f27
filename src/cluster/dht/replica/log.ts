import { assert } from '../../../base/assert.ts'
import type { RequestId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import { digestText } from '../../../base/text-digest.ts'
import { VERSION_NONE } from '../version.ts'
import type { Retained } from './history.ts'

/** Consecutive writes of one epoch, by the seq of the first and of the last. */
export type Run = { readonly epoch: number; readonly first: number; readonly last: number }

/**
 * The latest writes of a partition as this replica has them: consecutive, durable up to a point and
 * ordered beyond it.
 *
 * A version stands for everything before it too: each epoch has one primary, which lets nobody see a
 * write before it has it durably itself. So two replicas that have one version agree up to it.
 *
 * A hundred thousand writes are kept on a busy node, each for half a minute, which is the worst that can be done to a
 * collector of garbage. So of those that are durable only numbers stay here; the rest is in the engine.
 */
export class Log {
  readonly #retained: number
  readonly #requestOf: RequestOf
  /** Of each durable write kept, at the place that its seq has modulo their number. */
  readonly #epochs: Uint32Array
  readonly #requests: Uint32Array
  readonly #keys: Uint32Array
  /** The seq of the first that is kept. */
  #first = 1
  #durable: Version = VERSION_NONE
  /** Not durable yet, oldest first. */
  readonly #ordered: Retained[] = []

  /**
   * All of `history` is durable. At most `retained` durable writes are kept. `requestOf` gives the request of a durable write,
   * undefined when the engine does not keep it any more.
   */
  constructor(history: readonly Retained[], retained: number, requestOf: RequestOf) {
    this.#retained = retained
    this.#requestOf = requestOf
    this.#epochs = new Uint32Array(retained)
    this.#requests = new Uint32Array(retained)
    this.#keys = new Uint32Array(retained)
    this.#keep(history.map(digestOf))
  }

  /** The last write that has been ordered here. */
  get last(): Version {
    return this.#ordered.at(-1)?.version ?? this.#durable
  }

  get durable(): Version {
    return this.#durable
  }

  /** The seq of the first write that is kept; without any, infinite. */
  get oldest(): number {
    return this.#oldest?.seq ?? Number.POSITIVE_INFINITY
  }

  /**
   * The version that a request was given, if it is among those kept; `gone` when it may be one of those that the engine does
   * not keep any more, being ahead of this log.
   */
  find(requestId: RequestId): Version | 'gone' | undefined {
    const ordered = this.#ordered.find((write) => write.requestId === requestId)
    if (ordered !== undefined) return ordered.version
    const digest = digestText(requestId)
    if (!this.#requests.includes(digest)) return undefined
    for (let seq = this.#durable.seq; seq >= this.#first; seq--) {
      if (this.#requests[seq % this.#retained] !== digest) continue
      const version = this.#version(seq)
      const found = this.#requestOf(version)
      if (found === undefined) return 'gone'
      if (found === requestId) return version
    }
    return undefined
  }

  /** The write whose record goes when one more is ordered. */
  expiring(): Version | undefined {
    const seq = this.last.seq - this.#retained + 1
    if (seq < this.oldest) return undefined
    return seq <= this.#durable.seq
      ? this.#version(seq)
      : this.#ordered[seq - this.#durable.seq - 1]?.version
  }

  /** Orders a write. */
  push(record: Retained): void {
    assert(record.version.seq === this.last.seq + 1, 'the sequence of writes has no gaps')
    this.#ordered.push(record)
  }

  /** The next write is durable. */
  settle(version: Version): void {
    assert(version.seq === this.#durable.seq + 1, 'writes become durable in their order')
    const write = this.#ordered.shift()
    assert(write !== undefined, 'what becomes durable has been ordered')
    this.#add(digestOf(write))
  }

  /** The writes from this one on never happen. None of them is durable. */
  cancel({ seq }: Version): void {
    assert(seq > this.#durable.seq, 'what is durable has happened')
    this.#ordered.splice(seq - this.#durable.seq - 1)
  }

  /** Everything here is durable, and the writes after `common` give way to `newer`; `older` go before all. */
  replace(common: Version, older: readonly Retained[], newer: readonly Retained[]): void {
    const kept = this.after(VERSION_NONE)
      .filter(({ seq }) => seq <= common.seq)
      .map((version) => this.#digest(version))
    this.#keep([...older.map(digestOf), ...kept, ...newer.map(digestOf)])
  }

  /** Whether this write is durable here, as far as it is kept. */
  has({ epoch, seq }: Version): boolean {
    return this.#isKept(seq) && this.#epochs[seq % this.#retained] === epoch
  }

  /** The durable writes after this one, oldest first. */
  after({ seq }: Version): readonly Version[] {
    return this.#versions(Math.max(this.#first, seq + 1), this.#durable.seq)
  }

  /** The durable writes before the one with this seq. */
  before(seq: number): readonly Version[] {
    return this.#versions(this.#first, Math.min(seq - 1, this.#durable.seq))
  }

  /** Whether all that follows `version` is kept here. */
  reachesBackTo(version: Version): boolean {
    return version.seq === 0 ? this.#durable.seq === 0 || this.oldest === 1 : this.has(version)
  }

  /** The durable writes kept, in few words. */
  runs(): readonly Run[] {
    const { epoch, seq } = this.#durable
    // Epochs only grow, so what begins and ends in the same one is one run: nearly always, and asked for with each write.
    if (this.#isKept(this.#first) && this.#epochs[this.#first % this.#retained] === epoch)
      return [{ epoch, first: this.#first, last: seq }]
    return runsOf(this.after(VERSION_NONE))
  }

  /**
   * The last version that this log has in common with one whose runs these are; undefined when that
   * is further back than what is kept.
   */
  commonWith(runs: readonly Run[]): Version | undefined {
    const common = this.after(VERSION_NONE).findLast((version) => isWithin(runs, version))
    if (common !== undefined) return common
    const reachesBack = this.reachesBackTo(VERSION_NONE) && (runs[0]?.first ?? 1) === 1
    return reachesBack ? VERSION_NONE : undefined
  }

  /**
   * The last write to a partition key, or if that is not kept any more, a version that it does not exceed. Two keys may have
   * the same digest: then a write to one counts for the other.
   */
  lastWrite(space: string, partitionKey: string, seqMax: number): Version {
    const digest = digestText(partitionKey, digestText(space))
    const isOfKey = ({ space: other, partitionKey: key, version }: Retained) =>
      key === partitionKey && other === space && version.seq <= seqMax
    const ordered = this.#ordered.findLast(isOfKey)
    if (ordered !== undefined) return ordered.version
    for (let seq = Math.min(this.#durable.seq, seqMax); seq >= this.#first; seq--) {
      if (this.#keys[seq % this.#retained] === digest) return this.#version(seq)
    }
    const oldest = this.#oldest
    if (oldest === undefined || oldest.seq === 1) return VERSION_NONE
    // In steps, so that a key that is not written keeps its version while others are. Each is less
    // than what is kept, so that such a version is never one that a later write gets.
    const step = this.#retained / 2
    return { epoch: oldest.epoch, seq: Math.ceil((oldest.seq - 1) / step) * step }
  }

  get #oldest(): Version | undefined {
    return this.#isKept(this.#first) ? this.#version(this.#first) : this.#ordered[0]?.version
  }

  /** Keeps these and nothing else. */
  #keep(writes: readonly Digest[]): void {
    const kept = writes.slice(-this.#retained)
    this.#first = kept[0]?.version.seq ?? 1
    this.#durable = VERSION_NONE
    for (const [place, write] of kept.entries()) {
      const isNext = write.version.seq === this.#first + place
      assert(isNext, 'the sequence of writes has no gaps')
      this.#add(write)
    }
  }

  #add({ version, request, key }: Digest): void {
    const place = version.seq % this.#retained
    this.#epochs[place] = version.epoch
    this.#requests[place] = request
    this.#keys[place] = key
    this.#durable = version
    this.#first = Math.max(this.#first, version.seq - this.#retained + 1)
  }

  #digest(version: Version): Digest {
    const place = version.seq % this.#retained
    const [request, key] = [this.#requests[place], this.#keys[place]]
    assert(request !== undefined && key !== undefined, 'a write that is kept has its place')
    return { version, request, key }
  }

  #isKept(seq: number): boolean {
    return seq >= this.#first && seq <= this.#durable.seq
  }

  #version(seq: number): Version {
    return { epoch: this.#epochs[seq % this.#retained] as number, seq }
  }

  #versions(first: number, last: number): readonly Version[] {
    const length = Math.max(0, last - first + 1)
    return Array.from({ length }, (_, place) => this.#version(first + place))
  }
}

/** The request of a durable write. */
export type RequestOf = (version: Version) => RequestId | undefined

/** What stays of a write that is durable. */
type Digest = { readonly version: Version; readonly request: number; readonly key: number }

function digestOf({ version, requestId, space, partitionKey }: Retained): Digest {
  const key = digestText(partitionKey, digestText(space))
  return { version, request: digestText(requestId), key }
}

/** Of the empty write with which a primary begins its epoch. */
export const NO_REQUEST = '' as RequestId

/** The last version of a log with these runs. */
export function endOf(runs: readonly Run[]): Version {
  const last = runs.at(-1)
  return last === undefined ? VERSION_NONE : { epoch: last.epoch, seq: last.last }
}

/** Whether a log with these runs has this write, as far as it is kept. */
export function isWithin(runs: readonly Run[], { epoch, seq }: Version): boolean {
  return runs.some((run) => run.epoch === epoch && run.first <= seq && seq <= run.last)
}

function runsOf(versions: readonly Version[]): readonly Run[] {
  const runs: { epoch: number; first: number; last: number }[] = []
  for (const { epoch, seq } of versions) {
    const run = runs.at(-1)
    if (run?.epoch === epoch) run.last = seq
    else runs.push({ epoch, first: seq, last: seq })
  }
  return runs
}
