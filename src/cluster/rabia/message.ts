import type { Ballot, SlotNumber } from './ballot.ts'
import type { Batch } from './batch.ts'

/** What nodes tell each other. Any message may be lost, delayed, repeated and reordered. */
export type Message =
  | Ballots
  | Decided
  /** A batch to queue. */
  | { readonly kind: 'forward'; readonly batch: Batch }
  /** The sender has applied everything before `slot` and asks for more. Slot 0: it does not even have the genesis. */
  | { readonly kind: 'fetch'; readonly slot: SlotNumber }
  | SnapshotOffer
  | SnapshotFetch
  | SnapshotChunk
  /** Asks for the highest slot the other node takes part in, and its answer (R14). */
  | { readonly kind: 'mark-query'; readonly round: string }
  | { readonly kind: 'mark'; readonly round: string; readonly slot: SlotNumber }
  /** The sender has started as `boot`, and asks what was heard of it before. */
  | { readonly kind: 'recall'; readonly boot: string }
  | Witness

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

/**
 * The decisions that were asked for are no longer kept, but the sender has a durable snapshot of `slot`. `sha256` (in
 * lowercase hex) is of its bytes; whoever has the same snapshot offers the same.
 */
export type SnapshotOffer = {
  readonly kind: 'offer'
  readonly slot: SlotNumber
  readonly sizeBytes: number
  readonly sha256: string
}

/** Asks for the bytes of an offered snapshot from `offset` on. Answered with a chunk, or with another offer. */
export type SnapshotFetch = {
  readonly kind: 'snapshot-fetch'
  readonly slot: SlotNumber
  readonly sha256: string
  readonly offset: number
}

/** At most `CHUNK_BYTES_MAX` of them; the receiver may keep the array. */
export type SnapshotChunk = {
  readonly kind: 'snapshot-chunk'
  readonly slot: SlotNumber
  readonly sha256: string
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * The last ballot that the sender has heard of the node that started as `boot`, and the slot it is for; slot 0 and no
 * ballot when it has heard none.
 */
export type Witness = {
  readonly kind: 'witness'
  readonly boot: string
  readonly slot: SlotNumber
  readonly ballot: Ballot | undefined
}

/** One chunk delays the ballots behind it on a connection by no more than a millisecond or two. */
export const CHUNK_BYTES_MAX = 256 * 1_024
