import type { NodeId } from '../../base/ids.ts'
import type { Membership } from '../control/index.ts'
import type { Admission, Hello } from '../wire/index.ts'
import { admission, type OwnView } from './admission.ts'
import type { IdentityFile } from './identity.disk.ts'
import { type Latest, ownEpoch } from './view.ts'
import { type Applicant, WaitingList } from './waiting.ts'

/** Who gets in: applies the rules of admission to what this node knows, and keeps its pins and its waiting list. */
export class Gate {
  readonly #options: GateOptions
  readonly #waiting = new WaitingList()
  #latest: Latest | undefined

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Whether the disk of this node was there when the cluster was formed. */
  get isFounder(): boolean {
    return this.#options.identity.identity?.roster !== undefined
  }

  /** 0 unless this node knows itself to be a member. */
  get ownEpoch(): number {
    const { self, incarnation, members } = this.#options
    return ownEpoch(members, { self, incarnation, isFounder: this.isFounder })
  }

  /**
   * Who knows later members than this node, and is none of those that this node knows: as long as it is not told by one of
   * them, the two do not talk to each other.
   */
  get latest(): Latest | undefined {
    const { ownEpoch } = this
    return ownEpoch > 0 && (this.#latest?.epoch ?? 0) > ownEpoch ? this.#latest : undefined
  }

  /** What this node says of itself. */
  hello(): Hello {
    const { cluster, self: node, address, identity, incarnation, contacts } = this.#options
    const roster = identity.identity?.roster
    const isJoining = contacts.size > 0 && !identity.hasJoined
    return { cluster, roster, node, incarnation, address, epoch: this.ownEpoch, isJoining }
  }

  /** Whether the node that says `hello` at `tick` is to be admitted. */
  async admit(hello: Hello, tick: number): Promise<Admission> {
    const first = admission(hello, this.#view())
    if (first.admit && first.pin !== undefined) {
      // A disk that fails here ends the node; one that is full lets nobody in yet.
      await this.#options.identity.pin(hello.node, first.pin).catch(() => false)
    }
    const verdict = admission(hello, this.#view())
    if (verdict.admit) {
      return verdict.pin === undefined ? verdict : { admit: false, reason: 'not-a-member' }
    }
    const { node: id, incarnation, address, epoch } = hello
    const isUnknown = verdict.reason === 'not-a-member' || verdict.reason === 'other-incarnation'
    if (isUnknown && epoch >= (this.#latest?.epoch ?? 0)) this.#latest = { node: id, epoch }
    if (verdict.waits) this.#waiting.note({ id, incarnation, address }, tick)
    return { admit: false, reason: verdict.reason }
  }

  /** Who asks to join. Members of the same incarnation do as well, until they have heard that they were added. */
  applicants(tick: number): readonly Applicant[] {
    const { members } = this.#options
    return this.#waiting
      .list(tick)
      .filter(({ id, incarnation }) => members.find(id)?.incarnation !== incarnation)
  }

  #view(): OwnView {
    const { cluster, self, members, identity } = this.#options
    const { pins } = identity
    const contacts = this.ownEpoch > 0 ? NOBODY : this.#options.contacts
    const roster = identity.identity?.roster
    return { self, cluster, roster, committed: members, pins, contacts }
  }
}

export type GateOptions = {
  readonly cluster: string
  readonly self: NodeId
  readonly address: string
  readonly incarnation: string
  readonly identity: IdentityFile
  /** As this node has applied them: it changes. */
  readonly members: Membership
  /** Whom it was told to ask, if it was told to join. */
  readonly contacts: ReadonlySet<NodeId>
}

const NOBODY: ReadonlySet<NodeId> = new Set()
