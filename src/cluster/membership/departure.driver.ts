import type { NodeId } from '../../base/ids.ts'
import type { Membership } from '../control/index.ts'
import { unaware } from './farewell.ts'

/** How a node that has applied its own removal stays for those that may need its answer about that slot, and then goes. */
export class Departure {
  readonly #options: DepartureOptions
  /** At which epoch others have last refused this node. */
  readonly #epochs = new Map<NodeId, number>()
  #unaware: readonly NodeId[] | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: DepartureOptions) {
    this.#options = options
  }

  /** Who has yet to learn of the removal; undefined when there was none. */
  get unaware(): readonly NodeId[] | undefined {
    return this.#unaware
  }

  /** This node is no member any more; no effect when that is known. */
  begin(): void {
    this.#unaware ??= []
    this.#check()
  }

  /** This node is a member after all, or stops for another reason. */
  cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#unaware = undefined
  }

  /** `peer`, which is at `epoch`, does not admit this node. */
  refused(peer: NodeId, epoch: number): void {
    this.#epochs.set(peer, epoch)
    this.#check()
  }

  #check(): void {
    if (this.#unaware === undefined || this.#timer !== undefined) return
    const { members, stays, leave } = this.#options
    const rest = unaware(members, this.#epochs)
    if (rest.length === 0) this.#timer = setTimeout(leave, LINGER_MS)
    else if (rest.join() !== this.#unaware.join()) stays(rest)
    this.#unaware = rest
  }
}

export type DepartureOptions = {
  /** As this node has applied them: it changes. */
  readonly members: Membership
  /** Whom this node waits for has changed. */
  stays(unaware: readonly NodeId[]): void
  /** This node may go. Once. */
  leave(): void
}

/** Those who know may have lost it again when they were killed: they learn it anew within this. */
const LINGER_MS = 3_000
