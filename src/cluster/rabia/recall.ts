import type { NodeId } from '../../base/ids.ts'
import { type Ballot, roundOf, type SlotNumber, sameBallot } from './ballot.ts'
import { type Electorate, quorum } from './electorate.ts'

/**
 * What the members remember of this node's ballots when it starts (R15). A disk that was set back to an earlier state
 * looks like any other: only they can tell that it has promised more than it knows.
 */
export class Recall {
  readonly #self: NodeId
  readonly #answered = new Set<NodeId>()

  constructor(self: NodeId) {
    this.#self = self
  }

  /** Whether n − f members, this one included, have answered in this life of the node. */
  isDone({ members }: Electorate): boolean {
    let answers = 0
    for (const node of members) if (node === this.#self || this.#answered.has(node)) answers++
    return answers >= quorum(members.length)
  }

  answered(node: NodeId): void {
    this.#answered.add(node)
  }

  /** Those of `peers` that have not answered yet. */
  unanswered(peers: readonly NodeId[]): readonly NodeId[] {
    return peers.filter((node) => !this.#answered.has(node))
  }
}

/** Whether a node that is at `slot`, where it has said `own`, could have said `ballot` in the slot `heard`. */
export function isRemembered(
  ballot: Ballot,
  heard: SlotNumber,
  { slot, own }: { readonly slot: SlotNumber; readonly own: readonly Ballot[] },
): boolean {
  // The decisions of all earlier slots are on the disk before the first ballot of a slot is.
  if (heard !== slot) return heard < slot
  const said = own[roundOf(ballot)]
  return said !== undefined && sameBallot(said, ballot)
}
