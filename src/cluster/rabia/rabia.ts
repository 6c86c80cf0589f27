import { AssertionError } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Phase, SlotNumber } from './ballot.ts'
import type { Effect, Input } from './effect.ts'
import type { StateMachine } from './machine.ts'

/** A node's replica of the log. Sans-IO: synchronous, no clock, no randomness; equal inputs give equal effects. */
export class Rabia {
  readonly #options: RabiaOptions

  constructor(options: RabiaOptions) {
    this.#options = options
  }

  /** Takes one input and returns what is to be done for it, in order. */
  step(input: Input): readonly Effect[] {
    throw new AssertionError(`${this.#options.self}: ${input.kind} is not built yet`)
  }

  /** What an operator and the checkers look at. */
  status(): RabiaStatus {
    throw new AssertionError(`${this.#options.self}: status is not built yet`)
  }
}

export type RabiaOptions = {
  readonly self: NodeId
  /** Part of the coin: clusters flip different ones. */
  readonly cluster: string
  /** Never the same for two starts of this node. */
  readonly boot: string
  /** As it was before slot 1. It belongs to this replica from now on. */
  readonly machine: StateMachine
  readonly limits?: Partial<RabiaLimits>
}

export type RabiaLimits = {
  /** Requests accepted from local clients and not yet answered; more are answered `busy`. */
  readonly requests: number
  /** The same in UTF-16 units of their commands. */
  readonly requestUnits: number
  /** Requests in one batch, and their size. */
  readonly batchRequests: number
  readonly batchUnits: number
  /** Client sessions remembered. */
  readonly sessions: number
  /** Applied decisions kept for laggards. */
  readonly decisions: number
}

export type RabiaStatus = {
  /** The slot being decided; everything before it is applied. */
  readonly slot: SlotNumber
  readonly phase: Phase
  readonly epoch: number
  readonly digest: string
  /** Batches waiting for a slot, requests waiting for an answer, reads waiting, sessions and decisions kept. */
  readonly queued: number
  readonly waiting: number
  readonly reads: number
  readonly sessions: number
  readonly kept: number
}
