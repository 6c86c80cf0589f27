/**
 * The ports between the cluster (which fulfils them) and the infrastructure services (which are written on them).
 * Nothing here tells how many nodes there are. `test/conformance` holds every implementation to this text.
 */
import type { Digest, RequestId } from './ids.ts'
import type { Result } from './result.ts'

/** The place of a write in its partition's order: compare `epoch`, then `seq`. Issued by the partition's primary. */
export type Version = { readonly epoch: number; readonly seq: number }

/** A value as it was written and the version of that write. The bytes belong to the store: never modify them. */
export type Versioned = { readonly value: Uint8Array; readonly version: Version }

/** What must hold for an entry at the moment of the write: it has no value, or exactly this version. */
export type Condition = 'absent' | Version

/** Too few replicas answered in time. Never the same as "not found": the data may well exist. */
export type Unavailable = { readonly kind: 'unavailable'; readonly reason: string }

/** Sent, but no answer: it may or may not have happened. A repetition with the same request id tells, for as long as the partition keeps the record of it. */
export type OutcomeUnknown = { readonly kind: 'outcome-unknown'; readonly reason: string }

/** A condition did not hold and nothing was written. `current` is the entry's version, if it has one. */
export type Conflict = {
  readonly kind: 'conflict'
  readonly key: string
  readonly current: Version | undefined
}

/** The disk is full, nothing was written, and everything written before is intact. */
export type NoSpace = { readonly kind: 'no-space' }

/** Keys are at most this many bytes in UTF-8 each (the bound of a repository path is 1,024). */
export const KEY_BYTES_MAX = 2_048

/** A value is at most this large; bigger things are blobs. An inline artifact body (64 KiB) and its record fit. */
export const VALUE_BYTES_MAX = 256 * 1_024

/** One write holds at most this many operations, so that a record is bounded. */
export const OPERATIONS_MAX = 64

/** The keys and values of one write together: it travels to other nodes as one message. */
export const WRITE_BYTES_MAX = 4 * 1_024 * 1_024

/** A page of a scan holds at most this many entries. */
export const SCAN_LIMIT_MAX = 1_000

/** The values of a page are at most this large together, or it has one entry: it has to fit into one message. */
export const SCAN_BYTES_MAX = 4 * 1_024 * 1_024

export type MapOperation =
  | {
      readonly kind: 'put'
      readonly sortKey: string
      readonly value: Uint8Array
      readonly condition?: Condition
    }
  | { readonly kind: 'delete'; readonly sortKey: string; readonly condition?: Condition }
  | { readonly kind: 'check'; readonly sortKey: string; readonly condition: Condition }

/**
 * What the write has made of its entries' versions. `previous` is what `MapSpace.version` would have said right before it:
 * when that is what was last read, no other write came in between.
 */
export type Written = { readonly version: Version; readonly previous: Version }

/** With the request id of one of the last hundred writes of its partition, a write does nothing and gets the first answer. */
export type WriteOptions = { readonly requestId: RequestId }

export type ScanOptions = {
  /** Entries with a sort key greater than this one; the `next` of the page before. */
  readonly after?: string
  /** At most this many entries; `SCAN_LIMIT_MAX` if absent, and never more. */
  readonly limit?: number
}

/**
 * `version` is what `MapSpace.version` said when the page was read. Large values make a page shorter than was asked for: only
 * `next` tells whether others follow.
 */
export type Page = {
  readonly entries: readonly (Versioned & { readonly sortKey: string })[]
  readonly next: string | undefined
  readonly version: Version
}

/**
 * A map (partitionKey, sortKey) → value. All entries of one partition key are written atomically and conditionally, and
 * a page of a scan shows one committed state, in ascending UTF-8 order of the sort keys.
 */
export interface MapSpace {
  /** The last committed value. Linearizable in strong spaces. The same entry may be returned as the same object. */
  get(partitionKey: string, sortKey: string): Promise<Result<Versioned | undefined, Unavailable>>
  /**
   * A value that this node knows to have been committed, without asking anybody: what `get` would give, or gave some while
   * ago. Undefined when none is known here, which says nothing of what there is. For entries that never change once they are
   * written: it answers when no quorum is reached, and as fast on any node as on one that is alone.
   */
  peek(partitionKey: string, sortKey: string): Versioned | undefined
  scan(
    partitionKey: string,
    prefix: string,
    options?: ScanOptions,
  ): Promise<Result<Page, Unavailable>>
  /**
   * Grows with every write to any entry of the partition key, and sometimes with others: an unchanged version proves an
   * earlier scan still true.
   */
  version(partitionKey: string): Promise<Result<Version, Unavailable>>
  /**
   * All operations or none, in one step; durable on a write quorum when it resolves with ok. Ownership of the values
   * passes to the map.
   */
  write(
    partitionKey: string,
    operations: readonly MapOperation[],
    options: WriteOptions,
  ): Promise<Result<Written, Conflict | Unavailable | OutcomeUnknown | NoSpace>>
}

export type SpaceOptions = {
  /**
   * 'strong' if absent: a write is answered when a majority of the replicas has it, and reads are linearizable. 'eventual':
   * it is answered when one has it, and the others get it afterwards. Writes of the last moments before that node
   * failed may be lost, and reads of them taken back; what a client has read may be older than what another has.
   */
  readonly consistency?: 'strong' | 'eventual'
}

export interface DistributedMap {
  /**
   * The space of that name (lowercase letters, digits, dashes), made on first use. A name is always given with the same
   * options.
   */
  space(name: string, options?: SpaceOptions): MapSpace
}

/** Content that never changes, named by its SHA-256. `sha1` is kept beside it because Maven asks for it. */
export type Blob = { readonly digest: Digest; readonly sha1: string; readonly sizeBytes: number }

export type DigestMismatch = { readonly kind: 'digest-mismatch'; readonly actual: Digest }
export type SizeMismatch = { readonly kind: 'size-mismatch'; readonly actual: number }
export type TooLarge = { readonly kind: 'too-large'; readonly limitBytes: number }
export type Missing = { readonly kind: 'missing' }
export type Corrupt = { readonly kind: 'corrupt'; readonly reason: string }
/** The source of an upload failed or ended early; nothing of it is kept. */
export type Interrupted = { readonly kind: 'interrupted'; readonly reason: string }

export type BlobExpectation = {
  readonly digest?: Digest
  readonly sizeBytes?: number
  readonly maxBytes?: number
}

/** Bytes `start` up to and without `end` of a blob. */
export type ByteRange = { readonly start: number; readonly end: number }

/**
 * A pull reader of verified bytes. `next` gives the following piece or undefined at the end; a piece is valid only
 * until the following call of `next` or `close`, since its memory is reused. Call `close` exactly once, always.
 */
export interface BlobReader {
  next(): Promise<Result<Uint8Array | undefined, Missing | Corrupt | Unavailable>>
  close(): void
}

export interface BlobStore {
  /** Streams `bytes` in. When it resolves with ok the blob is durable and readable; otherwise nothing of it remains. */
  put(
    bytes: AsyncIterable<Uint8Array>,
    expected?: BlobExpectation,
  ): Promise<
    Result<
      Blob,
      | DigestMismatch
      | SizeMismatch
      | TooLarge
      | Interrupted
      | Unavailable
      | OutcomeUnknown
      | NoSpace
    >
  >
  /** What is known of a blob without reading it. */
  stat(digest: Digest): Promise<Result<Blob, Missing | Unavailable>>
  /** The whole blob when it is in the memory cache: shared bytes, never modify them. Never touches the disk. */
  cached(digest: Digest): Uint8Array | undefined
  get(
    digest: Digest,
    range?: ByteRange,
  ): Promise<Result<BlobReader, Missing | Corrupt | Unavailable>>
}

/** The count of writes to the control state so far; each write has the next one. */
export type Revision = number

export type ControlEntry = { readonly value: string; readonly revision: Revision }

export type ControlOperation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }

/** The key's entry was last written at `revision`, or does not exist for 'absent'. */
export type ControlPrecondition = {
  readonly key: string
  readonly revision: Revision | 'absent'
}

export type ControlConflict = {
  readonly kind: 'conflict'
  readonly key: string
  readonly current: Revision | undefined
}

export type ControlChange = {
  readonly key: string
  /** Undefined when the key was deleted. */
  readonly value: string | undefined
  readonly revision: Revision
}

/**
 * The cluster's small key-value store: values of at most 64 KiB, linearizable. It holds configuration and desired state,
 * never artifacts.
 */
export interface ControlStore {
  get(key: string): Promise<Result<ControlEntry | undefined, Unavailable>>
  /** Keys that begin with `prefix` and their entries, ascending. */
  list(
    prefix: string,
  ): Promise<Result<readonly (ControlEntry & { readonly key: string })[], Unavailable>>
  write(
    operations: readonly ControlOperation[],
    options: {
      readonly preconditions?: readonly ControlPrecondition[]
      readonly requestId: RequestId
    },
  ): Promise<Result<Revision, ControlConflict | Unavailable | OutcomeUnknown>>
  /**
   * Changes of keys that begin with `prefix`, in order and without gaps, beginning after revision `from` (after now if
   * absent), until the consumer returns. Throws when `from` is older than the kept history: list, then watch again.
   */
  watch(prefix: string, from?: Revision): AsyncIterable<ControlChange>
}
