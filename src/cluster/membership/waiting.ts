import type { NodeId } from '../../base/ids.ts'

/** A node that asks to be a member: what `add` takes over. */
export type Applicant = {
  readonly id: NodeId
  readonly incarnation: string
  readonly address: string
}

/**
 * The nodes that ask to join, as far as this node was asked. Bounded; whoever has stopped asking is forgotten. Time is
 * counted by its owner, in ticks.
 */
export class WaitingList {
  readonly #waiting = new Map<NodeId, Applicant & { readonly lastTick: number }>()

  /** `applicant` has asked. With another incarnation than before it is another node of that name, and takes its place. */
  note(applicant: Applicant, tick: number): void {
    this.#waiting.delete(applicant.id)
    this.#waiting.set(applicant.id, { ...applicant, lastTick: tick })
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined && this.#waiting.size > WAITING_MAX) this.#waiting.delete(oldest)
  }

  /** Who has asked within the last ticks, ascending. */
  list(tick: number): readonly Applicant[] {
    for (const [id, { lastTick }] of this.#waiting) {
      if (tick - lastTick > FORGET_TICKS) this.#waiting.delete(id)
    }
    return [...this.#waiting.values()]
      .map(({ id, incarnation, address }) => ({ id, incarnation, address }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }
}

/** Only somebody with the secret gets in here: so many are a mistake in some script. */
const WAITING_MAX = 64

/** At a tick of 20 ms this is half a minute: several times the longest pause between two attempts to connect. */
const FORGET_TICKS = 1_500
