import { text } from '../base/bytes.ts'
import type { MapOperation, Version, Written } from '../base/port.ts'
import { ok, type Result } from '../base/result.ts'
import { parseLayout } from './layout.ts'
import type { FileFact, VersionMark } from './metadata.ts'
import { completeVersion, decodeRecord, type FileRecord, isQuarantined } from './record.ts'
import { type Refusal, storeRefusal } from './refusal.ts'
import { type ArtifactStore, type Entry, sameVersion } from './store.ts'

/** What is known of one artifact: enough to derive all its metadata. Never modified, so it identifies the state. */
export type ArtifactFacts = {
  readonly files: readonly FileFact[]
  readonly marks: readonly VersionMark[]
}

/** So many files and artifacts are remembered in all: some 500 bytes each. */
const REMEMBERED_MAX = 50_000

/**
 * Reads the facts of artifacts and remembers them for as long as it knows of every write to them: an unchanged version
 * proves that there was none, and a write of this node that tells of the version before was the only one.
 */
export class FactSource {
  readonly #store: ArtifactStore
  readonly #remembered = new Map<string, Remembered>()
  #rememberedSize = 0

  constructor(store: ArtifactStore) {
    this.#store = store
    store.onWritten = (partitionKey, operations, written) =>
      this.#follow(partitionKey, operations, written)
  }

  /** `home` is the artifact's directory. The same object is returned while nothing has changed. */
  async of(repository: string, home: string): Promise<Result<ArtifactFacts, Refusal>> {
    const partitionKey = `${repository}/${home}`
    const known = this.#remembered.get(partitionKey)
    if (known !== undefined) {
      const version = await this.#store.artifacts.version(partitionKey)
      if (!version.ok) return { ok: false, error: storeRefusal(version.error) }
      if (sameVersion(version.value, known.version)) return ok(factsOf(known))
    }
    const scanned = await this.#store.scan(partitionKey, `${home}/`)
    if (!scanned.ok) return scanned
    const read = this.#interpret(home, scanned.value, known)
    this.#forget(partitionKey)
    this.#remember(partitionKey, read)
    return ok(factsOf(read))
  }

  /** The facts of `before` that still hold are taken over, since few files of an artifact with many have changed. */
  #interpret(
    home: string,
    { entries, version }: { readonly entries: readonly Entry[]; readonly version: Version },
    before: Remembered | undefined,
  ): Remembered {
    const read: Remembered = { home, version, files: new Map(), marks: new Map(), facts: undefined }
    for (const entry of entries) {
      const known = before?.files.get(entry.sortKey)
      if (known !== undefined && sameVersion(known.version, entry.version)) {
        read.files.set(entry.sortKey, known)
      } else {
        take(read, entry.sortKey, entry.value, entry.version)
      }
    }
    return read
  }

  #follow(
    partitionKey: string,
    operations: readonly MapOperation[],
    { version, previous }: Written,
  ): void {
    const known = this.#remembered.get(partitionKey)
    if (known === undefined) return
    this.#forget(partitionKey)
    if (!sameVersion(known.version, previous)) return
    for (const operation of operations) {
      if (operation.kind === 'check' || !operation.sortKey.startsWith(`${known.home}/`)) continue
      if (operation.kind === 'put') take(known, operation.sortKey, operation.value, version)
      else drop(known, operation.sortKey)
    }
    this.#remember(partitionKey, { ...known, version, facts: undefined })
  }

  #remember(partitionKey: string, read: Remembered): void {
    this.#remembered.set(partitionKey, read)
    this.#rememberedSize += sizeOf(read)
    for (const oldest of this.#remembered.keys()) {
      if (this.#rememberedSize <= REMEMBERED_MAX || oldest === partitionKey) break
      this.#forget(oldest)
    }
  }

  #forget(partitionKey: string): void {
    const known = this.#remembered.get(partitionKey)
    if (known === undefined) return
    this.#remembered.delete(partitionKey)
    this.#rememberedSize -= sizeOf(known)
  }
}

/** An artifact's entries by sort key and by version, and the facts once somebody has asked for them. */
type Remembered = {
  readonly home: string
  readonly version: Version
  readonly files: Map<string, KnownFact>
  readonly marks: Map<string, VersionMark>
  facts: ArtifactFacts | undefined
}

/** A fact and the version of the record that it was read from. */
type KnownFact = { readonly version: Version; readonly fact: FileFact }

function factsOf(known: Remembered): ArtifactFacts {
  known.facts ??= {
    files: Array.from(known.files.values(), ({ fact }) => fact),
    marks: [...known.marks.values()],
  }
  return known.facts
}

function take(into: Remembered, sortKey: string, value: Uint8Array, version: Version): void {
  const completed = completeVersion(into.home, sortKey)
  if (completed !== undefined) {
    into.marks.set(completed, { version: completed, timeMs: Number(text(value)) })
    return
  }
  const fact = factOf(sortKey, decodeRecord(value))
  if (fact !== undefined) into.files.set(sortKey, { version, fact })
}

function drop(from: Remembered, sortKey: string): void {
  const completed = completeVersion(from.home, sortKey)
  if (completed === undefined) from.files.delete(sortKey)
  else from.marks.delete(completed)
}

function factOf(path: string, record: FileRecord): FileFact | undefined {
  const layout = parseLayout(path)
  if (layout.kind !== 'artifact') return undefined
  return {
    path,
    baseVersion: layout.baseVersion,
    fileVersion: layout.fileVersion,
    classifier: layout.coordinates.classifier,
    extension: layout.coordinates.extension,
    snapshot: layout.snapshot,
    timeMs: record.timeMs,
    packaging: record.packaging,
    quarantined: isQuarantined(record),
    literal: record.assigned,
  }
}

/** An artifact without files counts too, so that questions for unknown ones are bounded. */
function sizeOf({ files }: Remembered): number {
  return 1 + files.size
}
