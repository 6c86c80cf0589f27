import type { Digest } from '../base/ids.ts'
import type { Condition, MapOperation } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from './checksum.ts'
import { bytesOf, checksumOf, type Source } from './content.ts'
import { artifactPath } from './coordinates.ts'
import type { DeployerParts, Stored, Upload, UploadOf, UploadRequest } from './deployer.ts'
import { type Content, digestOf, takeIn, tooLarge } from './intake.ts'
import type { ArtifactPath, OtherPath } from './layout.ts'
import { isImmutable } from './media-type.ts'
import { nextSnapshotBuild, timestampedVersion } from './metadata.ts'
import { POM_BYTES_MAX, parsePom } from './pom.ts'
import {
  bodyKey,
  type Claims,
  claimsKey,
  encodeRecord,
  type FileRecord,
  isQuarantined,
} from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'
import type { HeldClaims, Place, StoredFile } from './store.ts'

/** Writers of one key conflict only for as long as they overlap; more rounds than this mean that something is wrong. */
const ATTEMPTS_MAX = 20

/** The upload of an artifact's file, or of a file outside the layout. */
export class FileUpload implements Upload {
  readonly #parts: DeployerParts
  readonly #request: UploadOf<ArtifactPath | OtherPath>
  /** What was at the path when the upload began: a write under a condition finds out whether it still is. */
  readonly #before: StoredFile | undefined

  private constructor(
    parts: DeployerParts,
    request: UploadOf<ArtifactPath | OtherPath>,
    before: StoredFile | undefined,
  ) {
    this.#parts = parts
    this.#request = request
    this.#before = before
  }

  /** An existing release with another size is refused here; with the same size its bytes have to be compared. */
  static async begin(
    parts: DeployerParts,
    request: UploadOf<ArtifactPath | OtherPath>,
  ): Promise<Result<Upload, Refusal>> {
    if (request.sizeBytes !== undefined && request.sizeBytes > parts.uploadBytesMax) {
      return err(tooLarge(parts.uploadBytesMax))
    }
    const found = await parts.store.file(placeOf(request, request.path))
    if (!found.ok) return found
    const existing = found.value?.record
    const upload = new FileUpload(parts, request, found.value)
    if (existing === undefined || mayReplace(existing, request)) return ok(upload)
    const { sizeBytes, sha256 } = request
    const differs =
      isQuarantined(existing) ||
      (sizeBytes !== undefined && sizeBytes !== existing.sizeBytes) ||
      (sha256 !== undefined && sha256 !== existing.sums.sha256)
    if (differs) return err(existsRefusal(request))
    return ok(upload)
  }

  async receive(body: AsyncIterable<Uint8Array>): Promise<Result<Stored, Refusal>> {
    if (this.#before !== undefined && !mayReplace(this.#before.record, this.#request)) {
      const digest = await digestOf(body, this.#before.record.sizeBytes)
      if (digest.ok) return this.#compare(digest.value)
      return digest.error.kind === 'too-large' ? err(existsRefusal(this.#request)) : digest
    }
    const { sizeBytes, sha256 } = this.#request
    const content = await takeIn(body, this.#parts.store.blobs, {
      maxBytes: this.#parts.uploadBytesMax,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(sha256 === undefined ? {} : { sha256 }),
    })
    if (!content.ok) return content
    return this.#commit(content.value)
  }

  async #compare(digest: Digest): Promise<Result<Stored, Refusal>> {
    const found = await this.#parts.store.file(placeOf(this.#request, this.#request.path))
    if (!found.ok) return found
    if (found.value?.record.sums.sha256 !== digest) return err(existsRefusal(this.#request))
    return ok({ outcome: 'unchanged', path: this.#request.path })
  }

  /** Writes the record under the condition that nothing it was decided on has changed, again until that holds. */
  async #commit(content: Content): Promise<Result<Stored, Refusal>> {
    const packaging = await this.#packagingOf(content)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const path = await this.#pathToWrite()
      if (!path.ok) return path
      const place = placeOf(this.#request, path.value)
      const found = attempt === 0 ? ok(this.#before) : await this.#parts.store.file(place)
      if (!found.ok) return found
      const existing = found.value
      const isAssigned = path.value !== this.#request.path
      // Another upload of the literal name was given the same build meanwhile: this one needs the next.
      if (isAssigned && existing !== undefined && !isQuarantined(existing.record)) continue
      if (existing !== undefined && !mayReplace(existing.record, this.#request)) {
        if (isQuarantined(existing.record)) return err(existsRefusal(this.#request))
        return this.#compare(content.sums.sha256)
      }
      const written = await this.#write(place, content, packaging, existing)
      if (!written.ok) return written
      if (written.value === 'written') {
        return ok({ outcome: existing === undefined ? 'created' : 'replaced', path: path.value })
      }
    }
    return err(refusal('unavailable', 'The file is being changed by many at once. Try again.'))
  }

  async #write(
    place: Place,
    content: Content,
    packaging: string | undefined,
    existing: StoredFile | undefined,
  ): Promise<Result<'written' | 'changed', Refusal>> {
    const { store, tree } = this.#parts
    const { repository, path, publisher } = this.#request
    const claims = await store.claims({ ...place, path })
    if (!claims.ok) return claims
    const checked = await this.#check(content, claims.value.claims)
    if (!checked.ok) return checked
    const record: FileRecord = {
      sizeBytes: content.sizeBytes,
      timeMs: store.nowMs(),
      inline: content.source.kind === 'inline',
      sums: content.sums,
      ...checked.value,
      publisher,
      ...(packaging === undefined ? {} : { packaging }),
      ...(place.path === path ? {} : { assigned: true }),
    }
    if (existing === undefined) {
      const added = await tree.add(repository.name, this.#request.layout.home)
      if (!added.ok) return added
    }
    const written = await store.write(store.artifacts, place.partitionKey, [
      ...recordOperations(place, record, content.source, existing),
      claimsOperation(path, claims.value),
    ])
    if (written.ok) return ok('written')
    if (written.error.kind === 'conflict') return ok('changed')
    return err(storeRefusal(written.error))
  }

  /** Holds the content to the checksums that arrived before it. */
  async #check(
    content: Content,
    claims: Claims,
  ): Promise<Result<Pick<FileRecord, 'verified' | 'mismatched'>, Refusal>> {
    const verified: ChecksumAlgorithm[] = []
    const mismatched: ChecksumAlgorithm[] = []
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      const claimed = claims[algorithm]
      if (claimed === undefined) continue
      const { blobs } = this.#parts.store
      const actual = await checksumOf(blobs, content.source, content.sums, algorithm)
      if (!actual.ok) return actual
      if (actual.value === claimed) verified.push(algorithm)
      else mismatched.push(algorithm)
    }
    return ok({ verified, mismatched })
  }

  /** The request's path, or for a literal SNAPSHOT name the path with the build it becomes part of. */
  async #pathToWrite(): Promise<Result<string, Refusal>> {
    const { layout, repository, path } = this.#request
    if (layout.kind !== 'artifact' || layout.snapshot?.kind !== 'literal') return ok(path)
    const { facts, store } = this.#parts
    const known = await facts.of(repository.name, layout.home)
    if (!known.ok) return known
    const { classifier, extension } = layout.coordinates
    const file = { baseVersion: layout.baseVersion, classifier, extension }
    const build = nextSnapshotBuild(known.value.files, file, store.nowMs())
    const version = timestampedVersion(layout.baseVersion, build)
    return ok(artifactPath({ ...layout.coordinates, version }))
  }

  /** What a POM says of its packaging; undefined for other files and for a POM that cannot be read. */
  async #packagingOf(content: Content): Promise<string | undefined> {
    const { layout } = this.#request
    const isPom =
      layout.kind === 'artifact' &&
      layout.coordinates.extension === 'pom' &&
      layout.coordinates.classifier === undefined
    if (!isPom || content.sizeBytes > POM_BYTES_MAX) return undefined
    const bytes = await bytesOf(this.#parts.store.blobs, content.source)
    const pom = bytes.ok ? parsePom(bytes.value) : bytes
    return pom.ok ? pom.value.packaging : undefined
  }
}

/** A file that may change, or a quarantined one whose own publisher sends it again. */
function mayReplace(existing: FileRecord, request: UploadOf<ArtifactPath | OtherPath>): boolean {
  if (isQuarantined(existing)) return existing.publisher === request.publisher
  return !isImmutable(request.layout)
}

function recordOperations(
  place: Place,
  record: FileRecord,
  source: Source,
  existing: StoredFile | undefined,
): MapOperation[] {
  const { path } = place
  const condition: Condition = existing?.version ?? 'absent'
  const operations: MapOperation[] = [
    { kind: 'put', sortKey: path, value: encodeRecord(record), condition },
  ]
  if (source.kind === 'inline') {
    operations.push({ kind: 'put', sortKey: bodyKey(path), value: source.bytes })
  } else if (existing?.record.inline) {
    operations.push({ kind: 'delete', sortKey: bodyKey(path) })
  }
  return operations
}

/** Takes up the claims that were read, and fails if another one has come since. */
function claimsOperation(path: string, { condition }: HeldClaims): MapOperation {
  const sortKey = claimsKey(path)
  if (condition === 'absent') return { kind: 'check', sortKey, condition }
  return { kind: 'delete', sortKey, condition }
}

function placeOf(request: UploadOf<ArtifactPath | OtherPath>, path: string): Place {
  return { partitionKey: `${request.repository.name}/${request.layout.home}`, path }
}

function existsRefusal({ repository, path }: UploadRequest): Refusal {
  return refusal(
    'conflict',
    `'${repository.name}' has ${path} with other bytes, and releases never change. Deploy a new version.`,
  )
}
