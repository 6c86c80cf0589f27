/**
 * Changes of the members: those that an administrator asks for, and those that the rules want. Each is wise first
 * (`change.ts`) and is then ordered by the log, which takes one of those that name the same epoch.
 */
import type { NodeId } from '../../base/ids.ts'
import type { OutcomeUnknown, Unavailable } from '../../base/port.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { type Consensus, TICK_MS } from '../control/consensus.driver.ts'
import type { MembershipChange, MembershipRefusal } from '../control/index.ts'
import type { Report } from '../report.ts'
import type { AddRefusal, ClusterStatus, RemoveRefusal } from './admin.ts'
import { missingQuorum, ownChange, promotion, removalRefusal } from './change.ts'
import type { Gate } from './gate.driver.ts'
import type { Observations } from './view.ts'

export class MemberChanges {
  readonly #options: MemberChangesOptions
  #isChanging = false
  #strandedTicks = 0

  constructor(options: MemberChangesOptions) {
    this.#options = options
  }

  /** Of `ClusterAdmin`; `tick` is the one now. */
  async add(id: NodeId, tick: number): Promise<Result<ClusterStatus, AddRefusal>> {
    const { epoch } = this.#members
    if (this.#members.find(id)) return err({ kind: 'already-member' })
    const applicants = this.#options.gate.applicants(tick)
    const applicant = applicants.find((each) => each.id === id)
    if (applicant === undefined) {
      return err({ kind: 'not-waiting', waiting: applicants.map((each) => each.id) })
    }
    const { incarnation, address } = applicant
    const refusal = await this.#change({ kind: 'add', epoch, node: id, incarnation, address })
    if (refusal === undefined) return ok(this.#options.status())
    if (refusal.kind !== 'refused') return err(refusal)
    return err({ kind: refusal.why === 'already-member' ? 'already-member' : 'other-change' })
  }

  /** Of `ClusterAdmin`. */
  async remove(id: NodeId): Promise<Result<ClusterStatus, RemoveRefusal>> {
    const { epoch } = this.#members
    const unwise = removalRefusal(this.#members, this.#options.observe(), id)
    if (unwise !== undefined) return err(unwise)
    const refusal = await this.#change({ kind: 'remove', epoch, node: id })
    if (refusal === undefined) return ok(this.#options.status())
    return err(refusal.kind === 'refused' ? { kind: 'other-change' } : refusal)
  }

  /** Has the members changed where the rules say so; `tick` counts up. */
  tick(tick: number): void {
    if (tick % MAINTENANCE_TICKS === 1 && !this.#isChanging) this.#maintain()
  }

  get #members() {
    return this.#options.consensus.machine.membership
  }

  #maintain(): void {
    const isShort = missingQuorum(this.#members, this.#options.observe()) !== undefined
    this.#watchStranding(isShort && this.#options.gate.latest !== undefined)
    if (isShort) return
    const { self: id, address } = this.#options
    const own = this.#options.gate.ownEpoch === 0 ? undefined : this.#members.find(id)
    const { incarnation } = this.#options.consensus
    const change = ownChange(own, { incarnation, address }) ?? this.#promotion()
    if (change === undefined) return
    this.#isChanging = true
    void this.#change(change).then((refusal) => {
      this.#isChanging = false
      if (change.kind !== 'bind' || refusal?.kind !== 'refused') return
      if (refusal.why === 'other-incarnation') {
        this.#options.excluded(refusal.why)
      }
    })
  }

  /** Tells it once, when it has lasted: a node that only has to catch up knows as much as the others before. */
  #watchStranding(isStranded: boolean): void {
    this.#strandedTicks = isStranded ? this.#strandedTicks + MAINTENANCE_TICKS : 0
    if (this.#strandedTicks !== STRANDED_TICKS) return
    this.#options.report('warn', 'this node is left behind', { reason: this.#options.obstacle() })
  }

  #promotion(): MembershipChange | undefined {
    if (!this.#options.mayPromote()) return undefined
    const node = promotion(this.#members, this.#options.observe())
    return node === undefined ? undefined : { kind: 'promote', epoch: this.#members.epoch, node }
  }

  /** Has the log order the change, if it can now; undefined when it has taken place. */
  async #change(change: MembershipChange): Promise<ChangeOutcome> {
    const missing = missingQuorum(this.#members, this.#options.observe())
    if (missing !== undefined) {
      const { reached, voters, needed } = missing
      const reason = `${reached} of ${voters} voters can be reached, and ${needed} are needed`
      return { kind: 'unavailable', reason }
    }
    const outcome = await this.#options.consensus.control.execute(change)
    if (!outcome.ok) return outcome.error
    if (outcome.value.kind !== 'refused') return undefined
    return { kind: 'refused', why: outcome.value.why as MembershipRefusal }
  }
}

export type MemberChangesOptions = {
  readonly self: NodeId
  /** As the other members are to reach this node. */
  readonly address: string
  readonly report: Report
  readonly gate: Gate
  readonly consensus: Consensus
  /** Whether learners may be made voters now. */
  readonly mayPromote: () => boolean
  readonly observe: () => Observations
  readonly status: () => ClusterStatus
  /** What keeps this node from serving, in words. */
  readonly obstacle: () => string | undefined
  /** The cluster knows another disk under the name of this node. */
  readonly excluded: (reason: 'other-incarnation') => void
}

type ChangeOutcome =
  | Unavailable
  | OutcomeUnknown
  | { readonly kind: 'refused'; readonly why: MembershipRefusal }
  | undefined

/** Half a second: soon enough for whoever waits to be promoted. */
const MAINTENANCE_TICKS = 500 / TICK_MS

/** Five seconds: several times what it takes to reach somebody who is there. */
const STRANDED_TICKS = 5_000 / TICK_MS
