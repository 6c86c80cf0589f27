import type { NodeId } from '../../../base/ids.ts'
import type { Pull } from '../replica/index.ts'

/**
 * Which fetches of a node may ask now: a few, since the pages that answer them wait in memory, there for the network and here
 * for the disk. A fetch has its turn until it ends, or until it asks the same for the third time while others wait: then it
 * has had no answer and goes behind these, so that a node that is gone holds up nobody. Once it may repeat itself: the first
 * time may have come just before its turn did.
 */
export class Pulls<Asker> {
  readonly #askingMax: number
  readonly #send: Send<Asker>
  /** The question of each that has its turn, and how often it was repeated. */
  readonly #asking = new Map<Asker, { readonly turn: number; readonly repetitions: number }>()
  /** The first has waited longest. */
  readonly #waiting = new Map<Asker, Question>()

  constructor(askingMax: number, send: Send<Asker>) {
    this.#askingMax = askingMax
    this.#send = send
  }

  /** Sends it, now or when it is its turn. What the same asker has waiting gives way to it. */
  ask(asker: Asker, question: Question): void {
    const asked = this.#asking.get(asker)
    const { turn } = question.pull
    const repetitions = asked?.turn === turn ? asked.repetitions + 1 : 0
    if (repetitions > REPETITIONS_MAX && this.#waiting.size > 0) {
      this.#asking.delete(asker)
      this.#admit()
      this.#waiting.set(asker, question)
    } else if (asked !== undefined || this.#asking.size < this.#askingMax) {
      this.#asking.set(asker, { turn, repetitions })
      this.#send(asker, question)
    } else this.#waiting.set(asker, question)
  }

  /** Whether this one has asked and has not come to its end. */
  has(asker: Asker): boolean {
    return this.#asking.has(asker) || this.#waiting.has(asker)
  }

  /** Its fetch has come to an end. */
  end(asker: Asker): void {
    this.#waiting.delete(asker)
    if (this.#asking.delete(asker)) this.#admit()
  }

  #admit(): void {
    const waiting = [...this.#waiting]
    const next = waiting.find(([, { isUrgent }]) => isUrgent) ?? waiting[0]
    if (next === undefined) return
    const [asker, question] = next
    this.#waiting.delete(asker)
    this.#asking.set(asker, { turn: question.pull.turn, repetitions: 0 })
    this.#send(asker, question)
  }
}

/** Within a turn, while others wait. */
const REPETITIONS_MAX = 1

/** Of a node. Their pages (4 MiB) are as much as may wait for the disk. */
export const PULLS_MAX = 16

/** A pull, and whether somebody waits for a primary until its fetch has ended. */
export type Question = {
  readonly to: NodeId
  readonly pull: Pull
  readonly isUrgent: boolean
}

type Send<Asker> = (asker: Asker, question: Question) => void
