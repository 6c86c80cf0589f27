import type { NodeId } from '../../base/ids.ts'
import { type Ballot, roundOf, type SlotNumber, sameBallot } from './ballot.ts'
import { type Electorate, quorum } from './electorate.ts'
import type { Witness } from './message.ts'

/**
 * What the members remember of this node's ballots when it starts (R15). A disk that was set back to an earlier state
 * looks like any other: only they can tell that it has promised more than it knows.
 */
export class Recall {
  readonly #self: NodeId
  readonly #boot: string
  readonly #answered = new Set<NodeId>()
  /** Where a voter's log has ended, as long as it has said nothing since. */
  #start: Position | undefined
  #isRefuted = false

  constructor(self: NodeId, boot: string) {
    this.#self = self
    this.#boot = boot
  }

  /** A voter starts here. */
  start(position: Position): void {
    this.#start = { ...position, own: [...position.own] }
  }

  /** The node says something new: from here on others may have heard more than its log had at the start. */
  speak(): void {
    this.#start = undefined
  }

  /** Whether n − f members, this one included, have answered in this life of the node, and none against it. */
  isDone({ members }: Electorate): boolean {
    if (this.#isRefuted) return false
    let answers = 0
    for (const node of members) if (node === this.#self || this.#answered.has(node)) answers++
    return answers >= quorum(members.length)
  }

  /** Takes an answer for a node that is at `now`; false when it must not go on. */
  hear(from: NodeId, { boot, slot, ballot }: Witness, now: Position): boolean {
    if (boot !== this.#boot) return true
    if (ballot && !includes(this.#start ?? now, slot, ballot)) this.#isRefuted = true
    this.#answered.add(from)
    return !this.#isRefuted
  }

  /** Those of `peers` that have not answered yet. */
  unanswered(peers: readonly NodeId[]): readonly NodeId[] {
    return peers.filter((node) => !this.#answered.has(node))
  }
}

/** The slot a node is at, and its ballots there. */
export type Position = { readonly slot: SlotNumber; readonly own: readonly Ballot[] }

/** Whether a node that has come to this position could have said `ballot` in the slot `heard`. */
function includes({ slot, own }: Position, heard: SlotNumber, ballot: Ballot): boolean {
  // The decisions of all earlier slots are on the disk before the first ballot of a slot is.
  if (heard !== slot) return heard < slot
  const said = own[roundOf(ballot)]
  return said !== undefined && sameBallot(said, ballot)
}
