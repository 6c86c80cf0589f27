import type { NodeId, RequestId } from '../../../base/ids.ts'
import type {
  Conflict,
  MapOperation,
  NoSpace,
  OutcomeUnknown,
  Unavailable,
  Version,
} from '../../../base/port.ts'
import type { Result } from '../../../base/result.ts'
import type { EngineEntry, EngineOperation, EngineRange } from '../../../storage/index.ts'
import type { ReplicaMessage } from './message.ts'

/** The partition's row in the partition table. */
export type Placement = {
  readonly epoch: number
  readonly primary: NodeId
  readonly replicas: readonly NodeId[]
  /**
   * Set when a node with data has formed the set: until another has been given them, its being
   * empty means nothing. Without it the partition began empty everywhere.
   */
  readonly origin?: NodeId | undefined
}

/** A write of `MapSpace`, its limits checked. */
export type MapWrite = {
  readonly space: string
  readonly partitionKey: string
  readonly operations: readonly MapOperation[]
  readonly requestId: RequestId
  /**
   * A version that the partition had before the first attempt, the same in all attempts: each of them is made after it and
   * nowhere else. Absent when there is only one.
   */
  readonly since?: Version
}

/** What a read looks at: one entry, or without `sortKey` any of the partition key. */
export type MapRead = {
  readonly space: string
  readonly partitionKey: string
  readonly sortKey?: string
}

/**
 * `client` names who gets the reply. `persisted` and `refused` answer a `persist`, in the order of
 * these; after `refused` those persisted later are gone and get no answer of their own.
 *
 * A read is made in three steps: this input, then at once, before any other input, the look into the
 * engine, and the result is told when the reply is ok.
 */
export type ReplicaInput =
  | { readonly kind: 'write'; readonly write: MapWrite; readonly client: number }
  | { readonly kind: 'read'; readonly read: MapRead; readonly client: number }
  | { readonly kind: 'persisted'; readonly token: number }
  | { readonly kind: 'refused'; readonly token: number }
  | { readonly kind: 'scanned'; readonly token: number; readonly entries: readonly EngineEntry[] }
  | { readonly kind: 'configure'; readonly placement: Placement }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: ReplicaMessage }
  /** Messages reach the node from now on; what was sent to it before may be lost, and it may have been restarted. */
  | { readonly kind: 'reached'; readonly peer: NodeId }
  /** At an even pace; repeats what was lost and gives up what takes too long. */
  | { readonly kind: 'tick' }

/**
 * - `persist`: commit these operations as one, none of them before those of earlier tokens. When it
 *   is durable the partition's last version is `version`; undefined if that does not change.
 * - `scan`: answer with `scanned`; any state from now on will do.
 * - `role`: from here on this is what the replica does.
 */
export type ReplicaEffect =
  | {
      readonly kind: 'persist'
      readonly operations: readonly EngineOperation[]
      readonly token: number
      readonly version: Version | undefined
    }
  | ({ readonly kind: 'reply' } & Answer)
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: ReplicaMessage }
  | { readonly kind: 'scan'; readonly range: EngineRange; readonly token: number }
  | { readonly kind: 'role'; readonly role: Role; readonly epoch: number }

/** `primary` serves; one that takes over does not yet. */
export type Role = 'replica' | 'taking-over' | 'primary'

/**
 * To a write: its version, or why there is none. To a read: ok with the version it rests on, or
 * `unavailable`.
 *
 * - `no-space`: nothing was written, nor was anything that it rests on.
 * - `unavailable`: nothing was written.
 * - `not-primary`, `taking-over`: the same, and somebody else may serve, or this replica soon.
 * - `forgotten`: by this attempt nothing was written.
 */
export type Answer = {
  readonly client: number
  readonly result: Result<
    Version,
    Conflict | NoSpace | Unavailable | OutcomeUnknown | NotServing | Forgotten
  >
}

/** Another node is the primary as far as is known here; or this one is going to be. */
export type NotServing = { readonly kind: 'not-primary' | 'taking-over' }

/**
 * The records kept do not reach back to the `since` of the write, so what earlier attempts have come to is not known. They do
 * reach back to `committed`.
 */
export type Forgotten = { readonly kind: 'forgotten'; readonly committed: Version }
