/** Who lives and who leads: the failure detector of this node, and the partition tables that follow from what it finds. */
import type { NodeId, PartitionId } from '../../base/ids.ts'
import type { ControlEntry, ControlStore } from '../../base/port.ts'
import { PartitionDirectory, type Situation } from '../partition/directory.driver.ts'
import { partitionSet } from '../partition/index.ts'
import type { Report } from '../report.ts'
import type { Vitals } from '../wire/index.ts'
import { Liveness } from './liveness.driver.ts'

export class Roles {
  readonly liveness: Liveness
  readonly partitions: PartitionDirectory
  readonly #options: RolesOptions
  readonly #behind = new Set<PartitionId>()
  /** What was last said of the own replicas has changed. */
  #hasNews = false
  #wasComplete = false
  #hasTicked = false
  #handedOver: (() => void) | undefined

  constructor(options: RolesOptions) {
    this.#options = options
    this.liveness = new Liveness(options)
    const relieved = (member: NodeId) => this.liveness.take({ kind: 'relieved', member })
    this.partitions = new PartitionDirectory({ ...options, relieved })
    this.partitions.follow(() => {
      this.#hasNews = true
    })
  }

  /** How many replicas of this node have yet to get what the others have. */
  get behind(): number {
    return this.#behind.size
  }

  /**
   * The replica of `partition` on this node has yet to get what the others have, or has it now. Whoever has been given a replica
   * by a table says so before it returns from `partitions.follow`: the others wait for nobody else.
   */
  setBehind(partition: PartitionId, isBehind: boolean): void {
    this.#hasNews ||= this.#behind.has(partition) !== isBehind
    if (isBehind) this.#behind.add(partition)
    else this.#behind.delete(partition)
  }

  /** What the other nodes are to show their operators of this one. */
  setVitals(vitals: Vitals): void {
    this.liveness.take({ kind: 'vitals', vitals })
  }

  /** What keeps this node from serving partitions since it was started, for an operator; undefined when nothing does any more. */
  obstacle(): string | undefined {
    const { fault, table } = this.partitions
    if (fault !== undefined) return fault
    if (table === undefined) return 'the partitions have not been given to the members yet'
    this.#wasComplete ||= this.#behind.size === 0
    if (this.#wasComplete) return undefined
    return `${this.#behind.size} partitions of this node have yet to get what the others have`
  }

  /** Time has passed; `voters` are of the cluster that this node's disk belongs to, ascending. */
  tick(voters: readonly NodeId[]): void {
    const { hasQuorum, isAlone } = this.#options
    this.#sayProgress()
    if (isAlone) return
    this.#hasTicked = true
    this.liveness.tick()
    const situation = this.liveness.situation(voters)
    this.partitions.tick(situation, hasQuorum)
    if (this.partitions.led === 0 || !this.#canBeRelieved(situation)) this.#handedOver?.()
  }

  /**
   * This node is about to stop: gives its roles to others that have everything, and takes none before it says `resume` or was
   * started again. Resolves with how many partitions it still leads: none, or those that nobody can take over or has in time.
   */
  async handOver(withinMs = HAND_OVER_MS): Promise<number> {
    if (this.#options.isAlone || !this.#hasTicked) return this.partitions.led
    this.liveness.take({ kind: 'leave' })
    const { promise, resolve } = Promise.withResolvers<void>()
    const deadline = setTimeout(resolve, withinMs)
    this.#handedOver = resolve
    await promise
    this.#handedOver = undefined
    clearTimeout(deadline)
    return this.partitions.led
  }

  /** This node stays after all: roles return to it when it has been steady for a while. */
  resume(): void {
    this.liveness.take({ kind: 'stay' })
  }

  #canBeRelieved({ standings }: Situation): boolean {
    const others = [...standings].filter(([id]) => id !== this.#options.self)
    const canLead = others.some(([_, standing]) => standing === 'steady' || standing === 'present')
    return canLead && this.#options.hasQuorum()
  }

  #sayProgress(): void {
    if (!this.#hasNews) return
    this.#hasNews = false
    const tableVersion = this.partitions.table?.version ?? 0
    const behind = partitionSet(this.#behind)
    this.liveness.take({ kind: 'progress', progress: { tableVersion, behind } })
  }
}

export type RolesOptions = {
  readonly self: NodeId
  /** Of this node, as it is configured. */
  readonly zone: string | undefined
  /** This node has no others and never will, as it is configured: it watches nobody and writes nothing. */
  readonly isAlone: boolean
  /** An entry of the control state, as this node has applied it. */
  readonly read: (key: string) => ControlEntry | undefined
  readonly control: ControlStore
  /** Whether this node reaches enough voters to have a write ordered. */
  readonly hasQuorum: () => boolean
  /** Best effort. */
  readonly send: (to: readonly NodeId[], heartbeat: Uint8Array) => void
  readonly report: Report
}

/** A write to the control state takes milliseconds; an operator waits for a node to stop. */
const HAND_OVER_MS = 3_000
