/** The replicas of one life of a node: the shipped cores over an engine that keeps what was committed. */
import type { NodeId, PartitionId } from '../../../src/base/ids.ts'
import { decodeParcel, encodeParcel } from '../../../src/cluster/dht/host/replica-codec.ts'
import { prefixEnd, recordPrefix } from '../../../src/cluster/dht/key.ts'
import type { ReplicaBounds } from '../../../src/cluster/dht/replica/bound.ts'
import type {
  Answer,
  Placement,
  ReplicaEffect,
  ReplicaInput,
  Role,
} from '../../../src/cluster/dht/replica/effect.ts'
import { recoverHistory } from '../../../src/cluster/dht/replica/history.ts'
import { readPromise } from '../../../src/cluster/dht/replica/promise.ts'
import { Replica } from '../../../src/cluster/dht/replica/replica.ts'
import type { EngineTwin } from '../../cluster/dht/replica-node.ts'
import type { RabiaMachine } from '../cluster.ts'
import type { Random } from '../random.ts'
import { MILLISECOND } from '../world.ts'

/** Few records, so that replicas that were away fetch entries too; many more than are written while a client tries again. */
export const SIMULATED_BOUNDS: ReplicaBounds = {
  retained: 96,
  inFlight: 12,
  pageBytes: 600,
  scanEntries: 16,
  outcomeTicks: 20,
  repeatTicks: 3,
}

export class ReplicaSet {
  readonly #options: ReplicaSetOptions
  readonly #hosted = new Map<PartitionId, Hosted>()
  readonly #clients = new Map<number, (result: Answer['result']) => void>()
  readonly #random: Random
  #clientLast = 0
  #queue: Persisting[] = []
  #isCommitting = false

  constructor(options: ReplicaSetOptions) {
    this.#options = options
    this.#random = options.machine.random.split(`engine ${options.machine.life}`)
    for (const partition of options.partitions) this.#hosted.set(partition, this.#open(partition))
  }

  configure(partition: PartitionId, placement: Placement): void {
    if (!placement.replicas.includes(this.#self)) return
    const hosted = this.#of(partition)
    if (placement.epoch <= (hosted.placement?.epoch ?? 0)) return
    hosted.placement = placement
    this.#step(hosted, { kind: 'configure', placement })
  }

  /** A frame of `from`. */
  receive(from: NodeId, bytes: Uint8Array): void {
    const parcel = decodeParcel(bytes)
    if (parcel === undefined) throw new Error('a replica says what others refuse')
    const { partition, message } = parcel
    this.#step(this.#of(partition), { kind: 'message', from, message })
  }

  tick(): void {
    for (const hosted of this.#hosted.values()) {
      if (hosted.replica.isBusy) this.#step(hosted, { kind: 'tick' })
    }
  }

  /** `look` is called where a read has to look into the engine: right behind its question. */
  ask(
    partition: PartitionId,
    input: Ask,
    reply: (result: Answer['result']) => void,
    look = () => {},
  ): void {
    const hosted = this.#of(partition)
    const client = ++this.#clientLast
    this.#clients.set(client, reply)
    const effects = hosted.replica.step({ ...input, client })
    look()
    this.#perform(hosted, effects)
  }

  behind(): ReadonlySet<PartitionId> {
    const behind = [...this.#hosted].filter(([, { replica }]) => {
      const { isComplete, isFetching } = replica.status()
      return !isComplete || isFetching
    })
    return new Set(behind.map(([partition]) => partition))
  }

  status(partition: PartitionId) {
    const { replica, role, placement } = this.#of(partition)
    return { ...replica.status(), role, epoch: placement?.epoch ?? 0 }
  }

  get #self(): NodeId {
    return this.#options.machine.name as NodeId
  }

  #of(partition: PartitionId): Hosted {
    return this.#hosted.get(partition)!
  }

  #open(partition: PartitionId): Hosted {
    const { engine, machine } = this.#options
    const view = (key: Uint8Array) => engine.get(key)
    const { epoch: promised, had } = readPromise(partition, view)
    const gte = recordPrefix(partition)
    const bounds = SIMULATED_BOUNDS
    const records = engine.scan({ gte, lt: prefixEnd(gte), limit: bounds.retained + 1 })
    const isComplete = had === undefined
    const count = bounds.retained
    const history = recoverHistory(partition, records, undefined, { isComplete, promised, count })
    const turnFirst = machine.life * 2 ** 32
    const options = { partition, self: this.#self, view, bounds, isFirstDisk: true, turnFirst }
    return { partition, replica: new Replica(options, history), role: 'replica' }
  }

  #step(hosted: Hosted, input: ReplicaInput): void {
    this.#perform(hosted, hosted.replica.step(input))
  }

  #perform(hosted: Hosted, effects: readonly ReplicaEffect[]): void {
    const { partition } = hosted
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist':
          this.#queue.push({ hosted, ...effect })
          break
        case 'reply': {
          const reply = this.#clients.get(effect.client)
          if (reply === undefined) throw new Error('a client is answered twice')
          this.#clients.delete(effect.client)
          reply(effect.result)
          break
        }
        case 'send':
          this.#options.send(effect.to, encodeParcel({ partition, message: effect.message }))
          break
        case 'scan':
          this.#scan(hosted, effect)
          break
        case 'role':
          hosted.role = effect.role
          this.#options.changed(partition, effect.role, effect.epoch)
      }
    }
    if (this.#queue.length > 0 && !this.#isCommitting) this.#commit()
  }

  #scan(hosted: Hosted, { range, token }: Extract<ReplicaEffect, { kind: 'scan' }>): void {
    const { machine, engine } = this.#options
    machine.after(this.#latencyUs(), () => {
      this.#step(hosted, { kind: 'scanned', token, entries: engine.scan(range) })
    })
  }

  /** All that waits goes down together, and a little later those who wait for it hear so. */
  #commit(): void {
    const { machine, engine } = this.#options
    const group = this.#queue.splice(0)
    this.#isCommitting = true
    machine.after(this.#latencyUs() * machine.disk.slowness, () => {
      if (machine.disk.isBroken) return this.#options.broken()
      if (this.#isFull()) return this.#refuse(group)
      engine.commit(group.flatMap(({ operations }) => operations))
      machine.after(this.#random.int(0, 300), () => {
        this.#isCommitting = false
        for (const { hosted, token } of group) this.#step(hosted, { kind: 'persisted', token })
        if (this.#queue.length > 0 && !this.#isCommitting) this.#commit()
      })
    })
  }

  #refuse(group: readonly Persisting[]): void {
    this.#isCommitting = false
    const first = new Map<Hosted, number>()
    for (const { hosted, token } of group.concat(this.#queue.splice(0))) {
      if (!first.has(hosted)) first.set(hosted, token)
    }
    this.#options.refused()
    for (const [hosted, token] of first) this.#step(hosted, { kind: 'refused', token })
  }

  #isFull(): boolean {
    const isNear = this.#options.machine.disk.capacityBytes < Number.POSITIVE_INFINITY
    return isNear && this.#random.chance(0.5)
  }

  #latencyUs(): number {
    return this.#random.skewed(MILLISECOND / 5, 4 * MILLISECOND)
  }
}

export type ReplicaSetOptions = {
  readonly machine: RabiaMachine
  /** All that are used. */
  readonly partitions: readonly PartitionId[]
  readonly engine: EngineTwin
  readonly send: (to: NodeId, bytes: Uint8Array) => void
  readonly changed: (partition: PartitionId, role: Role, epoch: number) => void
  /** A commit has failed, and the node with it. */
  readonly broken: () => void
  /** A commit has found no space. */
  readonly refused: () => void
}

export type Ask =
  | Omit<Extract<ReplicaInput, { kind: 'write' }>, 'client'>
  | Omit<Extract<ReplicaInput, { kind: 'read' }>, 'client'>

type Hosted = {
  readonly partition: PartitionId
  readonly replica: Replica
  role: Role
  placement?: Placement
}

type Persisting = Extract<ReplicaEffect, { kind: 'persist' }> & { readonly hosted: Hosted }
