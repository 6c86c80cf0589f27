/** The failure detector of this node, joined with its connections and with the time; tells the operator what it finds. */
import type { NodeId } from '../../base/ids.ts'
import type { Situation } from '../partition/directory.driver.ts'
import type { Report } from '../report.ts'
import { decodeHeartbeat, encodeHeartbeat } from '../wire/index.ts'
import {
  Detector,
  type DetectorEffect,
  type DetectorInput,
  type MemberHealth,
  type MemberState,
} from './detector.ts'
import { progressOf, standingsOf } from './standing.ts'

export class Liveness {
  readonly #detector: Detector
  readonly #options: LivenessOptions
  /** Who has said goodbye and has not come back. */
  readonly #leavers = new Set<NodeId>()
  #tickedMs = performance.now()

  constructor(options: LivenessOptions) {
    this.#detector = new Detector(options.self)
    this.#options = options
  }

  health(): readonly MemberHealth[] {
    return this.#detector.health()
  }

  /** Everything but ticks and heartbeats. */
  take(input: Exclude<DetectorInput, { readonly kind: 'tick' | 'heartbeat' }>): void {
    this.#step(input)
  }

  /** What is known now of the members, of whom `voters` vote. */
  situation(voters: readonly NodeId[]): Situation {
    const health = this.health()
    return { standings: standingsOf(health), progress: progressOf(health), voters }
  }

  /** Whether the member has said that it would stop, and has not come back. */
  isLeaving(member: NodeId): boolean {
    return this.#leavers.has(member)
  }

  /** A frame of the heartbeat channel; false when it is none. */
  receive(from: NodeId, payload: Uint8Array): boolean {
    const heartbeat = decodeHeartbeat(payload)
    if (heartbeat.ok) this.#step({ kind: 'heartbeat', from, heartbeat: heartbeat.value })
    return heartbeat.ok
  }

  /** To be called often and regularly: the detector takes the time of a call that comes late for a stall of this node. */
  tick(): void {
    const nowMs = performance.now()
    const elapsedMs = nowMs - this.#tickedMs
    this.#tickedMs = nowMs
    this.#step({ kind: 'tick', elapsedMs })
  }

  #step(input: DetectorInput): void {
    for (const effect of this.#detector.step(input)) {
      if (effect.kind === 'send') this.#options.send(effect.to, encodeHeartbeat(effect.heartbeat))
      else this.#tell(effect)
    }
  }

  #tell({ id, state, was, without, silentMs }: Extract<DetectorEffect, { kind: 'changed' }>): void {
    const { self, report } = this.#options
    if (id === self) {
      if (state === 'down') report('warn', CUT_OFF, { withoutContact: without })
      else if (was === 'down') report('info', 'this node is in contact with the others again', {})
      return
    }
    const member = { member: id, silentMs: Math.round(silentMs) }
    if (state === 'leaving') this.#leavers.add(id)
    if (state === 'up') this.#leavers.delete(id)
    if (this.#leavers.has(id)) this.#tellOfLeaver(id, state)
    else if (state === 'down') report('warn', DOWN, { ...member, withoutContact: without })
    else if (state === 'suspected')
      report('warn', SUSPECTED, { ...member, withoutContact: without })
    else report('info', 'a member is in contact again', { member: id })
  }

  #tellOfLeaver(member: NodeId, state: MemberState): void {
    const { report } = this.#options
    if (state === 'leaving') report('info', 'a member is about to stop', { member })
    else if (state === 'down') report('info', 'a member has stopped, as it had said', { member })
  }
}

export type LivenessOptions = {
  readonly self: NodeId
  /** Best effort. */
  readonly send: (to: readonly NodeId[], heartbeat: Uint8Array) => void
  readonly report: Report
}

const CUT_OFF = 'this node has no contact with so many voters that the others take it for down'
const DOWN =
  'a member is down: a majority of the voters has no contact with it, and others are to lead its partitions'
const SUSPECTED =
  'this node has no contact with a member, which is down once a majority of the voters has none'
