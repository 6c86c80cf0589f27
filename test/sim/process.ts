/** One life of a node: the shipped core over the shipped log, with its snapshot and its pins on the machine's disk. */
import type { NodeId } from '../../src/base/ids.ts'
import {
  decodeRecord,
  type Effect,
  encodeRecord,
  type Input,
  type LogRecord,
  Rabia,
  type Snapshot,
} from '../../src/cluster/rabia/index.ts'
import type { Cluster, Observer, RabiaMachine } from './cluster.ts'
import { Fence } from './fence.ts'
import { HostedFile } from './hosted-file.ts'
import { HostedLog } from './hosted-log.ts'
import type { Program } from './machine.ts'
import { Registers } from './register.ts'
import { decodeSnapshot, encodeSnapshot } from './snapshot-format.ts'
import { MILLISECOND } from './world.ts'

/** Until its disk is open it hears nothing. */
export class RabiaProcess implements Program<Input, Effect> {
  readonly registers: Registers
  readonly fence: Fence
  readonly #cluster: Cluster
  readonly #machine: RabiaMachine
  readonly #rabia: Rabia
  readonly #log: HostedLog
  readonly #snapshot: HostedFile
  readonly #pending = new Map<number, readonly LogRecord[]>()
  /** Parts of the disk that are not open yet. */
  #closed = 3

  constructor(cluster: Cluster, machine: RabiaMachine) {
    const self = machine.name as NodeId
    const { life } = machine
    this.#cluster = cluster
    this.#machine = machine
    this.registers = new Registers(cluster.genesisOf(self), {
      executed: (tag) => this.#observe((observer) => observer.executed?.(self, tag)),
      reconfigured: (slot, electorate) =>
        this.#observe((observer) => observer.reconfigured?.(self, slot, electorate)),
    })
    this.#rabia = new Rabia({
      self,
      cluster: 'sim',
      boot: `${life}`,
      machine: this.registers,
      contacts: cluster.contactsOf(self),
      limits: cluster.limits,
    })
    const replayed: LogRecord[] = []
    this.#log = new HostedLog({
      machine,
      identity: newIdentity(machine),
      onEntry: (entry) => replayed.push(decodeRecord(entry.bytes)),
      on: {
        opened: () => this.#opened(),
        appended: (token) => this.#appended(token),
        refused: (token) => this.#refusedSpace({ kind: 'no-space', token }),
        stopped: (cause) => this.#stop(cause),
      },
    })
    this.#snapshot = new HostedFile(machine, 'snapshot')
    this.fence = new Fence({ ... })
  }
