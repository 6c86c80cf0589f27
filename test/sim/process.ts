/** One life of a node: the shipped core over the shipped log, with its snapshot and its pins on the machine's disk. */
import type { NodeId } from '../../src/base/ids.ts'
import { rolledBack } from '../../src/cluster/control/index.ts'
import type { MembershipChange } from '../../src/cluster/control/members.ts'
import { type Observations, promotion, unaware } from '../../src/cluster/membership/index.ts'
import {
  decodeRecord,
  type Effect,
  encodeRecord,
  genesis,
  type Input,
  type LogRecord,
  Rabia,
  type SlotNumber,
  type Snapshot,
} from '../../src/cluster/rabia/index.ts'
import type { RefusalReason } from '../../src/cluster/wire/index.ts'
import type { Cluster, Observer, RabiaMachine } from './cluster.ts'
import { Fence } from './fence.ts'
import { HostedFile } from './hosted-file.ts'
import { HostedLog } from './hosted-log.ts'
import type { Program } from './machine.ts'
import type { Replica } from './register.ts'
import { sealSnapshot, unsealSnapshot } from './snapshot-format.ts'
import { MILLISECOND } from './world.ts'

/** Until its disk is open it hears nothing. */
export class RabiaProcess implements Program<Input, Effect> {
  readonly node: NodeId
  /** Names the log, and with it the disk. */
  readonly incarnation: string
  readonly registers: Replica
  readonly fence: Fence
  readonly #cluster: Cluster
  readonly #machine: RabiaMachine
  readonly #rabia: Rabia
  readonly #log: HostedLog
  readonly #snapshot: HostedFile
  readonly #pending = new Map<number, readonly LogRecord[]>()
  /** Tokens that the log works on: as with `RecordLog`, the same one again has no effect. */
  readonly #running = new Set<number>()
  /** Parts of the disk that are not open yet. */
  #closed = PARTS
  readonly #isFounder: boolean
  #ticks = 0
  /** At which epoch others have told this node that it is no member any more. */
  readonly #refusalEpochs = new Map<NodeId, number>()
  /** It says nothing any more. */
  #isSilent = false
  /** What it has begun with, until that was told. */
  #start: Start | undefined

  /** Throws when the disk is not what this node left on it. */
  constructor(cluster: Cluster, machine: RabiaMachine) {
    const self = machine.name as NodeId
    this.node = self
    this.#cluster = cluster
    this.#machine = machine
    const { founders, contacts, roster } = cluster.configurationOf(self)
    this.registers = cluster.newReplica(self, founders, {
      executed: (tag) => this.#tell((observer) => observer.executed?.(self, tag)),
      changed: (slot, membership) =>
        this.#tell((observer) => observer.changed?.(self, slot, membership)),
    })
    this.#snapshot = new HostedFile(machine, 'snapshot')
    const found = this.#snapshot.read()
    const restored = found && unsealSnapshot(found)
    const replayed: LogRecord[] = []
    this.#log = this.#openLog(replayed)
    this.incarnation = this.#log.identity
    this.#isFounder = roster !== undefined
    this.#rabia = this.#newRabia(contacts)
    const pins = new HostedFile(machine, 'identity')
    this.fence = new Fence({
      self,
      incarnation: this.incarnation,
      roster,
      contacts: new Set(contacts),
      committed: () => this.registers.membership,
      file: pins,
      ticks: () => this.#ticks,
      stop: () => this.#stop('disk-failed'),
    })
    if (this.fence.isCondemned) throw rolledBack(self)
    for (const file of [this.#snapshot, pins])
      file.open((outcome) => (outcome === 'done' ? this.#opened() : this.#stop('disk-failed')))
    this.#tell((observer) => observer.booted?.(self, this.incarnation))
    const first = restored ?? (founders.length > 0 ? genesis(this.registers) : undefined)
    if (first) this.#recover({ kind: 'restore', snapshot: first })
    for (const record of replayed) this.#recover({ kind: 'replay', record })
    this.#start = { restored: restored?.slot, replayed }
  }

  /** What it has on its disk is durable, its incarnation too. */
  get isOpen(): boolean {
    return this.#closed === 0
  }

  /** Something that it was asked to keep is not durable yet. */
  get isSyncing(): boolean {
    return this.#pending.size > 0
  }

  step(input: Input): readonly Effect[] {
    return this.isOpen && !this.#isSilent ? this.#rabia.step(input) : []
  }

  status(): ReturnType<Rabia['status']> | undefined {
    return this.isOpen ? this.#rabia.status() : undefined
  }

  /** Carries out what concerns this node alone. */
  perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist': {
        if (this.#running.has(effect.token)) break
        this.#running.add(effect.token)
        this.#pending.set(effect.token, effect.records)
        const entries = effect.records.map((record) => ({
          slot: record.slot,
          bytes: encodeRecord(record),
        }))
        this.#log.append(effect.token, entries)
        break
      }
      case 'save':
        this.#save(effect.snapshot)
        break
      case 'trim':
        this.#log.dropBelow(effect.below)
        break
      case 'fatal':
        this.#isSilent = true
        this.fence.condemn(() => this.#retire(effect.reason))
    }
  }

  /** `peer`, which is at `peerEpoch`, does not let this node in. */
  refusedBy(peer: NodeId, reason: RefusalReason, peerEpoch: number): void {
    if (this.fence.isRemoved) this.#bidFarewell(peer, peerEpoch)
    else if (this.fence.isOver(reason, peerEpoch)) this.#retire(reason)
  }

  #openLog(replayed: LogRecord[]): HostedLog {
    const machine = this.#machine
    return new HostedLog({
      machine,
      identity: identityOf(machine),
      onEntry: (entry) => replayed.push(decodeRecord(entry.bytes)),
      on: {
        opened: () => this.#opened(),
        appended: (token) => this.#appended(token),
        refused: (token) => {
          this.#running.delete(token)
          this.#tell((observer) => observer.refusedSpace?.(this.node))
          machine.input({ kind: 'no-space', token })
        },
        stopped: (cause) => this.#stop(cause),
      },
    })
  }

  #newRabia(contacts: readonly NodeId[]): Rabia {
    return new Rabia({
      self: this.node,
      cluster: 'sim',
      boot: `${this.#machine.life}`,
      machine: this.registers,
      contacts,
      isSelf: () => {
        const bound = this.registers.membership.find(this.node)?.incarnation
        return bound === undefined ? this.#isFounder : bound === this.incarnation
      },
      limits: this.#cluster.limits,
    })
  }

  #recover(input: Input): void {
    for (const effect of this.#rabia.step(input))
      this.#tell((observer) => observer.effect?.(this.node, effect))
  }

  #opened(): void {
    this.#closed--
    const start = this.#start
    if (this.#closed > 0 || start === undefined) return
    this.#start = undefined
    this.#tell((observer) => observer.started?.(this.node, start))
    this.#machine.input({ kind: 'start' })
    this.#cluster.reconnect(this.node)
    this.#tick()
  }

  #tick(): void {
    this.#machine.after(TICK_US, () => {
      this.#ticks++
      this.#machine.input({ kind: 'tick' })
      if (this.#ticks % CHORE_TICKS === 1) this.#doChores()
      this.#tick()
    })
  }

  /** What a node sees to by itself: that its disk is bound to its name, and that a learner who has caught up gets a vote. */
  #doChores(): void {
    const { membership } = this.registers
    const status = this.status()
    const self = membership.find(this.node)
    if (status === undefined || self === undefined) return
    if (self.incarnation === undefined && this.#isFounder) {
      const change = { kind: 'bind', node: this.node, incarnation: this.incarnation } as const
      this.#submit(change, 'bind')
      return
    }
    const applied = new Map(status.applied).set(this.node, status.slot - 1)
    const connected = new Set(this.#cluster.connectedTo(this.node))
    const observed: Observations = { self: this.node, connected, applied }
    const learner = promotion(membership, observed)
    if (learner !== undefined) {
      const { epoch } = membership
      this.#submit({ kind: 'promote', epoch, node: learner }, `promote ${learner} ${epoch}`)
    }
  }

  /** Asks again and again with one number, so that it happens once. */
  #submit(change: MembershipChange, name: string): void {
    const client = `${this.node} ${this.incarnation} ${this.#machine.life} ${name}`
    const request = { client, seq: 1, command: this.registers.encodeChange(client, change) }
    this.#machine.input({ kind: 'request', request })
  }

  #appended(token: number): void {
    const records = this.#pending.get(token)!
    this.#pending.delete(token)
    this.#running.delete(token)
    this.#tell((observer) => observer.persisted?.(this.node, records))
    this.#machine.input({ kind: 'persisted', token })
  }

  #save(snapshot: Snapshot): void {
    const { node } = this
    const { slot } = snapshot
    this.#snapshot.replace(sealSnapshot(snapshot), {
      step: (step) => this.#tell((observer) => observer.saving?.(node, step, snapshot)),
      ended: (outcome) => {
        if (this.#machine.program !== this) return
        if (outcome === 'broken') this.#stop('disk-failed')
        else if (outcome === 'no-space') this.#machine.input({ kind: 'not-saved', slot })
        else {
          this.#tell((observer) => observer.saved?.(node, snapshot))
          this.#machine.input({ kind: 'saved', slot })
        }
      },
    })
  }

  /** A removed node stays until enough others know that it is removed, so that none of them needs it to find out. */
  #bidFarewell(peer: NodeId, peerEpoch: number): void {
    this.#refusalEpochs.set(peer, peerEpoch)
    const { membership } = this.registers
    if (unaware(membership, this.#refusalEpochs).length === 0) this.#retire('removed')
  }

  #stop(cause: 'disk-failed' | 'no-space'): void {
    this.#tell((observer) => observer.stopped?.(this.node, cause))
    this.#machine.kill()
  }

  #retire(reason: Retirement): void {
    this.#tell((observer) => observer.retired?.(this.node, reason))
    this.#machine.kill()
  }

  #tell(tell: (observer: Observer) => void): void {
    for (const observer of this.#cluster.observers) tell(observer)
  }
}

/** What a life began with: the slot of its snapshot, and its log. */
export type Start = {
  readonly restored: SlotNumber | undefined
  readonly replayed: readonly LogRecord[]
}

/** Why a node has stopped for good, as it is. */
export type Retirement = RefusalReason | 'rolled-back'

/** Log, snapshot and pins. */
const PARTS = 3

const TICK_US = 50 * MILLISECOND
const CHORE_TICKS = 10

const IDENTITY_BYTES = 16

function identityOf({ random, life }: RabiaMachine): Uint8Array {
  const own = random.split(`identity ${life}`)
  return Uint8Array.from({ length: IDENTITY_BYTES }, () => own.int(0, 255))
}
