import type { NodeId } from '../../../base/ids.ts'
import type { Unavailable, Version } from '../../../base/port.ts'
import { err } from '../../../base/result.ts'
import type { Answer, NotServing } from './effect.ts'

/**
 * Answers that rest on what the primary has seen, held back until two things are sure: that all it
 * has seen is committed, and that it was still the primary after the question came.
 *
 * Before a later primary answers anything, `writeQuorum` replicas have promised its epoch. Of any
 * `readQuorum` = N − W + 1 at least one is among them and would refuse to confirm. One round of
 * questions serves all reads that came before it began; those that come meanwhile share the next.
 */
export class Reads {
  readonly #options: ReadsOptions
  /** In the order in which they came. */
  #waiting: Waiting[] = []
  #round: Round | undefined

  constructor(options: ReadsOptions) {
    this.#options = options
  }

  /** `basis` is the last write that the answer may have seen the effect of. */
  add(answer: Answer, basis: Version): void {
    if (this.#waiting.length >= WAITING_MAX) {
      const reason = 'too many reads wait for other replicas'
      this.#options.reply({ client: answer.client, result: err({ kind: 'unavailable', reason }) })
      return
    }
    this.#waiting.push({ answer, basis, age: 0, round: undefined, isConfirmed: false })
    this.#ask()
    this.release()
  }

  confirmed(from: NodeId, turn: number): void {
    if (this.#round?.turn !== turn) return
    this.#round.voters.add(from)
    this.#count(this.#round)
    this.#ask()
    this.release()
  }

  /** Whether ticks have something to do. */
  get isBusy(): boolean {
    return this.#waiting.length > 0 || this.#round !== undefined
  }

  /** Gives the answers that are due. */
  release(): void {
    if (this.#waiting.length === 0) return
    const { committed, reply } = this.#options
    const seq = committed()
    const isDue = (read: Waiting) => read.isConfirmed && read.basis.seq <= seq
    const due = this.#waiting.filter(isDue)
    if (due.length === 0) return
    this.#waiting = this.#waiting.filter((read) => !isDue(read))
    for (const { answer } of due) reply(answer)
  }

  /**
   * The writes after `last` never happen. The engine has never shown them, so a read has not seen
   * them; but a condition that failed because of one must not be told.
   */
  cancelAfter(last: Version): void {
    for (const read of this.#waiting.filter(({ basis }) => basis.seq > last.seq)) {
      read.basis = last
      if (!read.answer.result.ok) {
        read.answer = { client: read.answer.client, result: err({ kind: 'no-space' }) }
      }
    }
    this.release()
  }

  /** Asks again, and gives up what has waited for `ageMax` ticks. */
  tick(ageMax: number): void {
    if (this.#round !== undefined) this.#options.ask(this.#round.turn)
    for (const read of this.#waiting) read.age++
    const reason = 'a quorum of replicas does not answer'
    this.#refuse((read) => read.age >= ageMax, { kind: 'unavailable', reason })
  }

  /** This node is not the primary any more: refuses all that wait. */
  close(): void {
    this.#refuse(() => true, { kind: 'not-primary' })
  }

  #refuse(isOver: (read: Waiting) => boolean, refusal: Unavailable | NotServing): void {
    const over = this.#waiting.filter(isOver)
    this.#waiting = this.#waiting.filter((read) => !isOver(read))
    for (const { answer } of over) {
      this.#options.reply({ client: answer.client, result: err(refusal) })
    }
  }

  /** Begins a round if none is under way and somebody needs one. */
  #ask(): void {
    while (this.#round === undefined) {
      const asking = this.#waiting.filter(({ round }) => round === undefined)
      if (asking.length === 0) return
      const round = { turn: this.#options.nextTurn(), voters: new Set<NodeId>() }
      for (const read of asking) read.round = round
      this.#round = round
      this.#options.ask(round.turn)
      this.#count(round)
    }
  }

  /** The primary itself is one of the quorum. */
  #count(round: Round): void {
    if (round.voters.size + 1 < this.#options.readQuorum) return
    for (const read of this.#waiting) if (read.round === round) read.isConfirmed = true
    this.#round = undefined
  }
}

/** Far more than come within a round; without a quorum they would gather for seconds. */
const WAITING_MAX = 1_024

export type ReadsOptions = {
  readonly readQuorum: number
  /** Sends the question to all other replicas. */
  readonly ask: (turn: number) => void
  readonly nextTurn: () => number
  /** The seq up to which all is committed. */
  readonly committed: () => number
  readonly reply: (answer: Answer) => void
}

type Round = { readonly turn: number; readonly voters: Set<NodeId> }

type Waiting = {
  answer: Answer
  basis: Version
  age: number
  round: Round | undefined
  isConfirmed: boolean
}
