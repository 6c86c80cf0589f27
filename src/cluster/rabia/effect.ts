import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'
import type { BatchId, Request } from './batch.ts'
import type { Message } from './message.ts'
import type { LogRecord } from './record.ts'

/**
 * Everything that happens to a node. First every record of its log in order (`replay`), then `start`, then anything.
 *
 * - `tick`: time has passed; every few ten milliseconds.
 * - `connected`: a connection to `peer` is up (again): it may have missed whatever was sent.
 * - `request`: from a client of this node; ends in one `reply` unless the node stops before.
 * - `read`: a local reader wants to see everything acknowledged before now; ends in `readable` with the same `id`.
 * - `persisted`: the records of `token` and of all tokens before it survive power loss.
 * - `no-space`: the log wrote nothing of `token` and refuses every later token, until `token` is persisted again.
 */
export type Input =
  | { readonly kind: 'replay'; readonly record: LogRecord }
  | { readonly kind: 'start' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'connected'; readonly peer: NodeId }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'read'; readonly id: number }
  | { readonly kind: 'persisted'; readonly token: number }
  | { readonly kind: 'no-space'; readonly token: number }

/**
 * What the node wants done, in this order.
 *
 * - `persist`: append the records to the log, sync, then answer `persisted(token)`. Tokens ascend; the same one comes
 *   again only after `no-space`. Whatever depends on it is held inside until the answer: a `send` may always leave at once.
 * - `send`: to each of `to`; best effort.
 * - `applied`: the slot was applied; without a batch it was forfeited. `digest` covers the whole applied prefix.
 * - `violation`: a peer broke the protocol (R3); it is ignored, an operator should know.
 * - `behind`: the decisions before `floor` are kept by none that answered; only a snapshot helps.
 * - `stalled`: the next command belongs to a feature this program does not know; it applies nothing more.
 */
export type Effect =
  | { readonly kind: 'persist'; readonly token: number; readonly records: readonly LogRecord[] }
  | { readonly kind: 'send'; readonly to: readonly NodeId[]; readonly message: Message }
  | {
      readonly kind: 'applied'
      readonly slot: SlotNumber
      readonly batch: BatchId | undefined
      readonly digest: string
    }
  | {
      readonly kind: 'reply'
      readonly client: string
      readonly seq: number
      readonly outcome: Outcome
    }
  | { readonly kind: 'readable'; readonly id: number }
  | { readonly kind: 'violation'; readonly from: NodeId; readonly reason: string }
  | { readonly kind: 'behind'; readonly floor: SlotNumber }
  | { readonly kind: 'stalled'; readonly slot: SlotNumber; readonly reason: string }

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
