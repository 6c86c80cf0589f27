import type { NodeId } from '../../base/ids.ts'
import { endOf } from './log.ts'
import type { Sealed } from './message.ts'
import type { Quorums } from './quorum.ts'
import { compareVersions } from './version.ts'

/**
 * What the replicas say that a new primary has asked to promise its epoch. None of them accepts
 * anything of earlier epochs any more. A write that was answered is at `write` of them, so it is in
 * one of any `seal` complete histories; the one that ends last has everything that the others have and
 * may have been answered.
 */
export class Takeover {
  readonly epoch: number
  readonly #replicas: readonly NodeId[]
  readonly #quorums: Quorums
  readonly #answers = new Map<NodeId, Sealed>()
  /** Ticks since it began. */
  age = 0

  constructor(epoch: number, replicas: readonly NodeId[], quorums: Quorums) {
    this.epoch = epoch
    this.#replicas = replicas
    this.#quorums = quorums
  }

  sealed(from: NodeId, answer: Sealed): void {
    if (answer.epoch === this.epoch && this.#replicas.includes(from))
      this.#answers.set(from, answer)
  }

  /** Who has not answered. */
  missing(): readonly NodeId[] {
    return this.#replicas.filter((replica) => !this.#answers.has(replica))
  }

  /** Forgets all answers, so that others are chosen from. */
  restart(): void {
    this.#answers.clear()
    this.age = 0
  }

  /**
   * Whose history to adopt, `self` before others that end alike; undefined while too few have
   * answered. Where one is enough, all are given `patienceTicks` to answer.
   */
  choose(self: NodeId, patienceTicks: number): readonly [NodeId, Sealed] | undefined {
    const own = this.#answers.get(self)
    if (own === undefined) return undefined
    const complete = [...this.#answers].filter(([, answer]) => answer.isComplete)
    if (complete.length < this.#quorums.seal) return undefined
    const isHasty = this.#quorums.seal === 1 && this.missing().length > 0
    if (this.#quorums.write === 1 && isHasty && this.age < patienceTicks) return undefined
    const rank = ([node, { history }]: readonly [NodeId, Sealed]) => ({
      end: endOf(history),
      isSelf: node === self,
    })
    return complete.toSorted((a, b) => {
      const [one, other] = [rank(a), rank(b)]
      return compareVersions(other.end, one.end) || Number(other.isSelf) - Number(one.isSelf)
    })[0]
  }
}
