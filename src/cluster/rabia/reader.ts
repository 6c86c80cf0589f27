import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'
import { type Electorate, quorum } from './electorate.ts'
import type { Outbox } from './outbox.ts'

/**
 * Linearizable reads without writing to the log (R14). A round asks all members for the highest slot they take part in;
 * whatever was acknowledged before has f + 1 voters, and any n − f answers include one of them. Once everything up to
 * the highest answer is applied, the local state is recent enough for the reads that waited for the round to begin.
 */
export class Reader {
  readonly #boot: string
  readonly #out: Outbox
  #queued: number[] = []
  #round: Round | undefined
  #rounds = 0

  /** `boot` tells answers to this life of the node from answers to an earlier one, which are out of date. */
  constructor(boot: string, out: Outbox) {
    this.#boot = boot
    this.#out = out
  }

  /** Reads that wait. */
  get size(): number {
    return this.#queued.length + (this.#round?.reads.length ?? 0)
  }

  /** Asks `peers` for their marks, now or again, as long as some are missing. */
  ask(peers: readonly NodeId[]): void {
    const round = this.#round
    if (round && round.target === undefined) {
      this.#out.send(peers, { kind: 'mark-query', round: round.name })
    }
  }

  add(id: number): void {
    this.#queued.push(id)
  }

  /** Begins a round for the reads that wait, unless one is under way, and returns what it is called. */
  begin(electorate: Electorate): string | undefined {
    if (this.#round || this.#queued.length === 0) return undefined
    const name = `${this.#boot}/${++this.#rounds}`
    this.#round = { name, electorate, reads: this.#queued, marks: new Map(), target: undefined }
    this.#queued = []
    return name
  }

  /** `from` takes part in `slot`, and did when it answered. */
  answer(from: NodeId, name: string, slot: SlotNumber): void {
    const round = this.#round
    if (!round || round.name !== name || round.target !== undefined) return
    const { members } = round.electorate
    if (!members.includes(from)) return
    round.marks.set(from, slot)
    if (round.marks.size >= quorum(members.length)) round.target = Math.max(...round.marks.values())
  }

  /**
   * The reads that may now look at the local state, in which everything up to `applied` is applied. If that changed
   * the electorate, a later write may have voters none of whom was asked: the reads wait for another round.
   */
  finish(applied: SlotNumber, electorate: Electorate): readonly number[] {
    const round = this.#round
    if (!round) return []
    if (round.electorate.epoch !== electorate.epoch) {
      assert(round.electorate.epoch < electorate.epoch, 'epochs only grow')
      this.#queued = [...round.reads, ...this.#queued]
      this.#round = undefined
      return []
    }
    if (round.target === undefined || applied < round.target) return []
    this.#round = undefined
    return round.reads
  }
}

type Round = {
  readonly name: string
  readonly electorate: Electorate
  readonly reads: readonly number[]
  readonly marks: Map<NodeId, SlotNumber>
  target: SlotNumber | undefined
}
