/** With whom a node exchanges messages: the shipped admission over what the node has applied, with its pins on the machine's disk. */
import { text, utf8 } from '../../src/base/bytes.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { MembershipSnapshot } from '../../src/cluster/control/index.ts'
import {
  type Applicant,
  admission,
  isFinal,
  ownEpoch,
  WaitingList,
} from '../../src/cluster/membership/index.ts'
import type { Hello, RefusalReason } from '../../src/cluster/wire/index.ts'
import type { HostedFile } from './hosted-file.ts'

export class Fence {
  /** Frames of nodes that are not admitted. */
  refusals = 0
  readonly #options: FenceOptions
  readonly #waiting = new WaitingList()
  #kept: Kept
  #isSaving = false
  #onSaved = (): void => {}

  /** Reads what `options.file` keeps. */
  constructor(options: FenceOptions) {
    this.#options = options
    this.#kept = read(options.file)
  }

  /** The incarnations it holds others to that are not bound. */
  get pins(): ReadonlyMap<NodeId, string> {
    return new Map(this.#kept.pins)
  }

  /** It has been a member, and knows that it is none any more. */
  get isRemoved(): boolean {
    return this.#kept.hasJoined && this.#ownEpoch === 0 && this.#committed.epoch > 0
  }

  /** What this node says when it connects. */
  hello(): Hello {
    const { self: node, incarnation, roster, contacts } = this.#options
    const epoch = this.#ownEpoch
    const isJoining = contacts.size > 0 && epoch === 0 && !this.#kept.hasJoined
    if (epoch > 0 && !this.#kept.hasJoined) this.#save({ ...this.#kept, hasJoined: true })
    return { cluster: 'sim', roster, node, incarnation, address: node, epoch, isJoining }
  }

  /** What it has promised is not on its disk. */
  get isCondemned(): boolean {
    return this.#kept.isCondemned === true
  }

  /** Keeps that, if there is room for it; then calls `then`. */
  condemn(then: () => void): void {
    if (this.#isSaving) this.#onSaved = () => this.condemn(then)
    else {
      this.#onSaved = then
      this.#save({ ...this.#kept, isCondemned: true })
    }
  }

  /** Whom this node connects to. */
  dials(node: NodeId): boolean {
    return this.#contacts.has(node) || this.#committed.members.some(({ id }) => id === node)
  }

  /** Whether the node is let in now; a refusal if it is not, and undefined when it will be a little later. */
  admit(hello: Hello): true | RefusalReason | undefined {
    const { self, roster, ticks } = this.#options
    const { pins } = this
    const own = { self, cluster: 'sim', roster, committed: this.#committed, pins }
    const verdict = admission(hello, { ...own, contacts: this.#contacts })
    if (verdict.admit) {
      if (verdict.pin === undefined) return true
      this.#save({ ...this.#kept, pins: [...this.#kept.pins, [hello.node, verdict.pin]] })
      return undefined
    }
    const { node: id, incarnation, address } = hello
    if (verdict.waits) this.#waiting.note({ id, incarnation, address }, ticks())
    this.refusals++
    return verdict.reason
  }

  /** The node of this name that asks to be a member, if one does. */
  applicant(node: NodeId): Applicant | undefined {
    return this.#waiting.list(this.#options.ticks()).find(({ id }) => id === node)
  }

  /** Whether this node has to stop because a peer does not let it in. */
  isOver(reason: RefusalReason, peerEpoch: number): boolean {
    return isFinal(reason, peerEpoch, this.#ownEpoch)
  }

  get #ownEpoch(): number {
    const { self, incarnation, roster } = this.#options
    return ownEpoch(this.#committed, { self, incarnation, isFounder: roster !== undefined })
  }

  get #contacts(): ReadonlySet<NodeId> {
    return this.#ownEpoch > 0 ? NOBODY : this.#options.contacts
  }

  get #committed(): MembershipSnapshot {
    return this.#options.committed()
  }

  /** Counts once it is durable. What is refused meanwhile is asked for again. */
  #save(kept: Kept): void {
    if (this.#isSaving) return
    this.#isSaving = true
    this.#options.file.replace(utf8(JSON.stringify(kept)), {
      ended: (outcome) => {
        if (outcome === 'broken') return this.#options.stop()
        this.#isSaving = false
        if (outcome === 'done') this.#kept = kept
        this.#onSaved()
      },
    })
  }
}

/** The incarnations that a node's disk holds others to. */
export function pinsOf(file: HostedFile): ReadonlyMap<NodeId, string> {
  return new Map(read(file).pins)
}

function read(file: HostedFile): Kept {
  const saved = file.read()
  return saved ? (JSON.parse(text(saved)) as Kept) : { pins: [], hasJoined: false }
}

/** What a node does not forget: whom it has met, and that it was a member. */
type Kept = {
  readonly pins: readonly (readonly [node: NodeId, incarnation: string])[]
  readonly hasJoined: boolean
  readonly isCondemned?: boolean
}

const NOBODY: ReadonlySet<NodeId> = new Set()

export type FenceOptions = {
  readonly self: NodeId
  readonly incarnation: string
  /** Of the roster that the node forms a cluster with; undefined when it joins one. */
  readonly roster: string | undefined
  /** Whom a node asks that has yet to join; nobody for others. */
  readonly contacts: ReadonlySet<NodeId>
  readonly committed: () => MembershipSnapshot
  readonly file: HostedFile
  readonly ticks: () => number
  /** The disk has failed. */
  readonly stop: () => void
}
