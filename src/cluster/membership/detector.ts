/**
 * Who is down. Sans-IO: `step(input) → effects`; time passes by ticks only, and only a tick changes an opinion.
 *
 * 1. Every node tells the others whom it hears. Two nodes are in *contact* when each hears the other: a link that loses one
 *    direction is of no use.
 * 2. A member is *down* when a majority of the voters has no contact with it. Voters that this node does not hear have no say. So a
 *    cut between two nodes that others reach is no failure of either, and whoever is cut off finds nobody down but itself.
 * 3. A tick that comes late is no silence of the others: of the time between two ticks at most `STRIDE_MAX_MS` counts.
 * 4. A member is *steady* when a majority of the voters, and this node, has not seen it down for a while, which doubles with each
 *    time it was. A majority, since who was cut off or has just started has not seen what happened.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Progress } from '../partition/index.ts'
import { quorum } from '../rabia/index.ts'
import type { Heartbeat, Vitals } from '../wire/index.ts'
import { Hearing } from './hearing.ts'

export class Detector {
  readonly #self: NodeId
  /** This node itself is among them. */
  readonly #members = new Map<NodeId, Watched>()
  #voters: readonly NodeId[] = []
  #isLeaving = false
  #progress: Progress = { tableVersion: 0, behind: '' }
  #vitals: Vitals | undefined
  #nowMs = 0
  #said = ''
  /** Since this node has told the others anything; all of it, stalls included. */
  #mutedMs = Number.POSITIVE_INFINITY

  constructor(self: NodeId) {
    this.#self = self
  }

  step(input: DetectorInput): readonly DetectorEffect[] {
    switch (input.kind) {
      case 'members':
        this.#setMembers(input.members, input.voters)
        return []
      case 'heard':
        this.#members.get(input.from)?.hearing.heard(this.#nowMs)
        return []
      case 'heartbeat':
        this.#hear(input.from, input.heartbeat)
        return []
      case 'refused':
        this.#members.get(input.peer)?.hearing.refused()
        return []
      case 'relieved': {
        const member = this.#members.get(input.member)
        if (member !== undefined) this.#fall(input.member, member)
        return []
      }
      case 'connected':
        if (!this.#members.has(input.peer)) return []
        return [{ kind: 'send', to: [input.peer], heartbeat: this.#heartbeat() }]
      case 'leave':
        this.#isLeaving = true
        return []
      case 'stay':
        this.#isLeaving = false
        return []
      case 'progress':
        this.#progress = input.progress
        return []
      case 'vitals':
        this.#vitals = input.vitals
        return []
      case 'tick':
        this.#nowMs += Math.min(input.elapsedMs, STRIDE_MAX_MS)
        this.#mutedMs += input.elapsedMs
        return [...this.#tell(), ...this.#review()]
    }
  }

  /** All members as this node sees them, itself included; ascending by id. */
  health(): readonly MemberHealth[] {
    const all = [...this.#members].map(([id, { hearing, state, said }]) => ({
      id,
      progress: id === this.#self ? this.#progress : said?.progress,
      vitals: id === this.#self ? this.#vitals : said?.vitals,
      state,
      isSteady: state === 'up' && this.#isSteady(id),
      silentMs: id === this.#self ? 0 : hearing.silentMs(this.#nowMs),
    }))
    return all.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #setMembers(members: readonly NodeId[], voters: readonly NodeId[]): void {
    this.#voters = voters
    for (const id of this.#members.keys()) if (!members.includes(id)) this.#members.delete(id)
    for (const id of members) {
      if (this.#members.has(id)) continue
      this.#members.set(id, {
        hearing: new Hearing(this.#nowMs),
        said: undefined,
        state: 'up',
        sinceMs: this.#nowMs,
        steadyMs: STEADY_MS,
      })
    }
  }

  #hear(from: NodeId, { hears, steady, ...rest }: Heartbeat): void {
    const member = this.#members.get(from)
    if (member === undefined) return
    member.hearing.heard(this.#nowMs)
    member.said = { hears: new Set(hears), steady: new Set(steady), ...rest }
  }

  /** Regularly, and at once when there is something new to say or this node has stalled: the next stall may be near. */
  #tell(): readonly DetectorEffect[] {
    const peers = [...this.#members.keys()].filter((id) => id !== this.#self)
    const heartbeat = this.#heartbeat()
    const word = JSON.stringify(heartbeat)
    const isDue = this.#mutedMs >= HEARTBEAT_MS
    if (peers.length === 0 || (!isDue && word === this.#said)) return []
    this.#said = word
    this.#mutedMs = 0
    return [{ kind: 'send', to: peers, heartbeat }]
  }

  #heartbeat(): Heartbeat {
    const steady = [...this.#members.keys()].filter((id) => this.#holdsSteady(id))
    return {
      hears: this.#heard(),
      steady,
      isLeaving: this.#isLeaving,
      progress: this.#progress,
      vitals: this.#vitals,
    }
  }

  #heard(): readonly NodeId[] {
    return [...this.#members.keys()].filter((id) => id !== this.#self && this.#isHeard(id))
  }

  #isHeard(id: NodeId): boolean {
    return this.#members.get(id)?.hearing.isHeard(this.#nowMs) ?? false
  }

  #review(): readonly DetectorEffect[] {
    const effects: DetectorEffect[] = []
    for (const [id, member] of this.#members) {
      const without = this.#voters.filter((voter) => this.#hasContact(voter, id) === false)
      const state = this.#stateOf(id, without.length)
      if (state !== member.state) {
        const silentMs = id === this.#self ? 0 : member.hearing.silentMs(this.#nowMs)
        effects.push({ kind: 'changed', id, state, was: member.state, without, silentMs })
        if (state === 'down') this.#fall(id, member)
        member.state = state
      }
    }
    for (const member of this.#members.values()) {
      const isUnsteady = member.state === 'down' || member.state === 'leaving'
      if (isUnsteady) member.sinceMs = this.#nowMs
      else if (this.#nowMs - member.sinceMs >= CALM_MS) member.steadyMs = STEADY_MS
    }
    return effects
  }

  /** Nobody falls twice at once, nor at all who has said goodbye. */
  #fall(id: NodeId, member: Watched): void {
    const isNew = this.#nowMs - member.sinceMs >= FALL_MS
    if (isNew && !this.#saysGoodbye(id))
      member.steadyMs = Math.min(2 * member.steadyMs, STEADY_MAX_MS)
    member.sinceMs = this.#nowMs
  }

  #stateOf(id: NodeId, withoutContact: number): MemberState {
    if (this.#voters.length > 0 && withoutContact >= quorum(this.#voters.length)) return 'down'
    if (this.#hasContact(this.#self, id) === false) return 'suspected'
    return this.#saysGoodbye(id) ? 'leaving' : 'up'
  }

  #saysGoodbye(id: NodeId): boolean {
    if (id === this.#self) return this.#isLeaving
    return this.#members.get(id)?.said?.isLeaving ?? false
  }

  /** Whether a voter and a member hear each other, as far as this node knows; undefined when the voter has no say. */
  #hasContact(voter: NodeId, id: NodeId): boolean | undefined {
    if (voter === id) return true
    const there = this.#hears(voter, id)
    const back = this.#hears(id, voter)
    const isKnown = there !== undefined || id === this.#self
    return isKnown ? there !== false && back !== false : undefined
  }

  /** Undefined when `a` has not said it of late. */
  #hears(a: NodeId, b: NodeId): boolean | undefined {
    if (a === this.#self) return this.#isHeard(b)
    return this.#isHeard(a) ? this.#members.get(a)?.said?.hears.has(b) : undefined
  }

  #isSteady(id: NodeId): boolean {
    const holding = this.#voters.filter((voter) =>
      voter === this.#self
        ? this.#holdsSteady(id)
        : this.#isHeard(voter) && this.#members.get(voter)?.said?.steady.has(id),
    )
    // What the others have said may be a moment old.
    return this.#holdsSteady(id) && holding.length >= quorum(this.#voters.length)
  }

  /** What this node itself has seen. */
  #holdsSteady(id: NodeId): boolean {
    const { sinceMs = 0, steadyMs = 0 } = this.#members.get(id) ?? {}
    return this.#nowMs - sinceMs >= steadyMs
  }
}

/**
 * - `members`: who belongs to the cluster now, and who of them votes. New ones count as heard at first.
 * - `heard`: a frame of a member has arrived, whatever it says.
 * - `heartbeat`: one of those, with what it says.
 * - `refused`: the machine of `peer` has answered that nobody listens on its port.
 * - `relieved`: its roles were given to others, because those found it down or leaving: this node takes it for true.
 * - `connected`: what this node sends reaches `peer` from now on.
 * - `leave`: this node is about to stop: from now on it says so.
 * - `stay`: it is not, after all.
 * - `progress`: of the replicas of this node.
 * - `tick`: so much time has passed since the tick before.
 */
export type DetectorInput =
  | {
      readonly kind: 'members'
      readonly members: readonly NodeId[]
      readonly voters: readonly NodeId[]
    }
  | { readonly kind: 'heard'; readonly from: NodeId }
  | { readonly kind: 'heartbeat'; readonly from: NodeId; readonly heartbeat: Heartbeat }
  | { readonly kind: 'refused'; readonly peer: NodeId }
  | { readonly kind: 'relieved'; readonly member: NodeId }
  | { readonly kind: 'connected'; readonly peer: NodeId }
  | { readonly kind: 'leave' }
  | { readonly kind: 'stay' }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'vitals'; readonly vitals: Vitals }
  | { readonly kind: 'tick'; readonly elapsedMs: number }

/**
 * - `send`: to each of `to`, best effort.
 * - `changed`: this node sees a member in another state; `without` are the voters that have no contact with it.
 */
export type DetectorEffect =
  | { readonly kind: 'send'; readonly to: readonly NodeId[]; readonly heartbeat: Heartbeat }
  | {
      readonly kind: 'changed'
      readonly id: NodeId
      readonly state: MemberState
      readonly was: MemberState
      readonly without: readonly NodeId[]
      readonly silentMs: number
    }

/**
 * - `up`: this node is in contact with it.
 * - `suspected`: this node is not, but too many others are for it to be down.
 * - `leaving`: it has said that it is about to stop.
 * - `down`: a majority of the voters has no contact with it.
 */
export type MemberState = 'up' | 'suspected' | 'leaving' | 'down'

export type MemberHealth = {
  readonly id: NodeId
  readonly state: MemberState
  /** Up, and has been for long enough to be entrusted with something. */
  readonly isSteady: boolean
  /** Since it was last heard; 0 of this node itself. */
  readonly silentMs: number
  /** As it last said; undefined when it has said nothing yet. */
  readonly progress: Progress | undefined
  /** As it last said, perhaps long ago; undefined when it has said nothing yet. */
  readonly vitals: Vitals | undefined
}

type Watched = {
  readonly hearing: Hearing
  /** In its last heartbeat. */
  said:
    | {
        readonly hears: ReadonlySet<NodeId>
        readonly steady: ReadonlySet<NodeId>
        readonly isLeaving: boolean
        readonly progress: Progress
        readonly vitals: Vitals | undefined
      }
    | undefined
  state: MemberState
  /** Neither down nor leaving for all the time since then. */
  sinceMs: number
  steadyMs: number
}

/** Many of them fit into the patience with a silent peer, and they cost nothing. */
const HEARTBEAT_MS = 200

/** Several of the owner's ticks: less would be slow on a busy machine, more would count a stall of this node. */
const STRIDE_MAX_MS = 100

/** What a start takes before a node is of use; twice this after the first fall. */
const STEADY_MS = 3_000

/** To be down again within this is still the same fall: not all have noticed yet that it was over. */
const FALL_MS = 1_000

/** A node that keeps falling gets its roles back once a minute at most. */
const STEADY_MAX_MS = 60_000

/** After this long the falls are forgotten. */
const CALM_MS = 300_000
