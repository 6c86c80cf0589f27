import { text } from '../base/bytes.ts'
import type { Condition, MapOperation } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { CHECKSUM_FILE_BYTES_MAX, parseChecksumFile } from './checksum.ts'
import { checksumOf } from './content.ts'
import type { DeployerParts, Stored, Upload, UploadOf } from './deployer.ts'
import { readBody } from './intake.ts'
import type { ArtifactPath, ChecksumPath, OtherPath } from './layout.ts'
import { resolveSnapshotAlias } from './metadata.ts'
import { claimsKey, completeKey, encodeClaims, encodeRecord, type FileRecord } from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'
import type { Place, StoredFile } from './store.ts'

const ATTEMPTS_MAX = 20

/**
 * The upload of a checksum file. It is never stored as a file: checksums are served from what was computed. What arrives
 * is compared, and a mismatch hides the artifact from readers, because Maven takes no notice of a refused checksum.
 */
export class ChecksumUpload implements Upload {
  readonly #parts: DeployerParts
  readonly #request: UploadOf<ChecksumPath>

  constructor(parts: DeployerParts, request: UploadOf<ChecksumPath>) {
    this.#parts = parts
    this.#request = request
  }

  async receive(body: AsyncIterable<Uint8Array>): Promise<Result<Stored, Refusal>> {
    const { target, algorithm } = this.#request.layout
    const bytes = await readBody(body, CHECKSUM_FILE_BYTES_MAX)
    if (!bytes.ok) return bytes
    // Metadata is the server's own, so its checksums are too.
    if (target.kind === 'metadata') return ok({ outcome: 'unchanged', path: target.path })
    const claimed = parseChecksumFile(textOf(bytes.value), algorithm)
    if (!claimed.ok) return err(refusal('invalid', claimed.error.detail))
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const done = await this.#apply(target, claimed.value)
      if (!done.ok) return done
      if (done.value !== 'changed') return ok(done.value)
    }
    return err(refusal('unavailable', 'The file is being changed by many at once. Try again.'))
  }

  async #apply(
    target: ArtifactPath | OtherPath,
    claimed: string,
  ): Promise<Result<Stored | 'changed', Refusal>> {
    const path = await this.#storedPath(target)
    if (!path.ok) return path
    const place = {
      partitionKey: `${this.#request.repository.name}/${target.home}`,
      path: path.value,
    }
    const found = await this.#parts.store.file(place)
    if (!found.ok) return found
    if (found.value === undefined) return this.#hold(place, claimed)
    return this.#verify(target, place, found.value, claimed)
  }

  /** The file has not come yet: parallel clients and proxies reorder. It is held to this when it does. */
  async #hold(place: Place, claimed: string): Promise<Result<Stored | 'changed', Refusal>> {
    const held = await this.#parts.store.claims(place)
    if (!held.ok) return held
    const { claims, condition } = held.value
    const value = encodeClaims({ ...claims, [this.#request.layout.algorithm]: claimed })
    return this.#write(place, 'created', [
      { kind: 'check', sortKey: place.path, condition: 'absent' },
      { kind: 'put', sortKey: claimsKey(place.path), value, condition },
    ])
  }

  async #verify(
    target: ArtifactPath | OtherPath,
    place: Place,
    stored: StoredFile,
    claimed: string,
  ): Promise<Result<Stored | 'changed', Refusal>> {
    const { algorithm } = this.#request.layout
    const { record, version } = stored
    const actual = await this.#actual(place, stored)
    if (!actual.ok) return actual
    if (actual.value === claimed) {
      // Once the file is vouched for and the sum is known, there is nothing to remember.
      const isKnown = record.verified.length > 0 && record.sums[algorithm] !== undefined
      if (isKnown && !record.mismatched.includes(algorithm)) {
        const outcome = record.verified.includes(algorithm) ? 'unchanged' : 'created'
        return ok({ outcome, path: place.path })
      }
      const sums = { ...record.sums, [algorithm]: actual.value }
      const verified = [...record.verified.filter((one) => one !== algorithm), algorithm]
      const mismatched = record.mismatched.filter((one) => one !== algorithm)
      return this.#write(place, 'created', [
        putRecord(place, { ...record, sums, verified, mismatched }, version),
      ])
    }
    const settled = await this.#isSettled(target, place, record)
    if (!settled.ok) return settled
    const mismatch = `The ${algorithm} of ${place.path} is ${actual.value}, not ${claimed}.`
    if (settled.value) return err(refusal('conflict', `${mismatch} Nothing was changed.`))
    const quarantined = { ...record, mismatched: [...new Set([...record.mismatched, algorithm])] }
    const written = await this.#write(place, 'created', [putRecord(place, quarantined, version)])
    if (!written.ok || written.value === 'changed') return written
    return err(
      refusal(
        'conflict',
        `${mismatch} The file is hidden until it is uploaded again or its checksum is corrected.`,
      ),
    )
  }

  /** Once a checksum has matched, or the release is complete, a wrong checksum is the sender's problem only. */
  async #isSettled(
    target: ArtifactPath | OtherPath,
    place: Place,
    record: FileRecord,
  ): Promise<Result<boolean, Refusal>> {
    if (record.verified.length > 0 || record.publisher !== this.#request.publisher) return ok(true)
    if (target.kind !== 'artifact' || target.snapshot !== undefined) return ok(false)
    const key = completeKey(target.home, target.baseVersion)
    const found = await this.#parts.store.artifacts.get(place.partitionKey, key)
    return found.ok ? ok(found.value !== undefined) : err(storeRefusal(found.error))
  }

  async #actual(place: Place, stored: StoredFile): Promise<Result<string, Refusal>> {
    const { algorithm } = this.#request.layout
    const { record } = stored
    const known = record.sums[algorithm]
    if (known !== undefined) return ok(known)
    const { store } = this.#parts
    const source = await store.sourceOf(place, stored)
    if (!source.ok) return source
    return checksumOf(store.blobs, source.value, record.sums, algorithm)
  }

  /** Where the file is: a literal SNAPSHOT upload was stored under the build that it became part of. */
  async #storedPath(target: ArtifactPath | OtherPath): Promise<Result<string, Refusal>> {
    if (target.kind !== 'artifact' || target.snapshot?.kind !== 'literal') return ok(target.path)
    const facts = await this.#parts.facts.of(this.#request.repository.name, target.home)
    if (!facts.ok) return facts
    const { classifier, extension } = target.coordinates
    const assigned = facts.value.files.filter((fact) => fact.literal)
    const newest = resolveSnapshotAlias(
      assigned.map((fact) => ({ ...fact, quarantined: false })),
      { baseVersion: target.baseVersion, classifier, extension },
    )
    return ok(newest?.path ?? target.path)
  }

  async #write(
    place: Place,
    outcome: Stored['outcome'],
    operations: readonly MapOperation[],
  ): Promise<Result<Stored | 'changed', Refusal>> {
    const { store } = this.#parts
    const written = await store.write(store.artifacts, place.partitionKey, operations)
    if (written.ok) return ok({ outcome, path: place.path })
    return written.error.kind === 'conflict' ? ok('changed') : err(storeRefusal(written.error))
  }
}

function putRecord(place: Place, record: FileRecord, condition: Condition): MapOperation {
  return { kind: 'put', sortKey: place.path, value: encodeRecord(record), condition }
}

/** A checksum file is ASCII; anything else is refused by its parser, not by the decoder. */
function textOf(bytes: Uint8Array): string {
  try {
    return text(bytes)
  } catch {
    return ''
  }
}
