import { text } from '../base/bytes.ts'
import type { Version } from '../base/port.ts'
import { ok, type Result } from '../base/result.ts'
import { parseLayout } from './layout.ts'
import type { FileFact, VersionMark } from './metadata.ts'
import { completeVersion, type FileRecord, isQuarantined } from './record.ts'
import { type Refusal, storeRefusal } from './refusal.ts'
import { type ArtifactStore, sameVersion } from './store.ts'

/** What is known of one artifact: enough to derive all its metadata. Never modified, so it identifies the state. */
export type ArtifactFacts = {
  readonly files: readonly FileFact[]
  readonly marks: readonly VersionMark[]
}

/** So many files and artifacts are remembered in all: some 500 bytes each. */
const REMEMBERED_MAX = 50_000

/**
 * Reads the facts of artifacts and remembers them for as long as their partition has not changed, which costs one
 * version query instead of a scan.
 */
export class FactSource {
  readonly #store: ArtifactStore
  readonly #remembered = new Map<string, Remembered>()
  #rememberedSize = 0

  constructor(store: ArtifactStore) {
    this.#store = store
  }

  /** `home` is the artifact's directory. The same object is returned while nothing has changed. */
  async of(repository: string, home: string): Promise<Result<ArtifactFacts, Refusal>> {
    const partitionKey = `${repository}/${home}`
    const known = this.#remembered.get(partitionKey)
    if (known !== undefined) {
      const version = await this.#store.artifacts.version(partitionKey)
      if (!version.ok) return { ok: false, error: storeRefusal(version.error) }
      if (sameVersion(version.value, known.version)) return ok(known.facts)
    }
    const read = await this.#read(partitionKey, home, known)
    if (!read.ok) return read
    this.#remember(partitionKey, read.value)
    return ok(read.value.facts)
  }

  /** The facts of `before` that still hold are taken over, since a deploy changes few files of an artifact with many. */
  async #read(
    partitionKey: string,
    home: string,
    before: Remembered | undefined,
  ): Promise<Result<Remembered, Refusal>> {
    const scanned = await this.#store.scan(partitionKey, `${home}/`)
    if (!scanned.ok) return scanned
    const { entries, version } = scanned.value
    const byPath = new Map<string, KnownFact>()
    const marks: VersionMark[] = []
    for (const entry of entries) {
      const completed = completeVersion(home, entry.sortKey)
      if (completed !== undefined) {
        marks.push({ version: completed, timeMs: Number(text(entry.value)) })
        continue
      }
      const known = before?.byPath.get(entry.sortKey)
      if (known !== undefined && sameVersion(known.version, entry.version)) {
        byPath.set(entry.sortKey, known)
        continue
      }
      const fact = factOf(entry.sortKey, this.#store.decode(entry).record)
      if (fact !== undefined) byPath.set(entry.sortKey, { version: entry.version, fact })
    }
    const files = Array.from(byPath.values(), ({ fact }) => fact)
    return ok({ version, facts: { files, marks }, byPath })
  }

  #remember(partitionKey: string, read: Remembered): void {
    this.#forget(partitionKey)
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

type Remembered = {
  readonly version: Version
  readonly facts: ArtifactFacts
  /** What `facts.files` came from. */
  readonly byPath: ReadonlyMap<string, KnownFact>
}

/** A fact and the version of the record that it was read from. */
type KnownFact = { readonly version: Version; readonly fact: FileFact }

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
function sizeOf({ facts }: Remembered): number {
  return 1 + facts.files.length
}
