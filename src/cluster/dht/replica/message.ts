/**
 * What the replicas of one partition say to each other. Every message carries the epoch that it
 * belongs to: of the primary that asks, and in the answer the same again.
 */
import type { Version } from '../../../base/port.ts'
import type { EngineEntry } from '../../../storage/index.ts'
import type { Run } from './log.ts'
import type { WriteRecord } from './record.ts'

export type ReplicaMessage =
  | Append
  | Appended
  | Committed
  | Seal
  | Sealed
  | Confirm
  | Confirmed
  | Pull
  | Page
  | Fenced

/**
 * From the primary: its sequence ends as `history` says, the last write included, and is committed up to
 * `committed`. Without `write` it asks how far the replica has come.
 */
export type Append = {
  readonly kind: 'append'
  readonly epoch: number
  readonly history: readonly Run[]
  readonly committed: Version
  readonly write: AppendedWrite | undefined
}

/** One write, to be made durable right after the write `previous` and not otherwise. */
export type AppendedWrite = {
  readonly version: Version
  readonly previous: Version
  /** As `record.ts` encodes `written`. */
  readonly record: Uint8Array
  readonly written: WriteRecord
  readonly entries: readonly EngineEntry[]
}

/** The replica has durably every write of that primary's sequence up to `version`. */
export type Appended = {
  readonly kind: 'appended'
  readonly epoch: number
  readonly version: Version
}

/** From the primary, which has been quiet since: its sequence is committed up to `version`, of its epoch. Has no answer. */
export type Committed = {
  readonly kind: 'committed'
  readonly epoch: number
  readonly version: Version
}

/** From a primary that takes over: accept nothing more of earlier epochs, and say what you have. */
export type Seal = { readonly kind: 'seal'; readonly epoch: number }

/** Promised durably. Of earlier epochs there will be nothing more here. */
export type Sealed = {
  readonly kind: 'sealed'
  readonly epoch: number
  /** Undefined when the replica is incomplete: then nobody can have it from here. */
  readonly history: readonly Run[] | undefined
  /**
   * What this replica has ever said it has, and what was answered because of it, is in every
   * history that ends here or later. Undefined when there is nothing to tell it by: its disk may have been lost.
   */
  readonly had: Version | undefined
}

/** From the primary, for a read: has a later epoch been promised? */
export type Confirm = { readonly kind: 'confirm'; readonly epoch: number; readonly turn: number }

/** None has. */
export type Confirmed = {
  readonly kind: 'confirmed'
  readonly epoch: number
  readonly turn: number
}

/**
 * From a replica that lacks writes. `since` is the last version that both have, and `keys` are the
 * engine keys of entries that the asker wrote after it: it needs them as they are at the sender.
 * Without `since` it has nothing and asks for every entry.
 */
export type Pull = {
  readonly kind: 'pull'
  readonly epoch: number
  readonly turn: number
  readonly since: Version | undefined
  readonly keys: readonly Uint8Array[]
  /** The first record of the asker's window; it is sent those before it that the sender still has. */
  readonly oldest: number
  /** Of a scan under way: the last key of the page before. */
  readonly after: Uint8Array | undefined
}

export type Page = RecordPage | EntryPage

/**
 * Records from `since` on and the entries that they wrote, as they are now: some may be newer than
 * the last record. An entry without a value has never been written.
 */
export type RecordPage = {
  readonly kind: 'records'
  readonly epoch: number
  readonly turn: number
  readonly older: readonly EngineEntry[]
  readonly newer: readonly EngineEntry[]
  readonly entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[]
}

/** Entries in the order of their keys. `at` had been reached when this page was read. */
export type EntryPage = {
  readonly kind: 'entries'
  readonly epoch: number
  readonly turn: number
  readonly at: Version
  readonly entries: readonly EngineEntry[]
  /** The `after` of the next pull; undefined when this was the last page. */
  readonly next: Uint8Array | undefined
}

/** A later epoch has been promised: whoever hears this of its own epoch is not the primary any more. */
export type Fenced = { readonly kind: 'fenced'; readonly epoch: number; readonly by: number }

/** Whether what it carries is to be made durable. */
export function isForDisk(message: ReplicaMessage): boolean {
  const { kind } = message
  return kind === 'append' ? message.write !== undefined : kind === 'records' || kind === 'entries'
}
