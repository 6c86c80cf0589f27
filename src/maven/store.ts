import type { Clock } from '../base/clock.ts'
import type { RequestId } from '../base/ids.ts'
import type {
  BlobStore,
  Condition,
  Conflict,
  DistributedMap,
  MapOperation,
  MapSpace,
  NoSpace,
  OutcomeUnknown,
  Unavailable,
  Version,
  Versioned,
  Written,
} from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Source } from './content.ts'
import { parseLayout } from './layout.ts'
import {
  bodyKey,
  type Claims,
  claimsKey,
  completeKey,
  decodeClaims,
  decodeRecord,
  type FileRecord,
} from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'

/** What the repository needs of the platform. */
export type StoreParts = {
  readonly map: DistributedMap
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly newRequestId: () => RequestId
}

/** A record as it was read: `version` is what a conditional write must find unchanged. */
export type StoredFile = { readonly record: FileRecord; readonly version: Version }

export type WriteError = Conflict | Unavailable | OutcomeUnknown | NoSpace

/** The checksums that came before a file, and the condition under which these are all. */
export type HeldClaims = { readonly claims: Claims; readonly condition: Condition }

/** Where a file is kept: all keys of one artifact share a partition key. */
export type Place = { readonly partitionKey: string; readonly path: string }

/**
 * The artifact records, typed. Reading the same unchanged record gives the same `StoredFile` object, so that what is
 * derived from it can be remembered with it.
 */
export class ArtifactStore {
  readonly artifacts: MapSpace
  readonly tree: MapSpace
  readonly blobs: BlobStore
  readonly #parts: StoreParts
  /** Told of every successful write to the artifacts, in no particular order when several are under way. */
  onWritten:
    | ((partitionKey: string, operations: readonly MapOperation[], written: Written) => void)
    | undefined
  readonly #decoded = new WeakMap<Versioned, StoredFile>()

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.artifacts = parts.map.space('artifacts')
    this.tree = parts.map.space('tree')
    this.blobs = parts.blobs
  }

  nowMs(): number {
    return this.#parts.clock.nowMs()
  }

  /** The record at exactly this path; undefined when there is none. */
  async file(place: Place): Promise<Result<StoredFile | undefined, Refusal>> {
    const found = await this.artifacts.get(place.partitionKey, place.path)
    if (!found.ok) return err(storeRefusal(found.error))
    return ok(found.value === undefined ? undefined : this.decode(found.value))
  }

  /** The same as far as this node knows it without asking others; it may have been replaced or deleted since. */
  known({ partitionKey, path }: Place): StoredFile | undefined {
    const found = this.artifacts.peek(partitionKey, path)
    return found && this.decode(found)
  }

  decode(versioned: Versioned): StoredFile {
    let stored = this.#decoded.get(versioned)
    if (stored === undefined) {
      stored = { record: decodeRecord(versioned.value), version: versioned.version }
      this.#decoded.set(versioned, stored)
    }
    return stored
  }

  /** Where the bytes of this file are. */
  async sourceOf(place: Place, { record, version }: StoredFile): Promise<Result<Source, Refusal>> {
    if (!record.inline) return ok({ kind: 'blob', digest: record.sums.sha256 })
    const known = this.#knownBody(place, version)
    if (known !== undefined) return ok({ kind: 'inline', bytes: known.value })
    const found = await this.artifacts.get(place.partitionKey, bodyKey(place.path))
    if (!found.ok) return err(storeRefusal(found.error))
    // The record and its body are one write: only a change between our two reads separates them.
    if (found.value === undefined || isAfter(found.value.version, version)) {
      return err(refusal('unavailable', 'The file is being changed at this moment. Try again.'))
    }
    return ok({ kind: 'inline', bytes: found.value.value })
  }

  /** The checksums that arrived before the file. */
  async claims({ partitionKey, path }: Place): Promise<Result<HeldClaims, Refusal>> {
    const found = await this.artifacts.get(partitionKey, claimsKey(path))
    if (!found.ok) return err(storeRefusal(found.error))
    if (found.value === undefined) return ok({ claims: {}, condition: 'absent' })
    return ok({ claims: decodeClaims(found.value.value), condition: found.value.version })
  }

  /** Removes the file and all that is kept beside it. Its version is no longer complete: it may be deployed again. */
  async removeFile({ partitionKey, path }: Place): Promise<Result<void, Refusal>> {
    const keys = [path, bodyKey(path), claimsKey(path)]
    const layout = parseLayout(path)
    if (layout.kind === 'artifact') keys.push(completeKey(layout.home, layout.baseVersion))
    const operations = keys.map((sortKey) => ({ kind: 'delete', sortKey }) as const)
    const written = await this.write(this.artifacts, partitionKey, operations)
    return written.ok ? ok(undefined) : err(storeRefusal(written.error))
  }

  /** All entries whose sort key begins with `prefix`, of one committed state, and the partition's version there. */
  async scan(
    partitionKey: string,
    prefix: string,
  ): Promise<Result<{ entries: readonly Entry[]; version: Version }, Refusal>> {
    for (let attempt = 0; attempt < SCAN_ATTEMPTS; attempt++) {
      const scanned = await this.#scanOnce(partitionKey, prefix)
      if (!scanned.ok) return scanned
      if (scanned.value !== undefined) return ok(scanned.value)
    }
    return err(refusal('unavailable', 'The artifact is changing too fast to be listed. Try again.'))
  }

  /** Writes with a new request id. What is unknown stays so: the map has tried again as long as that is safe. */
  async write(
    space: MapSpace,
    partitionKey: string,
    operations: readonly MapOperation[],
  ): Promise<Result<Written, WriteError>> {
    const requestId = this.#parts.newRequestId()
    const written = await space.write(partitionKey, operations, { requestId })
    if (written.ok && space === this.artifacts) {
      this.onWritten?.(partitionKey, operations, written.value)
    }
    return written
  }

  /** The body that this node knows, if the record it knows is of this version: one state holds both. */
  #knownBody({ partitionKey, path }: Place, version: Version): Versioned | undefined {
    const record = this.artifacts.peek(partitionKey, path)
    if (record === undefined || !sameVersion(record.version, version)) return undefined
    const body = this.artifacts.peek(partitionKey, bodyKey(path))
    return body === undefined || isAfter(body.version, version) ? undefined : body
  }

  /** Undefined when a write came between two pages. */
  async #scanOnce(
    partitionKey: string,
    prefix: string,
  ): Promise<Result<{ entries: Entry[]; version: Version } | undefined, Refusal>> {
    const entries: Entry[] = []
    let after: string | undefined
    let version: Version | undefined
    do {
      const page = await this.artifacts.scan(
        partitionKey,
        prefix,
        after === undefined ? {} : { after },
      )
      if (!page.ok) return err(storeRefusal(page.error))
      if (version !== undefined && !sameVersion(version, page.value.version)) return ok(undefined)
      version = page.value.version
      for (const entry of page.value.entries) entries.push(entry)
      after = page.value.next
    } while (after !== undefined)
    return ok({ entries, version })
  }
}

export type Entry = Versioned & { readonly sortKey: string }

/** A scan of many pages starts again when the partition changed meanwhile; under constant writes it gives up. */
const SCAN_ATTEMPTS = 10

function isAfter(a: Version, b: Version): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq)
}

export function sameVersion(a: Version, b: Version): boolean {
  return a.epoch === b.epoch && a.seq === b.seq
}
