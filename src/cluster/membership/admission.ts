/**
 * With whom a node exchanges frames. A name is worth nothing: what counts is the incarnation, which names the disk that
 * holds a member's promises.
 *
 * 1. A bound member is admitted with the incarnation that the log has bound it to, and no other.
 * 2. A founder that is not bound yet must declare the same roster, and is held to the first incarnation it was met with.
 * 3. Whoever joins and has never been a member waits to be added; whoever was one and is none any more hears so.
 */
import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import type { Admission, Hello, RefusalReason } from '../wire/index.ts'

/** What this node makes of a peer that has proved to know the secret. */
export function admission(hello: Hello, own: OwnView): Verdict {
  if (hello.cluster !== own.cluster) return refused('foreign-cluster')
  if (hello.node === own.self) return refused('other-incarnation')
  // A node that is no member yet takes what it asked for from those it was told to ask.
  if (own.contacts.has(hello.node)) return { admit: true }
  if (own.committed.epoch === 0) return refused('not-a-member')
  const isForeign = hello.roster !== undefined && own.roster !== undefined
  const member = own.committed.members.find(({ id }) => id === hello.node)
  if (member?.incarnation !== undefined) {
    return member.incarnation === hello.incarnation
      ? { admit: true }
      : refused('other-incarnation', hello.isJoining)
  }
  if (isForeign && hello.roster !== own.roster) return refused('foreign-roster')
  if (member === undefined) {
    if (hello.epoch === 0) return refused('not-a-member', hello.isJoining)
    return refused(hello.epoch <= own.committed.epoch ? 'removed' : 'not-a-member')
  }
  // It has begun by joining: it has no part in the genesis, and could never be bound.
  if (hello.roster === undefined) return refused('other-incarnation', hello.isJoining)
  const pinned = own.pins.get(hello.node)
  if (pinned === undefined) return { admit: true, pin: hello.incarnation }
  return pinned === hello.incarnation ? { admit: true } : refused('other-incarnation')
}

/**
 * Whether a refusal by a peer at `peerEpoch` means that this node can never take part again as it is. A peer that has
 * applied less than this node may be wrong about it; one that knows itself to be no member, at `epoch` 0 (`ownEpoch`), has
 * nothing to lose by waiting.
 */
export function isFinal(
  reason: RefusalReason,
  peerEpoch: number,
  epoch: number,
): reason is 'other-incarnation' | 'removed' {
  if (epoch === 0 || peerEpoch < epoch) return false
  return reason === 'other-incarnation' || reason === 'removed'
}

export type OwnView = {
  readonly self: NodeId
  readonly cluster: string
  /** Of the roster that this node has formed a cluster with; undefined when it has joined one. */
  readonly roster: string | undefined
  /** At epoch 0 the node waits to be added and knows no member. */
  readonly committed: MembershipSnapshot
  /** Incarnations of founders that are not bound, as they were first met. */
  readonly pins: ReadonlyMap<NodeId, string>
  /** Whom a node asks that is no member yet; empty for all others. */
  readonly contacts: ReadonlySet<NodeId>
}

/** `pin` must be durable before the peer is admitted; `waits` is somebody to be remembered for `add`. */
export type Verdict =
  | { readonly admit: true; readonly pin?: string }
  | (Extract<Admission, { readonly admit: false }> & { readonly waits: boolean })

function refused(reason: RefusalReason, waits = false): Verdict {
  return { admit: false, reason, waits }
}
