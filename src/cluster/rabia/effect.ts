import type { NodeId } from '../../base/ids.ts'
import type { Phase, SlotNumber } from './ballot.ts'
import type { BatchId, Request } from './batch.ts'
import type { Message } from './message.ts'
import type { LogRecord } from './record.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * Everything that happens to a node. First its snapshot (`restore`), if it has one, and every record of its log in order
 * (`replay`), then `start`, then anything.
 *
 * - `restore`: the node's own durable snapshot, or the genesis of its cluster. Records up to its slot are skipped.
 * - `tick`: time has passed; every few ten milliseconds.
 * - `connected`: a connection to `peer` is up (again): it may have missed whatever was sent.
 * - `request`: from a client of this node; ends in one `reply` unless the node stops before.
 * - `read`: a local reader wants to see everything acknowledged before now; ends in `readable` with the same `id`.
 * - `persisted`: the records of `token` and of all tokens before it survive power loss.
 * - `no-space`: the log wrote nothing of `token` and refuses every later token, until `token` is persisted again.
 * - `saved`: the snapshot of `slot` is the node's durable one; it is what the next start restores.
 * - `not-saved`: the disk had no room for it; the one before still is the durable one.
 */
export type Input =
  | { readonly kind: 'restore'; readonly snapshot: Snapshot }
  | { readonly kind: 'replay'; readonly record: LogRecord }
  | { readonly kind: 'start' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'connected'; readonly peer: NodeId }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'read'; readonly id: number }
  | { readonly kind: 'persisted'; readonly token: number }
  | { readonly kind: 'no-space'; readonly token: number }
  | { readonly kind: 'saved'; readonly slot: SlotNumber }
  | { readonly kind: 'not-saved'; readonly slot: SlotNumber }

/**
 * What the node wants done, in this order.
 *
 * - `persist`: append the records to the log, sync, then answer `persisted(token)`. Tokens ascend; the same one comes
 *   again only after `no-space`. Whatever depends on it is held inside until the answer: a `send` may always leave at once.
 * - `send`: to each of `to`; best effort.
 * - `save`: make it the node's durable snapshot in one step, then answer `saved` or `not-saved`. One at a time.
 * - `trim`: log entries of slots lower than `below` are not needed any more.
 * - `applied`: the slot was applied; without a batch it was forfeited. `digest` covers the whole applied prefix. `phases`
 *   is how many it took this node; 0 when it learned the decision from another one.
 * - `restored`: the state is that of a snapshot, which is never older than the state before.
 * - `violation`: a peer broke the protocol (R3); it is ignored, an operator should know.
 * - `stalled`: the next command, or the snapshot it needs, is of a program newer than this one; it applies nothing more.
 * - `fatal`: this replica must not go on. `rolled-back`: a peer has heard ballots of it that its log does not have, so
 *   that it may break promises that it does not remember.
 */
export type Effect =
  | { readonly kind: 'persist'; readonly token: number; readonly records: readonly LogRecord[] }
  | { readonly kind: 'send'; readonly to: readonly NodeId[]; readonly message: Message }
  | {
      readonly kind: 'applied'
      readonly slot: SlotNumber
      readonly batch: BatchId | undefined
      readonly digest: string
      readonly requests: number
      readonly phases: Phase
    }
  | { readonly kind: 'restored'; readonly slot: SlotNumber; readonly digest: string }
  | { readonly kind: 'save'; readonly snapshot: Snapshot }
  | { readonly kind: 'trim'; readonly below: SlotNumber }
  | {
      readonly kind: 'reply'
      readonly client: string
      readonly seq: number
      readonly outcome: Outcome
    }
  | { readonly kind: 'readable'; readonly id: number }
  | { readonly kind: 'violation'; readonly from: NodeId; readonly reason: string }
  | { readonly kind: 'stalled'; readonly slot: SlotNumber; readonly reason: string }
  | { readonly kind: 'fatal'; readonly reason: 'rolled-back' }

/**
 * What became of a request.
 *
 * - `applied`: exactly once, with this result of the state machine (a retry gets the first result).
 * - `busy`: the bounded queue is full; nothing was sent, try again later.
 * - `expired`: too old to tell a first try from a retry; this try changed nothing, an earlier one may have.
 * - `superseded`: the client has since sent a request with a higher number; this try changed nothing.
 */
export type Outcome =
  | { readonly kind: 'applied'; readonly result: string }
  | { readonly kind: 'busy'; readonly reason: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'superseded' }
