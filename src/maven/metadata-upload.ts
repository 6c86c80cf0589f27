import { utf8 } from '../base/bytes.ts'
import type { MapOperation } from '../base/port.ts'
import { OPERATIONS_MAX } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { DeployerParts, Stored, Upload, UploadOf } from './deployer.ts'
import type { ArtifactFacts } from './facts.ts'
import { readBody } from './intake.ts'
import type { MetadataPath } from './layout.ts'
import { type FileFact, timestampedVersion } from './metadata.ts'
import { METADATA_BYTES_MAX, type MetadataHint, parseMetadataHint } from './metadata-hint.ts'
import { completeKey } from './record.ts'
import { type Refusal, refusal, storeRefusal } from './refusal.ts'
import { isSnapshot, sortVersions } from './version.ts'

/** Each is an entry of its group's directory, with the artifactId in its key. Real ones have some hundred bytes. */
const PLUGIN_BYTES_MAX = 1_024

/**
 * The upload of a `maven-metadata.xml`. The server derives metadata from the artifacts, so this is only a hint: it tells
 * that the versions it names are complete, and which plugin prefixes a group has. It is also the one request whose refusal
 * fails a Maven build, so it is refused when a file of the version did not match its checksum.
 */
export class MetadataUpload implements Upload {
  readonly #parts: DeployerParts
  readonly #request: UploadOf<MetadataPath>

  constructor(parts: DeployerParts, request: UploadOf<MetadataPath>) {
    this.#parts = parts
    this.#request = request
  }

  async receive(body: AsyncIterable<Uint8Array>): Promise<Result<Stored, Refusal>> {
    const bytes = await readBody(body, METADATA_BYTES_MAX)
    if (!bytes.ok) return bytes
    const hint = parseMetadataHint(bytes.value)
    if (!hint.ok) return err(refusal('invalid', hint.error.detail))
    const belongs = this.#checkCoordinates(hint.value)
    if (!belongs.ok) return belongs
    const done = await this.#take(hint.value)
    return done.ok ? ok({ outcome: 'replaced', path: this.#request.path }) : done
  }

  async #take(hint: MetadataHint): Promise<Result<void, Refusal>> {
    const { repository, layout } = this.#request
    const facts = await this.#parts.facts.of(repository.name, layout.home)
    if (!facts.ok) return facts
    if (layout.level.kind === 'version') {
      return refuseQuarantined(filesOfBuild(facts.value.files, layout.level.baseVersion, hint))
    }
    if (hint.plugins.some((plugin) => utf8(JSON.stringify(plugin)).length > PLUGIN_BYTES_MAX)) {
      const detail = `A plugin's name, prefix and artifactId have at most ${PLUGIN_BYTES_MAX} bytes.`
      return err(refusal('invalid', detail))
    }
    for (const plugin of hint.plugins) {
      const added = await this.#parts.tree.addPlugin(repository.name, layout.directory, plugin)
      if (!added.ok) return added
    }
    return this.#complete(facts.value, hint)
  }

  /** Marks the named versions that have files and are not marked yet. */
  async #complete(facts: ArtifactFacts, hint: MetadataHint): Promise<Result<void, Refusal>> {
    const marked = new Set(facts.marks.map((mark) => mark.version))
    const present = new Set(facts.files.map((file) => file.baseVersion))
    const fresh = hint.versions.filter((version) => present.has(version) && !marked.has(version))
    const files = fresh.flatMap((version) => filesOfBuild(facts.files, version, hint))
    const sound = refuseQuarantined(files)
    if (!sound.ok) return sound
    const { store } = this.#parts
    const value = utf8(String(store.nowMs()))
    const { home } = this.#request.layout
    const partitionKey = `${this.#request.repository.name}/${home}`
    for (let at = 0; at < fresh.length; at += OPERATIONS_MAX) {
      const operations: MapOperation[] = fresh
        .slice(at, at + OPERATIONS_MAX)
        .map((version) => ({ kind: 'put', sortKey: completeKey(home, version), value }))
      const written = await store.write(store.artifacts, partitionKey, operations)
      if (!written.ok) return err(storeRefusal(written.error))
    }
    return ok(undefined)
  }

  /** Metadata of other coordinates in this place is a client's mistake that would mislead every reader. */
  #checkCoordinates(hint: MetadataHint): Result<void, Refusal> {
    const { level } = this.#request.layout
    const { groupId, artifactId, version } = hint
    const expected =
      level.kind === 'version'
        ? [level]
        : [
            { groupId: level.groupId, artifactId: undefined },
            ...(level.artifact ? [level.artifact] : []),
          ]
    const fits = expected.some(
      (one) =>
        (groupId === undefined || groupId === one.groupId) &&
        (artifactId === undefined || artifactId === one.artifactId),
    )
    const versionFits =
      level.kind !== 'version' || version === undefined || version === level.baseVersion
    if (fits && versionFits) return ok(undefined)
    const named = [groupId, artifactId, version].filter((part) => part !== undefined).join(':')
    return err(
      refusal(
        'invalid',
        `This metadata is of ${named}, which does not belong at ${this.#request.path}.`,
      ),
    )
  }
}

/**
 * The files that the metadata vouches for: of a release all, of a SNAPSHOT those of the builds that it names and of the
 * newest one. What is wrong with an older build is no matter of this deploy, and stays so.
 */
function filesOfBuild(
  files: readonly FileFact[],
  baseVersion: string,
  { snapshot, snapshotVersions }: MetadataHint,
): readonly FileFact[] {
  const ofVersion = files.filter((file) => file.baseVersion === baseVersion)
  if (!isSnapshot(baseVersion)) return ofVersion
  const named = new Set(snapshotVersions.map(({ value }) => value))
  if (snapshot !== undefined) named.add(timestampedVersion(baseVersion, snapshot))
  const newest = sortVersions(ofVersion.map((file) => file.fileVersion)).at(-1)
  return ofVersion.filter(({ fileVersion }) => fileVersion === newest || named.has(fileVersion))
}

function refuseQuarantined(files: readonly FileFact[]): Result<void, Refusal> {
  const bad = files.find((file) => file.quarantined)
  if (bad === undefined) return ok(undefined)
  return err(
    refusal(
      'conflict',
      `${bad.path} does not match its uploaded checksum. Deploy the version again.`,
    ),
  )
}
