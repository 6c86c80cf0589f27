/** Who may vote in which slot, according to what the replicas say, and whether decisions have the votes of enough of them. */
import type { NodeId } from '../../src/base/ids.ts'
import type { Ballot, Electorate, LogRecord, SlotNumber } from '../../src/cluster/rabia/index.ts'
import { tolerated } from '../../src/cluster/rabia/index.ts'
import { fail } from './property.ts'

export class Quorums {
  /** Ascending: each holds for the slots after its own, up to that of the next one. */
  readonly #reigns: Reign[]
  /** Of slots that nobody has applied: who has a durable vote of which kind. */
  readonly #votes = new Map<SlotNumber, Map<string, Set<NodeId>>>()

  constructor(founders: readonly NodeId[]) {
    this.#reigns = [{ epoch: 1, slot: 0, members: founders.toSorted() }]
  }

  /** Electorates so far, without the first. */
  get changes(): number {
    return this.#reigns.length - 1
  }

  /** A replica says who votes after this slot. */
  changed(node: NodeId, slot: SlotNumber, { epoch, members }: Electorate): void {
    const known = this.#reigns.find((reign) => reign.epoch === epoch)
    const now = `${members} from slot ${slot} on`
    if (known !== undefined) {
      const before = `${known.members} from slot ${known.slot} on`
      if (now !== before)
        fail('single-configuration', `epoch ${epoch} is ${before}, and on ${node} ${now}`)
      return
    }
    const last = this.#reigns.at(-1)!
    if (epoch !== last.epoch + 1 || slot < last.slot)
      fail('single-configuration', `${node} goes to epoch ${epoch} from ${last.epoch}`)
    this.#reigns.push({ epoch, slot, members })
  }

  /** A node says this in a slot. */
  assertMaySay(node: NodeId, epoch: number, slot: SlotNumber): void {
    const reign = this.#at(slot)
    if (reign.epoch !== epoch || !reign.members.includes(node))
      fail('electorate', `${node} votes in slot ${slot} of epoch ${epoch}: ${describe(reign)}`)
  }

  /** A node has this on its disk. */
  persisted(node: NodeId, record: LogRecord): void {
    if (record.kind !== 'ballot' || record.ballot.stage !== 'vote') return
    const { slot, epoch, ballot } = record
    const votes = this.#votes.get(slot) ?? new Map<string, Set<NodeId>>()
    this.#votes.set(slot, votes)
    const kind = voteOf(epoch, ballot)
    votes.set(kind, (votes.get(kind) ?? new Set()).add(node))
  }

  /** The first replica has applied a slot. */
  decided(slot: SlotNumber, batch: string | undefined): void {
    const { epoch, members } = this.#at(slot)
    const votes = this.#votes.get(slot) ?? new Map<string, Set<NodeId>>()
    const suffix = batch === undefined ? ' 0' : ` 1 ${batch}`
    const isDecided = [...votes].some(
      ([kind, voters]) =>
        kind.startsWith(`${epoch}/`) &&
        kind.endsWith(suffix) &&
        members.filter((member) => voters.has(member)).length > tolerated(members.length),
    )
    if (!isDecided)
      fail('electorate', `slot ${slot} is ${batch} without the votes of enough of ${members}`)
    this.#votes.delete(slot)
  }

  #at(slot: SlotNumber): Reign {
    return this.#reigns.findLast((reign) => reign.slot < slot) ?? this.#reigns[0]!
  }
}

type Reign = {
  readonly epoch: number
  readonly slot: SlotNumber
  readonly members: readonly NodeId[]
}

function voteOf(epoch: number, { phase, value, batch }: Ballot): string {
  return `${epoch}/${phase} ${value}${batch === undefined ? '' : ` ${batch}`}`
}

function describe({ epoch, members }: Reign): string {
  return `epoch ${epoch} is ${members}`
}
