/**
 * Who belongs to the cluster, as a value: what each change of it comes to. Pure and deterministic.
 *
 * 1. One change at a time: each is made for one epoch and refused in another, and every change begins the next epoch.
 * 2. A node joins as a learner, without a vote, and becomes a voter later.
 * 3. An incarnation is bound to its name for as long as the node is a member. A node that lost its disk is another one.
 */
import type { NodeId } from '../../base/ids.ts'
import { type Electorate, electorate } from '../rabia/index.ts'

/** A node of the cluster. A founder's `incarnation` is not known until it is bound. `address` is where peers reach it. */
export type Member = {
  readonly id: NodeId
  readonly incarnation: string | undefined
  readonly address: string
  readonly role: 'voter' | 'learner'
}

/**
 * - `add`: a node joins as a learner.
 * - `promote`: a learner votes from the next slot on.
 * - `remove`: a node is no member any more.
 * - `bind`: the founder's disk is this one. The first counts; it needs no epoch, for all founders bind at once.
 * - `move`: a node is reached at another address. It says so itself, hence no epoch.
 */
export type MembershipChange =
  | {
      readonly kind: 'add'
      readonly epoch: number
      readonly node: NodeId
      readonly incarnation: string
      readonly address: string
    }
  | { readonly kind: 'promote'; readonly epoch: number; readonly node: NodeId }
  | { readonly kind: 'remove'; readonly epoch: number; readonly node: NodeId }
  | { readonly kind: 'bind'; readonly node: NodeId; readonly incarnation: string }
  | {
      readonly kind: 'move'
      readonly node: NodeId
      readonly incarnation: string
      readonly address: string
    }

/** Why a change did not take place. Part of the digest of a slot: the same words in all versions. */
export type MembershipRefusal =
  | 'other-epoch'
  | 'already-member'
  | 'not-a-member'
  | 'not-a-learner'
  | 'too-many-voters'
  | 'last-voter'
  | 'other-incarnation'

/** What `restore` takes back; plain JSON. */
export type MembershipSnapshot = { readonly epoch: number; readonly members: readonly Member[] }

/** More make agreement slower and not noticeably safer; further nodes learn. */
export const VOTERS_MAX = 5

export class Membership {
  #epoch: number
  /** Ascending by id. */
  #members: readonly Member[]
  #electorate: Electorate

  /** The roster of a new cluster, at epoch 1; empty and at epoch 0 until it is restored. */
  constructor(roster: readonly Member[] = []) {
    this.#epoch = roster.length > 0 ? 1 : 0
    this.#members = [...roster].sort((a, b) => (a.id < b.id ? -1 : 1))
    this.#electorate = this.#voters()
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Ascending by id. */
  get members(): readonly Member[] {
    return this.#members
  }

  /** Who votes; the same object until the epoch changes. */
  get electorate(): Electorate {
    return this.#electorate
  }

  find(id: NodeId): Member | undefined {
    return this.#members.find((member) => member.id === id)
  }

  /** Carries the change out, or says why not and changes nothing. */
  apply(change: MembershipChange): MembershipRefusal | undefined {
    if ('epoch' in change && change.epoch !== this.#epoch) return 'other-epoch'
    const member = this.find(change.node)
    if (change.kind === 'add') {
      if (member) return 'already-member'
      const { node: id, incarnation, address } = change
      return this.#change([...this.#members, { id, incarnation, address, role: 'learner' }])
    }
    if (!member) return 'not-a-member'
    const others = this.#members.filter(({ id }) => id !== member.id)
    switch (change.kind) {
      case 'promote':
        if (member.role === 'voter') return 'not-a-learner'
        if (this.#electorate.members.length >= VOTERS_MAX) return 'too-many-voters'
        return this.#change([...others, { ...member, role: 'voter' }])
      case 'remove':
        if (!others.some(({ role }) => role === 'voter')) return 'last-voter'
        return this.#change(others)
      case 'bind':
        if (member.incarnation === change.incarnation) return undefined
        if (member.incarnation !== undefined) return 'other-incarnation'
        return this.#change([...others, { ...member, incarnation: change.incarnation }])
      case 'move':
        if (member.incarnation !== change.incarnation) return 'other-incarnation'
        if (member.address === change.address) return undefined
        return this.#change([...others, { ...member, address: change.address }])
    }
  }

  snapshot(): MembershipSnapshot {
    return { epoch: this.#epoch, members: this.#members }
  }

  restore({ epoch, members }: MembershipSnapshot): void {
    this.#epoch = epoch
    this.#members = members
    this.#electorate = this.#voters()
  }

  #change(members: readonly Member[]): undefined {
    this.restore({
      epoch: this.#epoch + 1,
      members: [...members].sort((a, b) => (a.id < b.id ? -1 : 1)),
    })
  }

  #voters(): Electorate {
    const voters = this.#members.filter(({ role }) => role === 'voter')
    return electorate(
      this.#epoch,
      voters.map(({ id }) => id),
    )
  }
}
