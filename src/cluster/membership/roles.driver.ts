/** Who lives and who leads: the failure detector of this node, and the partition tables that follow from what it finds. */
import type { NodeId } from '../../base/ids.ts'
import type { ControlEntry, ControlStore } from '../../base/port.ts'
import { PartitionDirectory } from '../partition/directory.driver.ts'
import type { Report } from '../report.ts'
import { Liveness } from './liveness.driver.ts'

export class Roles {
  readonly liveness: Liveness
  readonly partitions: PartitionDirectory
  readonly #options: RolesOptions
  #hasTicked = false
  #handedOver: (() => void) | undefined

  constructor(options: RolesOptions) {
    this.#options = options
    this.liveness = new Liveness(options)
    const relieved = (member: NodeId) => this.liveness.take({ kind: 'relieved', member })
    this.partitions = new PartitionDirectory({ ...options, relieved })
  }

  /** Time has passed; `voters` are of the cluster that this node's disk belongs to, ascending. */
  tick(voters: readonly NodeId[]): void {
    const { self, hasQuorum, isAlone } = this.#options
    if (isAlone) return
    this.#hasTicked = true
    this.liveness.tick()
    const standings = this.liveness.standings()
    this.partitions.tick(standings, voters, hasQuorum)
    if (this.#handedOver === undefined) return
    const others = [...standings].filter(([id]) => id !== self)
    const canLead = others.some(([_, standing]) => standing === 'steady' || standing === 'present')
    if (this.partitions.led === 0 || !canLead || !hasQuorum()) this.#handedOver()
  }

  /**
   * This node is about to stop: gives its roles to the others. Resolves when it leads nothing any more, or when nobody can take
   * over what it leads or has not in time.
   */
  async handOver(): Promise<void> {
    if (this.#options.isAlone || !this.#hasTicked) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const deadline = setTimeout(resolve, HAND_OVER_MS)
    this.liveness.take({ kind: 'leave' })
    this.#handedOver = resolve
    await promise
    clearTimeout(deadline)
  }
}

export type RolesOptions = {
  readonly self: NodeId
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
