import type { Ballot, SlotNumber } from './ballot.ts'
import type { Batch } from './batch.ts'

/** What nodes tell each other. Any message may be lost, delayed, repeated and reordered. */
export type Message =
  | Ballots
  | Decided
  /** A batch to queue. */
  | { readonly kind: 'forward'; readonly batch: Batch }
  /** The sender has applied everything before `slot` and asks for more. */
  | { readonly kind: 'fetch'; readonly slot: SlotNumber }
  /** The decisions that a `fetch` asked for are no longer kept; those from `floor` are. */
  | { readonly kind: 'trimmed'; readonly floor: SlotNumber }
  /** Asks for the highest slot the other node takes part in, and its answer (R14). */
  | { readonly kind: 'mark-query'; readonly round: string }
  | { readonly kind: 'mark'; readonly round: string; readonly slot: SlotNumber }

/**
 * The sender's ballots of one slot: one when it is new, all of them when it `repeats` (R4). `batch` is the body of the
 * proposal among them.
 */
export type Ballots = {
  readonly kind: 'ballots'
  readonly epoch: number
  readonly slot: SlotNumber
  readonly ballots: readonly Ballot[]
  readonly batch: Batch | undefined
  readonly repeats: boolean
}

/**
 * Consecutive decisions from slot `first` (R5): each a batch, or null for a forfeited slot. The sender has decided all
 * slots up to and without `end`.
 */
export type Decided = {
  readonly kind: 'decided'
  readonly first: SlotNumber
  readonly decisions: readonly (Batch | null)[]
  readonly end: SlotNumber
}
