import type { NodeId } from '../../base/ids.ts'
import { type Ballot, roundOf, type SlotNumber } from './ballot.ts'
import { type Electorate, quorum } from './electorate.ts'
import type { Ballots, Witness } from './message.ts'

/** What the messages of the other nodes tell about them, beside what they are for. */
export class Peers {
  readonly #applied = new Map<NodeId, SlotNumber>()
  readonly #heard = new Map<NodeId, Heard>()

  /** The last slot each is known to have applied. */
  get applied(): ReadonlyMap<NodeId, SlotNumber> {
    return this.#applied
  }

  /** `node` says what it has applied: less than before when it has a new disk. */
  hasApplied(node: NodeId, slot: SlotNumber): void {
    remember(this.#applied, node, slot)
  }

  /** `node` has applied this much or more. */
  hasReached(node: NodeId, slot: SlotNumber): void {
    if (slot > (this.#applied.get(node) ?? -1)) remember(this.#applied, node, slot)
  }

  /** `node` may be another disk than the one that was known by its name. */
  forgetApplied(node: NodeId): void {
    this.#applied.delete(node)
  }

  /** What `node` said in a slot. */
  hear(node: NodeId, { slot, ballots }: Ballots): void {
    const ballot = ballots.at(-1)
    const last = this.#heard.get(node)
    if (!ballot || (last && last.slot > slot)) return
    if (last?.slot === slot && roundOf(last.ballot) >= roundOf(ballot)) return
    remember(this.#heard, node, { slot, ballot })
  }

  /** What `node`, now started as `boot`, is told of its own words. */
  witness(node: NodeId, boot: string): Witness {
    const heard = this.#heard.get(node)
    return { kind: 'witness', boot, slot: heard?.slot ?? 0, ballot: heard?.ballot }
  }

  /** The last slot that n − f members are known to have applied, of which this one has applied `own`. */
  appliedByQuorum({ members }: Electorate, self: NodeId, own: SlotNumber): SlotNumber {
    const slots = members.map((node) => (node === self ? own : (this.#applied.get(node) ?? 0)))
    slots.sort((one, other) => other - one)
    return slots[quorum(members.length) - 1] ?? 0
  }
}

type Heard = { readonly slot: SlotNumber; readonly ballot: Ballot }

/** More nodes than a cluster has: the names of those long gone do not pile up. */
const PEERS_MAX = 1_024

function remember<T>(table: Map<NodeId, T>, node: NodeId, value: T): void {
  table.set(node, value)
  if (table.size <= PEERS_MAX) return
  for (const oldest of table.keys()) {
    table.delete(oldest)
    return
  }
}
