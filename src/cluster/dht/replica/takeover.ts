import type { NodeId } from '../../../base/ids.ts'
import type { Quorums } from '../quorum.ts'
import { compareVersions } from '../version.ts'
import { endOf, type Run } from './log.ts'
import type { Sealed } from './message.ts'

/**
 * What the replicas say that a new primary has asked to promise its epoch. None of them accepts
 * anything of earlier epochs any more. A write that was answered is at `write` of them, so of any
 * `seal` of them at least one had it; the history that ends last, and no earlier than what any of these
 * had, has it too. One that is incomplete is counted and cannot be chosen. One that cannot tell what it had is not counted
 * before everybody has answered, and nobody has had more than the best history: then there is nothing more to be found. Otherwise
 * what an incomplete one had may have been acknowledged, and nobody leads until it is found.
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

  /** Who has not answered, or may say more when asked again. */
  missing(): readonly NodeId[] {
    return this.#replicas.filter((replica) => this.#answers.get(replica)?.had === undefined)
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
  choose(self: NodeId, patienceTicks: number): Adoption | undefined {
    if (!this.#answers.has(self)) return undefined
    const isHasty = this.#quorums.write === 1 && this.#answers.size < this.#replicas.length
    if (isHasty && this.age < patienceTicks) return undefined
    const best = this.#best(self)
    if (best === undefined) return undefined
    const answers = [...this.#answers.values()]
    const end = endOf(best.history)
    const isBeyond = ({ had }: Sealed) => had !== undefined && compareVersions(had, end) > 0
    const isAll = answers.length === this.#replicas.length && !answers.some(isBeyond)
    const isTrusted = isAll || this.#quorums.write === 1
    const isCovered = (answer: Sealed) => (answer.had === undefined ? isTrusted : !isBeyond(answer))
    return answers.filter(isCovered).length < this.#quorums.seal ? undefined : best
  }

  #best(self: NodeId): Adoption | undefined {
    let best: Adoption | undefined
    for (const [from, { history }] of this.#answers) {
      if (history === undefined) continue
      const later = best === undefined ? 1 : compareVersions(endOf(history), endOf(best.history))
      if (later > 0 || (later === 0 && from === self)) best = { from, history }
    }
    return best
  }
}

/** A history, and who has it. */
export type Adoption = { readonly from: NodeId; readonly history: readonly Run[] }
