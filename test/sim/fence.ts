/**
 * With whom a node exchanges messages, as its transport decides it: members, each as the incarnation that is bound to its name or,
 * while none is, as the one that this node has met first and keeps on its disk.
 */
import { text, utf8 } from '../../src/base/bytes.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { Membership } from '../../src/cluster/control/members.ts'
import type { HostedFile } from './hosted-file.ts'

/** What a node says of itself when it connects. */
export type Hello = { readonly node: NodeId; readonly incarnation: string; readonly epoch: number }

/** `wait` ends by itself. */
export type Admission = 'admitted' | 'wait' | Refusal
export type Refusal = 'not-a-member' | 'removed' | 'other-incarnation'

export class Fence {
  /** Incarnations of nodes that asked and are not members. */
  readonly waiting = new Map<NodeId, string>()
  readonly #membership: Membership
  readonly #contacts: readonly NodeId[]
  readonly #file: HostedFile
  readonly #pins: Map<NodeId, string>
  #isSaving = false

  /** `membership` is the node's own; until it has one it talks with `contacts`. `file` is where it keeps what it has met. */
  constructor(membership: Membership, contacts: readonly NodeId[], file: HostedFile) {
    this.#membership = membership
    this.#contacts = contacts
    this.#file = file
    const saved = file.read()
    this.#pins = new Map(saved ? (JSON.parse(text(saved)) as [NodeId, string][]) : [])
  }

  admit({ node, incarnation, epoch }: Hello): Admission {
    if (this.#membership.epoch === 0)
      return this.#contacts.includes(node) ? 'admitted' : 'not-a-member'
    const member = this.#membership.find(node)
    if (member === undefined) {
      this.waiting.set(node, incarnation)
      return epoch > 0 ? 'removed' : 'not-a-member'
    }
    const known = member.incarnation ?? this.#pins.get(node)
    if (known === incarnation) return 'admitted'
    if (known === undefined) {
      this.#pin(node, incarnation)
      return 'wait'
    }
    this.waiting.set(node, incarnation)
    return 'other-incarnation'
  }

  #pin(node: NodeId, incarnation: string): void {
    if (this.#isSaving) return
    this.#isSaving = true
    const pins = [...this.#pins, [node, incarnation]] as const
    this.#file.replace(utf8(JSON.stringify(pins)), {
      ended: (outcome) => {
        this.#isSaving = outcome === 'broken'
        if (outcome === 'done') this.#pins.set(node, incarnation)
      },
    })
  }
}
