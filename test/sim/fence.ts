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
  readonly #pins: Map<NodeId, string>
  #isPinning = false

  /** Reads the pins; `options.file` is where they are kept. */
  constructor(options: FenceOptions) {
    this.#options = options
    this.#pins = pinsOf(options.file)
  }

  /** The incarnations it holds others to that are not bound. */
  get pins(): ReadonlyMap<NodeId, string> {
    return this.#pins
  }

  /** What this node says when it connects. */
  hello(): Hello {
    const { self, incarnation, roster } = this.#options
    const epoch = this.#ownEpoch
    return { cluster: 'sim', roster, node: self, incarnation, address: self, epoch }
  }

  /** Whom this node connects to. */
  dials(node: NodeId): boolean {
    return this.#contacts.has(node) || this.#committed.members.some(({ id }) => id === node)
  }

  /** Whether the node is let in now; a refusal if it is not, and undefined when it will be a little later. */
  admit(hello: Hello): true | RefusalReason | undefined {
    const { self, roster, ticks } = this.#options
    const own = {
      self,
      cluster: 'sim',
      roster,
      committed: this.#committed,
      pins: this.#pins,
      contacts: this.#contacts,
    }
    const verdict = admission(hello, own)
    if (verdict.admit) {
      if (verdict.pin === undefined) return true
      this.#pin(hello.node, verdict.pin)
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

  /** Whom it asks, as long as it has not applied that it is a member. */
  get #contacts(): ReadonlySet<NodeId> {
    const { roster, contacts } = this.#options
    return roster === undefined && this.#ownEpoch === 0 ? contacts : NOBODY
  }

  get #ownEpoch(): number {
    const { self, incarnation, roster } = this.#options
    return ownEpoch(this.#committed, { self, incarnation, isFounder: roster !== undefined })
  }

  get #committed(): MembershipSnapshot {
    return this.#options.committed()
  }

  #pin(node: NodeId, incarnation: string): void {
    if (this.#isPinning) return
    this.#isPinning = true
    this.#options.file.replace(utf8(JSON.stringify([...this.#pins, [node, incarnation]])), {
      ended: (outcome) => {
        if (outcome === 'broken') this.#options.stop()
        this.#isPinning = false
        if (outcome === 'done') this.#pins.set(node, incarnation)
      },
    })
  }
}

const NOBODY: ReadonlySet<NodeId> = new Set()

/** The incarnations that a node's disk holds others to. */
export function pinsOf(file: HostedFile): Map<NodeId, string> {
  const saved = file.read()
  return new Map(saved ? (JSON.parse(text(saved)) as [NodeId, string][]) : [])
}

export type FenceOptions = {
  readonly self: NodeId
  readonly incarnation: string
  /** Of the roster that the node forms a cluster with; undefined when it joins one. */
  readonly roster: string | undefined
  readonly contacts: ReadonlySet<NodeId>
  readonly committed: () => MembershipSnapshot
  readonly file: HostedFile
  readonly ticks: () => number
  /** The disk has failed. */
  readonly stop: () => void
}
