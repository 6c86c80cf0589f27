import type { SlotNumber } from './ballot.ts'
import type { Electorate } from './electorate.ts'

/** What the log is about. Deterministic: equal commands in equal order give equal results and states on every node. */
export interface StateMachine {
  /** Carries out the next command of the log, or says that this program cannot know what it means. */
  apply(command: string, slot: SlotNumber): Applied
  /** Who votes in the slot after the last applied one. Nobody before the machine has its first state. */
  electorate(): Electorate
  /** The whole state; the same text on all nodes that applied the same. */
  snapshot(): string
  /** Replaces the state by one that `snapshot` gave here or elsewhere. */
  restore(snapshot: string): void
}

export type Applied =
  | { readonly kind: 'applied'; readonly result: string }
  | { readonly kind: 'stalled'; readonly reason: string }
