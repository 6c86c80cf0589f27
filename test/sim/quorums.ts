/**
 * Who may vote in which slot, according to what the replicas say, and whether decisions have the votes of enough of them, or
 * proposals of all that leave no other outcome.
 */
import type { NodeId } from '../../src/base/ids.ts'
import type { MembershipSnapshot } from '../../src/cluster/control/members.ts'
import {
  type Ballot,
  type LogRecord,
  type SlotNumber,
  tolerated,
} from '../../src/cluster/rabia/index.ts'
import { fail } from './property.ts'

export class Quorums {
  /** Ascending: each holds for the slots after its own, up to that of the next one. */
  readonly #reigns: Reign[]
  /** Of slots that nobody has applied: who has a durable vote of which kind. */
  readonly #votes = new Map<SlotNumber, Map<string, Set<NodeId>>>()
  /** Of the same slots: what each has durably proposed. */
  readonly #proposals = new Map<SlotNumber, Map<NodeId, string>>()

  constructor(founders: readonly NodeId[]) {
    this.#reigns = [{ epoch: 1, slot: 0, voters: founders.toSorted(), name: 'genesis' }]
  }

  /** Electorates so far, without the first. */
  get changes(): number {
    return this.#reigns.length - 1
  }

  /** A replica says who votes after this slot. */
  changed(node: NodeId, slot: SlotNumber, { epoch, members }: MembershipSnapshot): void {
    const known = this.#reigns[epoch - 1]
    const name = `${JSON.stringify(members)} from slot ${slot} on`
    if (known !== undefined) {
      if (known.name !== name)
        fail('single-configuration', `epoch ${epoch} is ${known.name}, and on ${node} ${name}`)
      return
    }
    const last = this.#reigns.at(-1)!
    if (epoch !== last.epoch + 1 || slot < last.slot)
      fail('single-configuration', `${node} goes to epoch ${epoch} from ${last.epoch}`)
    const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
    const kept = voters.filter((voter) => last.voters.includes(voter)).length
    if (voters.length + last.voters.length - 2 * kept > 1)
      fail('single-configuration', `epoch ${epoch} goes from ${last.voters} to ${voters} at once`)
    this.#reigns.push({ epoch, slot, voters, name })
  }

  /** A node says this in a slot. */
  assertMaySay(node: NodeId, epoch: number, slot: SlotNumber): void {
    const reign = this.#at(slot)
    if (reign.epoch !== epoch || !reign.voters.includes(node))
      fail('electorate', `${node} votes in slot ${slot} of epoch ${epoch}: ${describe(reign)}`)
  }

  /** A node has this on its disk. */
  persisted(node: NodeId, record: LogRecord): void {
    if (record.kind !== 'ballot' || record.ballot.stage === 'state') return
    const { slot, epoch, ballot } = record
    if (ballot.stage === 'proposal') {
      const proposals = this.#proposals.get(slot) ?? new Map<NodeId, string>()
      this.#proposals.set(slot, proposals.set(node, `${epoch} ${ballot.batch}`))
      return
    }
    const votes = this.#votes.get(slot) ?? new Map<string, Set<NodeId>>()
    this.#votes.set(slot, votes)
    const kind = voteOf(epoch, ballot)
    votes.set(kind, (votes.get(kind) ?? new Set()).add(node))
  }

  /** The first replica has applied a slot. */
  decided(slot: SlotNumber, batch: string | undefined): void {
    const { epoch, voters } = this.#at(slot)
    const votes = this.#votes.get(slot) ?? new Map<string, Set<NodeId>>()
    const suffix = batch === undefined ? ' 0' : ` 1 ${batch}`
    const isDecided = [...votes].some(
      ([kind, nodes]) =>
        kind.startsWith(`${epoch}/`) &&
        kind.endsWith(suffix) &&
        voters.filter((voter) => nodes.has(voter)).length > tolerated(voters.length),
    )
    if (!isDecided && !this.#isSettled(slot, batch))
      fail('electorate', `slot ${slot} is ${batch} without the votes of enough of ${voters}`)
    this.#votes.delete(slot)
    this.#proposals.delete(slot)
  }

  /** Whether no quorum of the proposals leads to anything else. */
  #isSettled(slot: SlotNumber, batch: string | undefined): boolean {
    const { epoch, voters } = this.#at(slot)
    const said = voters.map((voter) => this.#proposals.get(slot)?.get(voter))
    if (said.some((proposal) => !proposal?.startsWith(`${epoch} `))) return false
    if (batch !== undefined) return said.every((proposal) => proposal === `${epoch} ${batch}`)
    const named = said.filter((proposal) => proposal !== `${epoch} undefined`)
    return named.every((one) => 2 * named.filter((other) => other === one).length <= voters.length)
  }

  #at(slot: SlotNumber): Reign {
    return this.#reigns.findLast((reign) => reign.slot < slot) ?? this.#reigns[0]!
  }
}

type Reign = {
  readonly epoch: number
  /** The last slot before it. */
  readonly slot: SlotNumber
  readonly voters: readonly NodeId[]
  readonly name: string
}

function voteOf(epoch: number, { phase, value, batch }: Ballot): string {
  return `${epoch}/${phase} ${value}${batch === undefined ? '' : ` ${batch}`}`
}

function describe({ epoch, voters }: Reign): string {
  return `epoch ${epoch} is ${voters}`
}
