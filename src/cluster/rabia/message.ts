import type { Ballot, SlotNumber } from './ballot.ts'
import type { Batch } from './batch.ts'

/**
 * What nodes tell each other. Any of them may be lost, delayed, repeated and reordered.
 *
 * - `ballots`: the sender's ballots of one slot, one when it is new and all of them when it `repeats` (R4). `batch` is
 *   the body of the proposal among them.
 * - `forward`: a batch to queue.
 * - `fetch`: the sender has applied everything before `slot` and asks for more.
 * - `decided`: consecutive decisions from `first` (R5). Each is a batch, or null for a forfeited slot. The sender has
 *   more of them, up to and without `end`.
 * - `trimmed`: the answer to `fetch` when the decisions before `floor` are no longer kept.
 * - `mark-query` and `mark`: the highest slot the answering node has taken part in (R14), judged in `epoch`.
 */
export type Message =
  | {
      readonly kind: 'ballots'
      readonly epoch: number
      readonly slot: SlotNumber
      readonly ballots: readonly Ballot[]
      readonly batch: Batch | undefined
      readonly repeats: boolean
    }
  | { readonly kind: 'forward'; readonly batch: Batch }
  | { readonly kind: 'fetch'; readonly slot: SlotNumber }
  | {
      readonly kind: 'decided'
      readonly first: SlotNumber
      readonly decisions: readonly (Batch | null)[]
      readonly end: SlotNumber
    }
  | { readonly kind: 'trimmed'; readonly floor: SlotNumber }
  | { readonly kind: 'mark-query'; readonly round: string }
  | { readonly kind: 'mark'; readonly round: string; readonly slot: SlotNumber }
