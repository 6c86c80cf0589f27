/**
 * A node's replica of the log, alive: one event loop that joins the core with its log, its snapshot, the local clients and
 * the time. What goes to other nodes and comes from them passes through its owner.
 */
import { randomBytes } from 'node:crypto'
import { hex } from '../../base/bytes.ts'
import { closeInOrder } from '../../base/closing.ts'
import type { NodeId } from '../../base/ids.ts'
import { type Disk, IDENTITY_BYTES } from '../../storage/index.ts'
import type { SnapshotFile } from '../../storage/snapshot.disk.ts'
import {
  decodeSnapshot,
  type Effect,
  type Input,
  type LogRecord,
  type Message,
  Rabia,
  type RabiaLimits,
  type RabiaStatus,
  type Snapshot,
} from '../rabia/index.ts'
import { rolledBack } from './exclusion.ts'
import { ControlMachine } from './machine.ts'
import type { Membership } from './members.ts'
import { logMissing, RecordLog } from './record-log.disk.ts'
import { ReplicatedControlStore } from './replicated.ts'

export class Consensus {
  readonly control: ReplicatedControlStore
  readonly machine = new ControlMachine()
  /** Resolves when this node must not go on: its disk has failed, or what it has forgotten. Pending otherwise. */
  readonly failed: Promise<unknown>
  readonly #options: ConsensusOptions
  readonly #rabia: Rabia
  readonly #fail: (fault: unknown) => void
  readonly #inputs: Input[] = []
  #log: RecordLog | undefined
  #outlet: ConsensusOutlet | undefined
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<unknown> = Promise.resolve()
  #stalled: string | undefined
  #isStepping = false
  #isOver = false

  /**
   * Restores the snapshot and replays the log, in `directory`. Nothing is sent and no client served before `start`. Rejects
   * with an AetherError when what is there cannot be used.
   */
  static async open(options: ConsensusOptions): Promise<Consensus> {
    const consensus = new Consensus(options)
    await consensus.#recover()
    return consensus
  }

  /** Use `open`. */
  private constructor(options: ConsensusOptions) {
    const { self, cluster, contacts, limits } = options
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.failed = promise
    this.#fail = resolve
    this.#options = options
    // A random number rather than a count: a disk that was put back would count the same again.
    const boot = hex(randomBytes(BOOT_BYTES))
    const { machine } = this
    const input = (it: Input): void => this.#take(it)
    this.control = new ReplicatedControlStore({ node: self, boot, machine, input })
    this.#rabia = new Rabia({
      self,
      cluster,
      boot,
      machine,
      contacts,
      isSelf: () => options.isSelf(machine.membership, this.incarnation),
      limits,
    })
  }

  /** Names the disk of this node: of the log that was found, or has been made. */
  get incarnation(): string {
    return this.#log === undefined ? (this.#options.incarnation ?? '') : hex(this.#log.identity)
  }

  /** Why this program can apply nothing more, if so. */
  get stalled(): string | undefined {
    return this.#stalled
  }

  status(): RabiaStatus {
    return this.#rabia.status()
  }

  /** From now on takes part in the log. Once. */
  start(outlet: ConsensusOutlet): void {
    this.#outlet = outlet
    this.#take({ kind: 'start' })
    this.#timer = setInterval(() => {
      this.#take({ kind: 'tick' })
      this.control.tick()
      outlet.ticked()
    }, TICK_MS)
  }

  /** A message of an admitted node. */
  receive(from: NodeId, message: Message): void {
    this.#take({ kind: 'message', from, message })
  }

  /** What was sent to `peer` before now may be lost. */
  connected(peer: NodeId): void {
    this.#take({ kind: 'connected', peer })
  }

  /** Answers whatever waits and closes the files. No call may follow. */
  async close(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#timer)
    this.control.close()
    await closeInOrder([() => this.#saving, async () => this.#log?.close()])
  }

  async #recover(): Promise<void> {
    const { disk, directory, snapshot, incarnation, meter: _, ...rest } = this.#options
    if (snapshot !== undefined) this.#rabia.step({ kind: 'restore', snapshot: parse(snapshot) })
    let records = 0
    const replay = (record: LogRecord): void => {
      if (snapshot === undefined) throw logMissing('the snapshot that it continues is not there')
      records++
      for (const effect of this.#rabia.step({ kind: 'replay', record })) {
        if (effect.kind === 'stalled') this.#stalled = effect.reason
      }
    }
    const identity = randomBytes(IDENTITY_BYTES)
    const { segmentBytes, admit } = rest
    const log = await RecordLog.open(disk, { directory, identity, segmentBytes, admit }, replay)
    this.#log = log
    const found = hex(log.identity)
    const expected = incarnation ?? (records > 0 ? 'unknown' : found)
    if (found === expected) return
    await log.close()
    throw logMissing(`it is ${found}, and the directory is of ${expected}`)
  }

  /** Inputs that arise while one is being carried out wait for its end. */
  #take(input: Input): void {
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        if (this.#isOver) continue
        for (const effect of this.#rabia.step(next)) if (!this.#isOver) this.#perform(effect)
      }
    } catch (bug) {
      // Whoever happens to have brought the input cannot know what it has left undone.
      this.#stop(bug)
    }
    this.#isStepping = false
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.#persist(effect.token, effect.records)
        break
      case 'send':
        this.#outlet?.send(effect.to, effect.message)
        break
      case 'save':
        this.#save(effect.snapshot)
        break
      case 'trim':
        this.#log?.dropBelow(effect.below)
        break
      case 'applied':
        this.#options.meter.applied(effect.requests, effect.phases, effect.batch === undefined)
        this.#outlet?.applied()
        break
      case 'restored':
        this.#outlet?.applied()
        break
      case 'stalled':
        this.#stalled = effect.reason
        break
      case 'violation':
        this.#outlet?.violated(effect.from, effect.reason)
        break
      case 'fatal':
        this.#condemn()
        break
    }
    this.control.take(effect)
  }

  #persist(token: number, records: readonly LogRecord[]): void {
    const startMs = performance.now()
    this.#log?.append(token, records).then(
      ({ ok }) => {
        if (ok) this.#options.meter.synced(performance.now() - startMs)
        // Requests that are here by now are taken first: they go with the proposal, instead of with that of the next slot.
        setImmediate(() => this.#take({ kind: ok ? 'persisted' : 'no-space', token }))
      },
      (fault) => this.#stop(fault),
    )
  }

  #save({ slot, bytes }: Snapshot): void {
    this.#saving = this.#options.file.save(bytes).then(
      ({ ok }) => {
        if (ok) this.#options.meter.saved()
        this.#take({ kind: ok ? 'saved' : 'not-saved', slot })
      },
      (fault) => this.#stop(fault),
    )
  }

  /** The next start may meet nobody who remembers what this disk has forgotten, and must not need to. */
  #condemn(): void {
    this.#isOver = true
    const { self, condemn } = this.#options
    const stop = (): void => this.#stop(rolledBack(self))
    this.#saving = Promise.all([this.#saving, condemn().then(stop, stop)])
  }

  /** Says nothing any more to anybody: what this node would say now might break what it has promised. */
  #stop(fault: unknown): void {
    this.#isOver = true
    this.#fail(fault)
  }
}

export type ConsensusOptions = {
  readonly disk: Disk
  /** Of the log alone; exists and is durable. */
  readonly directory: string
  /** Where the snapshot lives, and what was in it; undefined for a node that has yet to join. */
  readonly file: SnapshotFile
  readonly snapshot: Uint8Array | undefined
  readonly self: NodeId
  readonly cluster: string
  /** Of the log that belongs to the data directory; undefined when that is new. */
  readonly incarnation: string | undefined
  /** Whether the member that has this node's name is the disk of this incarnation. */
  readonly isSelf: (members: Membership, incarnation: string) => boolean
  /** Whom a node without a snapshot asks for one. */
  readonly contacts: readonly NodeId[]
  readonly limits: Partial<RabiaLimits>
  readonly segmentBytes: number
  readonly admit: (sizeBytes: number) => Promise<boolean>
  readonly meter: ConsensusMeter
  /** Notes durably that this disk has forgotten what it promised, before the node ends for that reason. */
  readonly condemn: () => Promise<void>
}

/** What the log needs of its surroundings. Called within its event loop: do little, and never throw. */
export type ConsensusOutlet = {
  /** Best effort. */
  send(to: readonly NodeId[], message: Message): void
  /** The state has changed. */
  applied(): void
  /** `from` has broken the protocol, and was ignored. */
  violated(from: NodeId, reason: string): void
  /** A tick has passed. */
  ticked(): void
}

/** What is counted of the log. */
export type ConsensusMeter = {
  /** A slot was applied; without `phases` it was learned from others. */
  applied(requests: number, phases: number, isForfeited: boolean): void
  /** From handing records to the log until they were durable. */
  synced(durationMs: number): void
  /** A snapshot has become the durable one. */
  saved(): void
}

/** How often the core repeats and asks: many times the round trip between nodes, few enough to cost nothing. */
export const TICK_MS = 20

const BOOT_BYTES = 8

function parse(bytes: Uint8Array): Snapshot {
  const { slot, digest } = decodeSnapshot(bytes)
  return { slot, digest, bytes }
}
