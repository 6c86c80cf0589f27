/** Clients of the map: each asks any node, tries again elsewhere, and writes down what it was told and when. */
import { utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import { partitionOf } from '../../../src/cluster/dht/partition.ts'
import {
  type MapChange,
  type MapInput,
  type MapOutput,
  mapModel,
} from '../../cluster/dht/map-model.ts'
import { SeenValues } from '../../cluster/dht/seen-values.ts'
import { checkLinearizability, type Operation } from '../linearizability.ts'
import { fail } from '../property.ts'
import type { Random } from '../random.ts'
import { MILLISECOND, SECOND } from '../world.ts'
import type { MapOutcome, MapRequest } from './coordinator.ts'
import type { Platform } from './platform.ts'

const SPACE = 's'
export const PARTITION_KEYS = ['p', 'q', 'r'] as const
const SORT_KEYS = ['x', 'y']

/** Where the clients work. */
export const PARTITIONS = [...new Set(PARTITION_KEYS.map((key) => partitionOf(SPACE, key)))]

export class MapClients {
  readonly counts = { ok: 0, conflict: 0, read: 0, unknown: 0, unavailable: 0, retried: 0 }
  /** When a write was acknowledged, in order. */
  readonly writtenUs: number[] = []
  readonly #platform: Platform
  readonly #options: MapClientsOptions
  readonly #history: Operation<MapInput, MapOutput>[] = []
  readonly #seen = new SeenValues()
  /** By partition key what has to be there for good: sort keys that are written once. */
  readonly #promised = new Map<string, Set<string>>()
  #operations = 0
  #open = 0
  #isStopping = false

  constructor(platform: Platform, options: MapClientsOptions) {
    this.#platform = platform
    this.#options = options
  }

  /** Operations under way. */
  get open(): number {
    return this.#open
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i++) {
      this.#think(this.#platform.world.random.split(`client ${i}`))
    }
  }

  /** No new operations; those under way come to their end. */
  stop(): void {
    this.#isStopping = true
  }

  /** One operation; `node` is asked first, and alone if `isFaithful`. */
  ask(random: Random, want: Wanted): void {
    this.#open++
    const { partitionKey, changes } = want
    const number = ++this.#operations
    const marker = changes !== undefined && random.chance(0.3) ? `m${number}` : undefined
    const operation: Asked = {
      ...want,
      random,
      marker,
      called: this.#platform.world.now,
      attempts: 0,
      isOver: false,
      request: this.#requestOf(partitionKey, changes, `r${number}`, marker),
    }
    this.#attempt(operation, want.node)
  }

  /** Every node reads everything: what was promised is there. */
  async readEverywhere(): Promise<void> {
    const { cluster } = this.#platform
    const random = this.#platform.world.random.split('closing')
    const lacking: string[] = []
    for (const node of cluster.roster) {
      for (const partitionKey of PARTITION_KEYS) {
        const ended = (outcome: MapOutcome | undefined) => {
          const keys = outcome?.kind === 'done' ? outcome.found.map(([sortKey]) => sortKey) : []
          const found = new Set(keys)
          for (const key of this.#promised.get(partitionKey) ?? []) {
            if (!found.has(key)) lacking.push(`${partitionKey} ${key} from ${node}`)
          }
        }
        this.ask(random, { partitionKey, changes: undefined, node, isFaithful: true, ended })
      }
    }
    await this.#platform.run(20, () => this.#open === 0)
    if (this.#open > 0) fail('progress', 'reads after healing do not end')
    if (lacking.length > 0) fail('durability', `acknowledged, and not to be read: ${lacking[0]}`)
  }

  /** What the clients were told is what a single copy could have told them. */
  check(): void {
    const verdict = checkLinearizability(mapModel, this.#history)
    if (verdict.kind !== 'linearizable') {
      fail('linearizability', `${verdict.kind} on ${verdict.partition}`)
    }
  }

  get promised(): number {
    return [...this.#promised.values()].reduce((sum, keys) => sum + keys.size, 0)
  }

  #think(random: Random): void {
    const [min, max] = this.#options.thinkUs
    this.#platform.world.schedule(random.skewed(min, max), () => {
      if (this.#isStopping) return
      const partitionKey = random.pick(PARTITION_KEYS)
      const changes = random.chance(0.4)
        ? undefined
        : this.#seen.draw(random, partitionKey, SORT_KEYS, `v${this.#operations}`)
      const ended = () => this.#think(random)
      this.ask(random, { partitionKey, changes, node: this.#anyNode(random), ended })
    })
  }

  #attempt(asked: Asked, node: NodeId): void {
    const { world } = this.#platform
    if (asked.isOver) return
    if (world.now - asked.called > PATIENCE_US) {
      this.#end(asked, undefined)
      return
    }
    if (asked.attempts++ > 0) this.counts.retried++
    world.schedule(asked.random.skewed(50, 500), () => {
      this.#platform.cluster.machine(node).after(0, () => {
        const target = this.#platform.node(node)
        target?.coordinator.submit(asked.request, (outcome) => {
          const isFinal = outcome.kind === 'done' || outcome.kind === 'conflict'
          if (!asked.isOver && isFinal) this.#end(asked, outcome)
        })
      })
    })
    const next = asked.isFaithful ? node : this.#anyNode(asked.random)
    world.schedule(ATTEMPT_US, () => this.#attempt(asked, next))
  }

  #end(asked: Asked, outcome: MapOutcome | undefined): void {
    asked.isOver = true
    this.#open--
    const { partitionKey, changes, called } = asked
    const input = { partitionKey, changes }
    const returned = this.#platform.world.now
    if (outcome?.kind === 'done') {
      this.#history.push({ input, called, returned, output: this.#outputOf(asked, outcome) })
    } else {
      const isConflict = outcome?.kind === 'conflict'
      if (isConflict) this.#history.push({ input, called, returned, output: 'conflict' })
      // Some copy of it may have been carried out, or may be still.
      const isAlone = isConflict && asked.attempts === 1 && !outcome.isRepeated
      if (changes !== undefined && !isAlone) this.#history.push({ input, called })
      this.counts[isConflict ? 'conflict' : 'unknown']++
    }
    this.#platform.world.trace(`${partitionKey} ${changes?.length ?? 'read'} ${outcome?.kind}`)
    asked.ended?.(outcome)
  }

  #outputOf(asked: Asked, { found, version }: Extract<MapOutcome, { kind: 'done' }>): MapOutput {
    const { partitionKey, changes, marker } = asked
    if (changes === undefined) {
      this.counts.read++
      for (const [sortKey, value, at] of found) this.#seen.see(partitionKey, sortKey, at, value)
      const state = found.filter(([sortKey]) => SORT_KEYS.includes(sortKey))
      return new Map(state.map(([sortKey, value]) => [sortKey, value]))
    }
    this.counts.ok++
    this.writtenUs.push(this.#platform.world.now)
    for (const { sortKey, put } of changes) {
      if (typeof put === 'string') this.#seen.see(partitionKey, sortKey, version, put)
    }
    if (marker !== undefined) {
      const promised = this.#promised.get(partitionKey) ?? new Set()
      this.#promised.set(partitionKey, promised.add(marker))
    }
    return 'ok'
  }

  #anyNode(random: Random): NodeId {
    return random.pick(this.#options.nodes ?? this.#platform.cluster.roster)
  }

  #requestOf(
    partitionKey: string,
    changes: readonly MapChange[] | undefined,
    name: string,
    marker: string | undefined,
  ): MapRequest {
    const partition = partitionOf(SPACE, partitionKey)
    const place = { space: SPACE, partitionKey }
    if (changes === undefined) return { partition, read: place }
    const operations = changes.map((change) => this.#seen.operation(partitionKey, change))
    if (marker !== undefined) {
      operations.push({ kind: 'put', sortKey: marker, value: utf8(name), condition: 'absent' })
    }
    return { partition, write: { ...place, operations, requestId: name as RequestId } }
  }
}

export type MapClientsOptions = {
  readonly clients: number
  readonly thinkUs: readonly [number, number]
  /** The nodes that clients turn to; all of them if absent. */
  readonly nodes?: readonly NodeId[]
}

export type Wanted = {
  readonly partitionKey: string
  /** Undefined to read. */
  readonly changes: readonly MapChange[] | undefined
  readonly node: NodeId
  /** Only this node is ever asked. */
  readonly isFaithful?: boolean
  /** Without an outcome when nobody has answered in time. */
  readonly ended?: (outcome: MapOutcome | undefined) => void
}

type Asked = Wanted & {
  readonly random: Random
  readonly marker: string | undefined
  readonly called: number
  readonly request: MapRequest
  attempts: number
  isOver: boolean
}

const ATTEMPT_US = 1_500 * MILLISECOND
const PATIENCE_US = 8 * SECOND
