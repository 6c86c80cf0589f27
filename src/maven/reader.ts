import { createHash } from 'node:crypto'
import { err, ok, type Result } from '../base/result.ts'
import type { ChecksumAlgorithm } from './checksum.ts'
import { checksumOf, type Source } from './content.ts'
import type { ArtifactFacts, FactSource } from './facts.ts'
import type { ArtifactPath, ChecksumPath, LayoutPath, MetadataPath, OtherPath } from './layout.ts'
import {
  artifactMetadata,
  groupMetadata,
  type Metadata,
  mergeMetadata,
  resolveSnapshotAlias,
  snapshotMetadata,
} from './metadata.ts'
import { renderMetadata } from './metadata-xml.ts'
import { isQuarantined } from './record.ts'
import { type Refusal, refusal } from './refusal.ts'
import { type HostedRepository, membersOf, type Repository } from './repository.ts'
import type { ArtifactStore, Place, StoredFile } from './store.ts'
import type { Tree } from './tree.ts'

export type ReaderParts = {
  readonly store: ArtifactStore
  readonly facts: FactSource
  readonly tree: Tree
}

/** A stored file. `stored` is the same object while the record is unchanged: what is derived from it may be kept with it. */
export type FoundFile = { readonly place: Place; readonly stored: StoredFile }

/** What the server made from the records, and the time of the newest of them, milliseconds since 1970. */
export type Generated = { readonly bytes: Uint8Array; readonly modifiedMs: number | undefined }

/** Reads repositories. Group repositories are asked member by member; a member that cannot answer ends the search. */
export class Reader {
  readonly #parts: ReaderParts
  readonly #computed = new WeakMap<StoredFile, ReadonlyMap<ChecksumAlgorithm, string>>()
  readonly #rendered = new WeakMap<Metadata, Generated>()
  readonly #derived = new WeakMap<ArtifactFacts, Map<string, Metadata>>()

  constructor(parts: ReaderParts) {
    this.#parts = parts
  }

  /** The first member's file with this name; a `-SNAPSHOT` name stands for its newest build. Quarantined is not found. */
  async file(
    repository: Repository,
    layout: ArtifactPath | OtherPath,
  ): Promise<Result<FoundFile, Refusal>> {
    for (const member of membersOf(repository)) {
      const found = await this.#fileOf(member, layout)
      if (!found.ok) return found
      if (found.value !== undefined) return ok(found.value)
    }
    return notFound(repository, layout)
  }

  source(found: FoundFile): Promise<Result<Source, Refusal>> {
    return this.#parts.store.sourceOf(found.place, found.stored)
  }

  /** The checksum of a stored file or of generated metadata, in hex. */
  async checksum(repository: Repository, layout: ChecksumPath): Promise<Result<string, Refusal>> {
    const { target, algorithm } = layout
    if (target.kind === 'metadata') {
      const generated = await this.metadata(repository, target)
      return generated.ok ? ok(digest(generated.value.bytes, algorithm)) : generated
    }
    const found = await this.file(repository, target)
    if (!found.ok) return found
    return this.#checksumOf(found.value, algorithm)
  }

  /** A `maven-metadata.xml`, derived from the records: the same bytes for the same records. */
  async metadata(
    repository: Repository,
    layout: MetadataPath,
  ): Promise<Result<Generated, Refusal>> {
    const parts: Metadata[] = []
    for (const member of membersOf(repository)) {
      const found = await this.#metadataOf(member, layout)
      if (!found.ok) return found
      parts.push(...found.value)
    }
    const merged = parts.length === 1 ? parts[0] : mergeMetadata(parts)
    if (merged === undefined) return notFound(repository, layout)
    let generated = this.#rendered.get(merged)
    if (generated === undefined) {
      generated = { bytes: renderMetadata(merged), modifiedMs: timeOf(merged.lastUpdated) }
      this.#rendered.set(merged, generated)
    }
    return ok(generated)
  }

  /** The listed versions of an artifact, ascending. */
  async versions(
    repository: Repository,
    artifact: { readonly groupId: string; readonly artifactId: string },
  ): Promise<Result<readonly string[], Refusal>> {
    const directory = `${artifact.groupId.replaceAll('.', '/')}/${artifact.artifactId}`
    const parts: Metadata[] = []
    for (const member of membersOf(repository)) {
      const facts = await this.#parts.facts.of(member.name, directory)
      if (!facts.ok) return facts
      const metadata = artifactMetadata(artifact, facts.value.files, facts.value.marks)
      if (metadata !== undefined) parts.push(metadata)
    }
    return ok(mergeMetadata(parts)?.versions ?? [])
  }

  /** Reads a large file once for each further algorithm, and remembers the sum for as long as the record stands. */
  async #checksumOf(
    found: FoundFile,
    algorithm: ChecksumAlgorithm,
  ): Promise<Result<string, Refusal>> {
    const { stored } = found
    const remembered = this.#computed.get(stored)
    const known = stored.record.sums[algorithm] ?? remembered?.get(algorithm)
    if (known !== undefined) return ok(known)
    const source = await this.source(found)
    if (!source.ok) return source
    const { blobs } = this.#parts.store
    const sum = await checksumOf(blobs, source.value, stored.record.sums, algorithm)
    if (sum.ok) this.#computed.set(stored, new Map(remembered).set(algorithm, sum.value))
    return sum
  }

  async #fileOf(
    member: HostedRepository,
    layout: ArtifactPath | OtherPath,
  ): Promise<Result<FoundFile | undefined, Refusal>> {
    const partitionKey = `${member.name}/${layout.home}`
    let place = { partitionKey, path: layout.path }
    // A release is the same on all nodes, so whoever has it may give it; that there is none takes asking.
    const known = isRelease(layout) ? this.#parts.store.known(place) : undefined
    if (known !== undefined && !isQuarantined(known.record)) return ok({ place, stored: known })
    let stored = await this.#parts.store.file(place)
    if (!stored.ok) return stored
    if (stored.value === undefined && layout.kind === 'artifact' && isLiteral(layout)) {
      const newest = await this.#newestBuild(member, layout)
      if (!newest.ok) return newest
      if (newest.value === undefined) return ok(undefined)
      place = { partitionKey, path: newest.value }
      stored = await this.#parts.store.file(place)
      if (!stored.ok) return stored
    }
    if (stored.value === undefined || isQuarantined(stored.value.record)) return ok(undefined)
    return ok({ place, stored: stored.value })
  }

  async #newestBuild(
    member: HostedRepository,
    layout: ArtifactPath,
  ): Promise<Result<string | undefined, Refusal>> {
    const facts = await this.#parts.facts.of(member.name, layout.home)
    if (!facts.ok) return facts
    const { classifier, extension } = layout.coordinates
    const file = { baseVersion: layout.baseVersion, classifier, extension }
    return ok(resolveSnapshotAlias(facts.value.files, file)?.path)
  }

  async #metadataOf(
    member: HostedRepository,
    layout: MetadataPath,
  ): Promise<Result<Metadata[], Refusal>> {
    const { level, directory } = layout
    const facts = await this.#parts.facts.of(member.name, layout.home)
    if (!facts.ok) return facts
    const derived = this.#derive(facts.value, layout)
    const found = derived === undefined ? [] : [derived]
    if (level.kind === 'version') return ok(found)
    const plugins = await this.#parts.tree.plugins(member.name, directory)
    if (!plugins.ok) return plugins
    const group = groupMetadata(plugins.value)
    return ok(group === undefined ? found : [...found, group])
  }

  /** Derives metadata once for each state of the records. What there is none of is not remembered: clients name it. */
  #derive(facts: ArtifactFacts, layout: MetadataPath): Metadata | undefined {
    let known = this.#derived.get(facts)
    if (known === undefined) {
      known = new Map()
      this.#derived.set(facts, known)
    }
    const remembered = known.get(layout.path)
    if (remembered !== undefined) return remembered
    const metadata = derive(facts, layout)
    if (metadata !== undefined) known.set(layout.path, metadata)
    return metadata
  }
}

function derive(facts: ArtifactFacts, { level }: MetadataPath): Metadata | undefined {
  if (level.kind === 'version') return snapshotMetadata(level, facts.files)
  if (level.artifact === undefined) return undefined
  return artifactMetadata(level.artifact, facts.files, facts.marks)
}

/** Milliseconds of a `yyyyMMddHHmmss`. */
function timeOf(lastUpdated: string | undefined): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(lastUpdated ?? '')
  if (parts === null) return undefined
  const [year = 0, month = 1, day, hour, minute, second] = parts.slice(1).map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/** Its readable files never change. */
function isRelease(layout: ArtifactPath | OtherPath): boolean {
  return layout.kind === 'artifact' && layout.snapshot === undefined
}

function isLiteral(layout: ArtifactPath): boolean {
  return layout.snapshot?.kind === 'literal'
}

function digest(bytes: Uint8Array, algorithm: ChecksumAlgorithm): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

function notFound(repository: Repository, layout: LayoutPath): Result<never, Refusal> {
  return err(refusal('not-found', `'${repository.name}' has no ${layout.path}.`))
}
