/**
 * Brings requests to the primary of their partition, by the table that its node knows: asks again, with the same request id and
 * the same version of before, until there is an answer or the patience is over.
 */

import { text } from '../../../src/base/bytes.ts'
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import type { Version } from '../../../src/base/port.ts'
import { decodeEntry } from '../../../src/cluster/dht/entry.ts'
import { entryPrefix, prefixEnd, sortKeyOf } from '../../../src/cluster/dht/key.ts'
import type { Forgotten, MapRead, MapWrite } from '../../../src/cluster/dht/replica/effect.ts'
import { VERSION_NONE } from '../../../src/cluster/dht/version.ts'
import type { EngineTwin } from '../../cluster/dht/replica-node.ts'
import type { RabiaMachine } from '../cluster.ts'
import { MILLISECOND, SECOND } from '../world.ts'
import type { ReplicaSet } from './replica-set.ts'

export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #waiting = new Map<number, Waiting>()
  /** The last version that each partition was told to have. */
  readonly #known = new Map<PartitionId, Version>()
  #callLast = 0

  constructor(options: CoordinatorOptions) {
    this.#options = options
  }

  /** `reply` is called once, if the node lives for so long. */
  submit(request: MapRequest, reply: (outcome: MapOutcome) => void): void {
    const sinceUs = this.#options.machine.world.now
    this.#begin({ request, reply, sinceUs, sent: 0, isUncertain: false })
  }

  /** A call of `from`'s. */
  called(from: NodeId, call: number, request: MapRequest): void {
    this.#serve(request, (result) => this.#options.answer(from, call, result))
  }

  answered(call: number, result: CallResult): void {
    const waiting = this.#waiting.get(call)
    this.#waiting.delete(call)
    if (waiting !== undefined) this.#settle(waiting, result)
  }

  /** No attempt has been made so far. */
  #begin(waiting: Waiting): void {
    const { partition, write } = waiting.request
    const since = this.#known.get(partition) ?? VERSION_NONE
    const request =
      write === undefined ? waiting.request : { partition, write: { ...write, since } }
    this.#attempt({ ...waiting, request })
  }

  #attempt(waiting: Waiting): void {
    const { machine, primaryOf } = this.#options
    const primary = primaryOf(waiting.request.partition)
    if (machine.world.now - waiting.sinceUs > PATIENCE_US) this.#giveUp(waiting)
    else if (primary === undefined) this.#again(waiting)
    else if (primary !== machine.name) this.#call(waiting, primary)
    else {
      waiting.sent++
      this.#serve(waiting.request, (result) => this.#settle(waiting, result))
    }
  }

  #call(waiting: Waiting, primary: NodeId): void {
    const { machine } = this.#options
    waiting.sent++
    const call = ++this.#callLast
    this.#waiting.set(call, waiting)
    this.#options.call(primary, call, waiting.request)
    machine.after(CALL_US, () => {
      if (!this.#waiting.delete(call)) return
      waiting.isUncertain = true
      this.#attempt(waiting)
    })
  }

  #settle(waiting: Waiting, result: CallResult): void {
    switch (result.kind) {
      case 'done':
        this.#known.set(waiting.request.partition, result.version)
        waiting.reply({ ...result, isRepeated: waiting.sent > 1 })
        break
      case 'conflict':
        waiting.reply({ kind: 'conflict', isRepeated: waiting.sent > 1 })
        break
      case 'unknown':
        waiting.isUncertain = true
        this.#again(waiting)
        break
      case 'forgotten':
        this.#known.set(waiting.request.partition, result.committed)
        if (waiting.isUncertain) waiting.reply({ kind: 'unknown' })
        else this.#begin(waiting)
        break
      case 'refused':
        this.#again(waiting)
    }
  }

  #again(waiting: Waiting): void {
    this.#options.machine.after(PAUSE_US, () => this.#attempt(waiting))
  }

  #giveUp({ reply, isUncertain }: Waiting): void {
    reply({ kind: isUncertain ? 'unknown' : 'unavailable' })
  }

  /** As the primary, or as who was taken for it. */
  #serve({ partition, write, read }: MapRequest, reply: (result: CallResult) => void): void {
    const { replicas } = this.#options
    let found: Found[] = []
    const ended = (result: ReplyOf): void => {
      if (result.ok) {
        if (write !== undefined) this.#options.acknowledged(partition)
        reply({ kind: 'done', version: result.value, found })
      } else if (result.error.kind === 'conflict') reply({ kind: 'conflict' })
      else if (result.error.kind === 'forgotten') reply(result.error)
      else reply({ kind: result.error.kind === 'outcome-unknown' ? 'unknown' : 'refused' })
    }
    if (write !== undefined) replicas.ask(partition, { kind: 'write', write }, ended)
    else if (read !== undefined) {
      replicas.ask(partition, { kind: 'read', read }, ended, () => {
        found = this.#look(partition, read)
      })
    }
  }

  #look(partition: PartitionId, { space, partitionKey }: MapRead): Found[] {
    const gte = entryPrefix(partition, space, partitionKey)
    const entries = this.#options.engine.scan({ gte, lt: prefixEnd(gte), limit: 1e9 })
    return entries.flatMap(({ key, value: bytes }) => {
      const { value, version } = decodeEntry(bytes)
      return value === undefined ? [] : [[sortKeyOf(gte, key), text(value), version] as const]
    })
  }
}

export type CoordinatorOptions = {
  readonly machine: RabiaMachine
  readonly engine: EngineTwin
  readonly replicas: ReplicaSet
  readonly primaryOf: (partition: PartitionId) => NodeId | undefined
  readonly call: (to: NodeId, call: number, request: MapRequest) => void
  readonly answer: (to: NodeId, call: number, result: CallResult) => void
  /** This node is about to say that a write of this partition has happened. */
  readonly acknowledged: (partition: PartitionId) => void
}

/** One of the two. */
export type MapRequest = {
  readonly partition: PartitionId
  readonly write?: MapWrite
  readonly read?: MapRead
}

/** An entry that a read has met. */
export type Found = readonly [sortKey: string, value: string, version: Version]

export type CallResult =
  | { readonly kind: 'done'; readonly version: Version; readonly found: readonly Found[] }
  | { readonly kind: 'conflict' | 'unknown' | 'refused' }
  | Forgotten

/** `isRepeated`: an earlier copy of the request may still be under way. */
export type MapOutcome =
  | {
      readonly kind: 'done'
      readonly version: Version
      readonly found: readonly Found[]
      readonly isRepeated: boolean
    }
  | { readonly kind: 'conflict'; readonly isRepeated: boolean }
  | { readonly kind: 'unknown' | 'unavailable' }

type Waiting = {
  readonly request: MapRequest
  readonly reply: (outcome: MapOutcome) => void
  readonly sinceUs: number
  sent: number
  isUncertain: boolean
}

type ReplyOf = Parameters<Parameters<ReplicaSet['ask']>[2]>[0]

const PATIENCE_US = 4 * SECOND
const CALL_US = 700 * MILLISECOND
const PAUSE_US = 60 * MILLISECOND
