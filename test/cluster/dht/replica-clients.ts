/** Clients of a partition: what they ask for, what they are told, and whether that could have been. */
import { text } from '../../../src/base/bytes.ts'
import type { RequestId } from '../../../src/base/ids.ts'
import type { MapOperation, Version } from '../../../src/base/port.ts'
import { decodeEntry } from '../../../src/cluster/dht/entry.ts'
import { entryPrefix, prefixEnd, sortKeyOf } from '../../../src/cluster/dht/key.ts'
import type { Answer } from '../../../src/cluster/dht/replica/effect.ts'
import { compareVersions, VERSION_NONE } from '../../../src/cluster/dht/version.ts'
import { checkLinearizability, type Operation } from '../../sim/linearizability.ts'
import type { Random } from '../../sim/random.ts'
import {
  type MapChange as Change,
  type MapInput as Input,
  mapModel,
  type MapOutput as Output,
  type MapState as State,
} from './map-model.ts'
import type { ReplicaHistory } from './replica-history.ts'
import { partition, type ReplicaNode } from './replica-node.ts'
import { SeenValues } from './seen-values.ts'

const SPACE = 's'
const PARTITION_KEYS = ['p', 'q']
/** At a time: what a search for an order of their requests can cope with. */
const CLIENTS_MAX = 10
/** For so many requests and answers of others; whatever takes longer makes that search longer. */
const PATIENCE = 40
const SORT_KEYS = ['x', 'y', 'z']

type Asked = {
  readonly input: Input
  called: number
  readonly requestId: RequestId | undefined
  readonly operations: readonly MapOperation[]
  /** A version that the partition had before it was first asked. */
  since: Version
  returned: number | undefined
  output: Output | undefined
  /** Whether an attempt may have had an effect that nobody knows of. */
  isOpen: boolean
  node: ReplicaNode | undefined
  /** Of a read: what it has seen. */
  found: State | undefined
  versions: readonly (readonly [sortKey: string, version: Version, value: string])[]
}

export class ReplicaClients {
  readonly #random: Random
  readonly #history: ReplicaHistory
  readonly #asked: Asked[] = []
  /** By the number of the client, until the reply. */
  readonly #waiting = new Map<number, Asked>()
  /** To be tried again. */
  readonly #again: Asked[] = []
  /** Answered, and some attempt has yet to arrive. */
  readonly #late: Asked[] = []
  readonly #seen = new SeenValues()
  readonly acknowledged: { readonly version: Version; readonly requestId: string }[] = []
  readonly #readShare: number
  #time = 0
  #clientLast = 0
  counts = { ok: 0, conflict: 0, read: 0, unknown: 0, unavailable: 0, retried: 0, forgotten: 0 }

  constructor(random: Random, history: ReplicaHistory) {
    this.#random = random
    this.#readShare = random.pick([0.2, 0.5, 0.8])
    this.#history = history
  }

  ask(node: ReplicaNode): void {
    if (this.#waiting.size >= CLIENTS_MAX) return
    const repeated = this.#random.chance(0.2) ? this.#late : this.#again
    const again = this.#random.chance(0.5) ? repeated.shift() : undefined
    if (again !== undefined) {
      const isPatient = this.#time - again.called < PATIENCE
      if (again.returned !== undefined || isPatient) this.#attempt(node, again)
      return
    }
    const partitionKey = this.#random.pick(PARTITION_KEYS)
    const isRead = this.#random.chance(this.#readShare)
    const number = this.#asked.length
    const changes = isRead ? undefined : this.#changes(partitionKey, `v${number}`)
    const asked: Asked = {
      input: { partitionKey, changes },
      called: ++this.#time,
      requestId: isRead ? undefined : (`r${number}` as RequestId),
      operations: (changes ?? []).map((change) => this.#seen.operation(partitionKey, change)),
      since: this.#before(),
      returned: undefined,
      output: undefined,
      isOpen: false,
      node: undefined,
      found: undefined,
      versions: [],
    }
    if (asked.requestId !== undefined) {
      const { operations } = asked
      this.#history.requests.set(asked.requestId, { space: SPACE, partitionKey, operations })
    }
    this.#asked.push(asked)
    this.#attempt(node, asked)
  }

  reply({ client, result }: Answer): void {
    const asked = this.#waiting.get(client)
    if (asked === undefined) throw new Error('a client is answered twice')
    this.#waiting.delete(client)
    if (!result.ok && result.error.kind === 'forgotten') this.counts.forgotten++
    // Whoever has an answer does not listen to the one of a late attempt.
    if (asked.returned !== undefined) return
    if (result.ok) {
      this.#settle(asked, asked.found ?? 'ok')
      const { partitionKey, changes = [] } = asked.input
      for (const seen of asked.versions) this.#seen.see(partitionKey, ...seen)
      if (asked.requestId === undefined) return
      if (asked.isOpen) this.#late.push(asked)
      this.acknowledged.push({ version: result.value, requestId: asked.requestId })
      for (const { sortKey, put } of changes) {
        if (typeof put === 'string') this.#seen.see(partitionKey, sortKey, result.value, put)
      }
    } else if (result.error.kind === 'conflict') this.#settle(asked, 'conflict')
    else if (result.error.kind === 'forgotten') this.#forget(asked, result.error.committed)
    else this.#fail(asked, result.error.kind === 'outcome-unknown')
  }

  /** The node is gone, and whoever waits for it will not hear from it. */
  lose(node: ReplicaNode): void {
    for (const [client, asked] of this.#waiting) {
      if (asked.node !== node) continue
      this.#waiting.delete(client)
      if (asked.returned === undefined) this.#fail(asked, true)
    }
  }

  /** The newest write that was ever acknowledged. */
  get acknowledgedLast(): Version {
    const later = (a: Version, b: Version) => (compareVersions(a, b) < 0 ? b : a)
    return this.acknowledged.map(({ version }) => version).reduce(later, VERSION_NONE)
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Throws unless all answers could have been given by a single copy. */
  check(): void {
    const history: Operation<Input, Output>[] = []
    for (const { input, called, returned, output, isOpen } of this.#asked) {
      if (returned !== undefined && output !== undefined) {
        history.push({ input, called, returned, output })
      } else if (isOpen && input.changes !== undefined) history.push({ input, called })
    }
    const verdict = checkLinearizability(mapModel, history)
    if (verdict.kind !== 'linearizable') throw new Error(`linearizability: ${verdict.kind}`)
  }

  #attempt(node: ReplicaNode, asked: Asked): void {
    const client = ++this.#clientLast
    asked.node = node
    this.#waiting.set(client, asked)
    const { partitionKey } = asked.input
    if (asked.requestId !== undefined) {
      const { operations, requestId, since } = asked
      const write = { space: SPACE, partitionKey, operations, requestId, since }
      node.step({ kind: 'write', client, write })
      return
    }
    // The look into the engine belongs right behind the question, before any reply.
    ;[asked.found, asked.versions] = this.#look(node, partitionKey)
    node.step({ kind: 'read', client, read: { space: SPACE, partitionKey } })
  }

  #look(node: ReplicaNode, partitionKey: string): readonly [State, Asked['versions']] {
    const gte = entryPrefix(partition, SPACE, partitionKey)
    const versions: [string, Version, string][] = []
    const state = new Map<string, string>()
    for (const { key, value: bytes } of node.engine.scan({ gte, lt: prefixEnd(gte), limit: 1e9 })) {
      const { value, version } = decodeEntry(bytes)
      if (value === undefined) continue
      state.set(sortKeyOf(gte, key), text(value))
      versions.push([sortKeyOf(gte, key), version, text(value)])
    }
    return [state, versions]
  }

  #settle(asked: Asked, output: Output): void {
    asked.returned = ++this.#time
    asked.output = output
    if (typeof output === 'object') this.counts.read++
    else this.counts[output]++
  }

  /** What a node knows of the partition that has not written to it for a while. */
  #before(): Version {
    const age = this.#random.skewed(1, 60)
    return this.acknowledged.at(-age)?.version ?? VERSION_NONE
  }

  /** Stays open if an attempt may have been made, and begins anew otherwise. */
  #forget(asked: Asked, committed: Version): void {
    if (asked.isOpen) return
    asked.called = ++this.#time
    asked.since = committed
    this.#again.push(asked)
  }

  #fail(asked: Asked, isUnknown: boolean): void {
    this.counts[isUnknown ? 'unknown' : 'unavailable']++
    if (isUnknown) asked.isOpen = true
    if (asked.requestId === undefined || !this.#random.chance(0.8)) return
    this.counts.retried++
    this.#again.push(asked)
  }

  #changes(partitionKey: string, value: string): readonly Change[] {
    const changes = this.#seen.draw(this.#random, partitionKey, SORT_KEYS, value)
    // What nobody writes again has to be found and to go by itself.
    if (this.#random.chance(0.4)) changes.push({ sortKey: value, put: value, expected: null })
    return changes
  }
}
