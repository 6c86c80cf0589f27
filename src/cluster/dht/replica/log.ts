import { assert } from '../../../base/assert.ts'
import type { RequestId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import { isSameVersion, VERSION_NONE } from '../version.ts'
import type { Retained } from './history.ts'

/** Consecutive writes of one epoch, by the seq of the first and of the last. */
export type Run = { readonly epoch: number; readonly first: number; readonly last: number }

/**
 * The latest writes of a partition as this replica has them: consecutive, durable up to a point and
 * ordered beyond it.
 *
 * A version stands for everything before it too: each epoch has one primary, which lets nobody see a
 * write before it has it durably itself. So two replicas that have one version agree up to it.
 */
export class Log {
  readonly #retained: number
  readonly #records: Retained[]
  readonly #versions = new Map<RequestId, Version>()
  #durable: Version

  /** Takes ownership of `history`, all of it durable. At most `retained` durable writes are kept. */
  constructor(history: Retained[], retained: number) {
    this.#retained = retained
    this.#records = history
    this.#durable = history.at(-1)?.version ?? VERSION_NONE
    for (const record of history) this.#remember(record)
  }

  /** The last write that has been ordered here. */
  get last(): Version {
    return this.#records.at(-1)?.version ?? VERSION_NONE
  }

  get durable(): Version {
    return this.#durable
  }

  /** The seq of the first write that is kept; without any, infinite. */
  get oldest(): number {
    return this.#records[0]?.version.seq ?? Number.POSITIVE_INFINITY
  }

  /** The version that a request was given, if it is among those kept. */
  find(requestId: RequestId): Version | undefined {
    return this.#versions.get(requestId)
  }

  /** The write whose record goes when one more is ordered. */
  expiring(): Version | undefined {
    return this.#records.at(-this.#retained)?.version
  }

  /** Orders a write. */
  push(record: Retained): void {
    assert(record.version.seq === this.last.seq + 1, 'the sequence of writes has no gaps')
    this.#records.push(record)
    this.#remember(record)
  }

  /** The next write is durable. */
  settle(version: Version): void {
    assert(version.seq === this.#durable.seq + 1, 'writes become durable in their order')
    this.#durable = version
    const oldest = this.#records[0]
    if (oldest !== undefined && oldest.version.seq <= version.seq - this.#retained) {
      this.#records.shift()
      this.#forget(oldest)
    }
  }

  /** The writes from this one on never happen. None of them is durable. */
  cancel({ seq }: Version): void {
    assert(seq > this.#durable.seq, 'what is durable has happened')
    for (const record of this.#records.splice(seq - this.oldest)) this.#forget(record)
  }

  /** Everything here is durable, and the writes after `common` give way to `newer`; `older` go before all. */
  replace(common: Version, older: readonly Retained[], newer: readonly Retained[]): void {
    const kept = this.#records.filter(({ version }) => version.seq <= common.seq)
    const records = [...older, ...kept, ...newer].slice(-this.#retained)
    this.#records.splice(0)
    this.#versions.clear()
    for (const record of records) {
      const before = this.#records.at(-1)
      const isNext = before === undefined || record.version.seq === before.version.seq + 1
      assert(isNext, 'the sequence of writes has no gaps')
      this.#records.push(record)
      this.#remember(record)
    }
    this.#durable = this.last
  }

  /** Whether this write is durable here, as far as it is kept. */
  has(version: Version): boolean {
    const found = this.#records[version.seq - this.oldest]?.version
    return found !== undefined && isSameVersion(found, version) && found.seq <= this.#durable.seq
  }

  /** The durable writes after this one, oldest first. */
  after({ seq }: Version): readonly Retained[] {
    const place = Math.max(0, seq + 1 - this.oldest)
    return this.#records.slice(place).filter(({ version }) => version.seq <= this.#durable.seq)
  }

  /** The durable writes before the one with this seq. */
  before(seq: number): readonly Retained[] {
    return this.#records.filter(({ version }) => version.seq < Math.min(seq, this.#durable.seq + 1))
  }

  /** Whether all that follows `version` is kept here. */
  reachesBackTo(version: Version): boolean {
    return version.seq === 0 ? this.#durable.seq === 0 || this.oldest === 1 : this.has(version)
  }

  /** The durable writes kept, in few words. */
  runs(): readonly Run[] {
    const { epoch, seq } = this.#durable
    const oldest = this.#records[0]?.version
    // Epochs only grow, so what begins and ends in the same one is one run: nearly always, and asked for with each write.
    if (oldest?.epoch === epoch && oldest.seq <= seq)
      return [{ epoch, first: oldest.seq, last: seq }]
    return runsOf(this.after(VERSION_NONE))
  }

  /**
   * The last version that this log has in common with one whose runs these are; undefined when that
   * is further back than what is kept.
   */
  commonWith(runs: readonly Run[]): Version | undefined {
    for (const { version } of this.after(VERSION_NONE).toReversed()) {
      if (isWithin(runs, version)) return version
    }
    const reachesBack = this.reachesBackTo(VERSION_NONE) && (runs[0]?.first ?? 1) === 1
    return reachesBack ? VERSION_NONE : undefined
  }

  /** The last write to a partition key, or if that is not kept any more, a version that it does not exceed. */
  lastWrite(space: string, partitionKey: string, seqMax: number): Version {
    for (let place = this.#records.length - 1; place >= 0; place--) {
      const write = this.#records[place] as Retained
      const isOfKey = write.partitionKey === partitionKey && write.space === space
      if (isOfKey && write.version.seq <= seqMax) return write.version
    }
    const oldest = this.#records[0]?.version
    if (oldest === undefined || oldest.seq === 1) return VERSION_NONE
    // In steps, so that a key that is not written keeps its version while others are. Each is less
    // than what is kept, so that such a version is never one that a later write gets.
    const step = this.#retained / 2
    return { epoch: oldest.epoch, seq: Math.ceil((oldest.seq - 1) / step) * step }
  }

  #remember({ requestId, version }: Retained): void {
    if (requestId !== NO_REQUEST) this.#versions.set(requestId, version)
  }

  #forget({ requestId, version }: Retained): void {
    if (this.#versions.get(requestId) === version) this.#versions.delete(requestId)
  }
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

function runsOf(records: readonly Retained[]): readonly Run[] {
  const runs: { epoch: number; first: number; last: number }[] = []
  for (const { version } of records) {
    const run = runs.at(-1)
    if (run?.epoch === version.epoch) run.last = version.seq
    else runs.push({ epoch: version.epoch, first: version.seq, last: version.seq })
  }
  return runs
}
