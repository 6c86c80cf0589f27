/**
 * Brings each call of the map to the primary of its partition: here, or on another node.
 *
 * 1. While nobody leads the partition, or its primary is not reached, a call waits for another table or a moment and is made
 *    again, until its time is up. So a failover looks like a slow answer.
 * 2. A write is repeated with its request id and the version that it was first sent with, so it is made once at most, by
 *    whichever attempt, also by one that comes late. What it has come to is unknown when an attempt may have been made and no
 *    later one tells: when the time is up, or when the records kept do not reach back any more.
 * 3. A call that is under way when its partition gets another primary is made again there at once.
 */
import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type {
  Conflict,
  NoSpace,
  OutcomeUnknown,
  Unavailable,
  Version,
  Written,
} from '../../../base/port.ts'
import { err, type Result } from '../../../base/result.ts'
import type { PartitionRow } from '../../partition/index.ts'
import { Calls } from '../../wire/calls.driver.ts'
import { MAP_CHANNEL } from '../../wire/index.ts'
import type { HostCluster } from '../host-options.ts'
import { entryPrefix } from '../key.ts'
import { rowNumberOf } from '../partition.ts'
import type { Forgotten, MapWrite } from '../replica/index.ts'
import { laterOf, VERSION_NONE } from '../version.ts'
import type { LocalAnswer, LocalMap } from './local-map.driver.ts'
import {
  decodeAnswer,
  decodeCall,
  encodeAnswer,
  encodeCall,
  type MapAnswers,
  type MapCall,
  type MapRefusal,
} from './map-call.ts'
import type { Place } from './place.ts'

export class MapRouter {
  readonly #options: MapRouterOptions
  readonly #calls: Calls
  readonly #asking = new Set<Asking>()
  /** The last version that each partition was told to have, by whoever led it. */
  readonly #known = new Map<PartitionId, Version>()
  #moment: Moment | undefined
  #waiting = 0
  #isClosed = false

  /** Answers the calls of others from now on. */
  constructor(options: MapRouterOptions) {
    this.#options = options
    this.#calls = new Calls({
      network: options.cluster.network,
      channel: MAP_CHANNEL,
      serve: (_from, question) => this.#serve(question),
    })
    options.cluster.directory.follow(() => this.#changed())
  }

  /** `here` makes the call at the replica of this node. For reads: they are refused with `unavailable` only. */
  async route<K extends MapCall['kind']>(
    place: Place,
    call: Extract<MapCall, { kind: K }>,
    here: () => LocalAnswer<K>,
  ): Promise<Result<MapAnswers[K], RoutedRefusal>> {
    return settled(await this.#route(place, call, here, performance.now() + this.#options.waitMs))
  }

  /** As `MapSpace.write`. */
  async write(place: Place, write: MapWrite): Promise<Result<Written, RoutedRefusal>> {
    const { local, waitMs } = this.#options
    const { partition } = place
    const deadlineMs = performance.now() + waitMs
    for (;;) {
      const since = laterOf(this.#known.get(partition) ?? VERSION_NONE, local.committed(place))
      const call = { ...write, kind: 'write', partition, since } as const
      const here = () => local.write(place, call)
      const outcome = await this.#route(place, call, here, deadlineMs)
      if (outcome.ok) {
        this.#known.set(partition, outcome.value.version)
        return outcome
      }
      const { error } = outcome
      if (error.kind !== 'forgotten') return err(error)
      // No attempt was made, so the first one is still to come.
      this.#known.set(partition, error.committed)
    }
  }

  /** Ends the calls under way. No call may follow. */
  close(): void {
    this.#isClosed = true
    this.#calls.close()
    this.#wake()
  }

  #serve(question: Uint8Array): Promise<Uint8Array> | undefined {
    const call = decodeCall(question)
    return call && this.#answer(call)
  }

  /** Never sent on: who asks has the same table, or an older or a newer one, and asks again. */
  async #answer(call: MapCall): Promise<Uint8Array> {
    const { space, partitionKey, partition, kind } = call
    const keys = entryPrefix(partition, space, partitionKey)
    const place = { space, partitionKey, partition, keys }
    return encodeAnswer(kind, await this.#options.local.perform(place, call))
  }

  async #route<K extends MapCall['kind']>(
    place: Place,
    call: Extract<MapCall, { kind: K }>,
    here: () => LocalAnswer<K>,
    deadlineMs: number,
  ): Promise<Result<MapAnswers[K], RoutedRefusal | Forgotten>> {
    let refusal: Unavailable | OutcomeUnknown = NO_TIME
    let question: Uint8Array | undefined
    for (;;) {
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0 || this.#isClosed) return err(refusal)
      const row = this.#row(place)
      let outcome: Result<MapAnswers[K], MapRefusal>
      if (row === undefined) outcome = NO_ROW
      else if (row.primary === this.#options.self) outcome = await here()
      else {
        question ??= encodeCall(call)
        outcome = await this.#ask(place, row, call.kind, question, leftMs)
      }
      if (outcome.ok) return outcome
      const { error } = outcome
      const isUnknown = refusal.kind === 'outcome-unknown'
      // What it says holds for this attempt, and an earlier one may have been made.
      if (isFinal(error)) return err(isUnknown ? refusal : error)
      if (call.kind === 'write' && error.kind === 'outcome-unknown') refusal = error
      else if (!isUnknown) refusal = { kind: 'unavailable', reason: reasonOf(error) }
      if (this.#waiting >= WAITING_MAX) return err(refusal)
      await this.#pause()
    }
  }

  #ask<K extends MapCall['kind']>(
    place: Place,
    { primary }: PartitionRow,
    kind: K,
    question: Uint8Array,
    leftMs: number,
  ): Promise<Result<MapAnswers[K], MapRefusal>> {
    const { promise, resolve } = Promise.withResolvers<Result<MapAnswers[K], MapRefusal>>()
    const giveUp = (reason: string) => resolve(err({ kind: 'outcome-unknown', reason }))
    const asking: Asking = { place, primary, giveUp }
    this.#asking.add(asking)
    const decode = (bytes: Uint8Array) => decodeAnswer(kind, bytes)
    const timeoutMs = Math.min(leftMs, ATTEMPT_MS)
    void this.#calls.call(primary, question, { timeoutMs, decode }).then((called) => {
      if (called.ok) resolve(called.value)
      else if (called.error.kind === 'no-answer') giveUp(called.error.reason)
      else resolve(err({ kind: 'unavailable', reason: called.error.reason }))
    })
    return promise.finally(() => this.#asking.delete(asking))
  }

  #row({ partition }: Place): PartitionRow | undefined {
    return this.#options.cluster.directory.row(rowNumberOf(partition))
  }

  #changed(): void {
    for (const { place, primary, giveUp } of this.#asking) {
      if (this.#row(place)?.primary !== primary) giveUp('another node has become the primary')
    }
    this.#wake()
  }

  /** Until the table changes, or a moment; all that wait share it. */
  async #pause(): Promise<void> {
    if (this.#isClosed) return
    if (this.#moment === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#moment = { promise, resolve, timer: setTimeout(() => this.#wake(), PAUSE_MS) }
    }
    this.#waiting++
    await this.#moment.promise
    this.#waiting--
  }

  #wake(): void {
    clearTimeout(this.#moment?.timer)
    this.#moment?.resolve()
    this.#moment = undefined
  }
}

export type MapRouterOptions = {
  readonly self: NodeId
  readonly cluster: HostCluster
  readonly local: LocalMap
  readonly waitMs: number
}

/** Why a call has come to nothing. */
export type RoutedRefusal = Conflict | NoSpace | Unavailable | OutcomeUnknown

/** A call that is made again is not begun later than this after it came: a failover takes less, and clients wait that long. */
export const WAIT_MS = 5_000

/** An answer that was lost is asked for again; most come within milliseconds, and a repetition costs as much as a call. */
const ATTEMPT_MS = 2_000

/** Between attempts, when nothing tells of a change. */
const PAUSE_MS = 50

/** Calls that wait for a primary, some kilobytes each; one more is refused at once. */
const WAITING_MAX = 4_096

type Asking = {
  readonly place: Place
  readonly primary: NodeId
  giveUp(reason: string): void
}

type Moment = {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly timer: NodeJS.Timeout
}

const NO_TIME: Unavailable = { kind: 'unavailable', reason: 'nobody has answered in time' }

const NO_ROW = err({
  kind: 'unavailable',
  reason: 'the cluster has not placed its data yet',
} as const)

/** The outcome of a call that is not made again. */
export function settled<T>(outcome: Result<T, MapRefusal>): Result<T, RoutedRefusal> {
  if (outcome.ok) return outcome
  const { error } = outcome
  switch (error.kind) {
    case 'not-primary':
    case 'taking-over':
    case 'forgotten':
      return err({ kind: 'unavailable', reason: reasonOf(error) })
    default:
      return err(error)
  }
}

/** Nothing becomes of it by trying again. */
function isFinal(refusal: MapRefusal): refusal is Conflict | NoSpace | Forgotten {
  const { kind } = refusal
  return kind === 'conflict' || kind === 'no-space' || kind === 'forgotten'
}

function reasonOf(refusal: MapRefusal): string {
  switch (refusal.kind) {
    case 'unavailable':
    case 'outcome-unknown':
      return refusal.reason
    default:
      return 'the data that this needs is led by no node at this moment'
  }
}
