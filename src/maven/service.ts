import type { Digest } from '../base/ids.ts'
import { err, ok, type Result } from '../base/result.ts'
import { pieces } from './content.ts'
import { artifactPath, type Coordinates, parseCoordinates } from './coordinates.ts'
import type { Deployer, Stored } from './deployer.ts'
import { type ArtifactPath, parseLayout } from './layout.ts'
import type { Reader } from './reader.ts'
import { type Refusal, refusal } from './refusal.ts'
import type { Repositories } from './repository.ts'
import type { ArtifactStore } from './store.ts'

export type ServiceParts = {
  readonly repositories: Repositories
  readonly reader: Reader
  readonly deployer: Deployer
  readonly store: ArtifactStore
}

/** The bytes of an artifact, read as they are asked for. A piece is valid only until the next one is asked for. */
export type Resolved = {
  readonly sizeBytes: number
  readonly sha256: Digest
  readonly bytes: AsyncIterable<Uint8Array>
}

/**
 * The repository as other slices call it: the four operations of the platform's artifact service. Coordinates are text in
 * Maven's form (`g:a:v`, `g:a:extension:v`, `g:a:extension:classifier:v`).
 */
export class ArtifactService {
  readonly #parts: ServiceParts

  constructor(parts: ServiceParts) {
    this.#parts = parts
  }

  /** Stores an artifact; durable and readable when it resolves with ok. Sending the same bytes again is no error. */
  async deploy(
    repository: string,
    coordinates: string,
    content: AsyncIterable<Uint8Array>,
    publisher: string,
  ): Promise<Result<Stored, Refusal>> {
    const path = pathOf(coordinates)
    if (!path.ok) return path
    const hosted = this.#parts.repositories.findHosted(repository)
    if (!hosted.ok) return hosted
    const upload = await this.#parts.deployer.begin({
      repository: hosted.value,
      path: path.value.path,
      sizeBytes: undefined,
      publisher,
    })
    return upload.ok ? upload.value.receive(content) : upload
  }

  async resolve(repository: string, coordinates: string): Promise<Result<Resolved, Refusal>> {
    const path = pathOf(coordinates)
    if (!path.ok) return path
    const found = this.#parts.repositories.find(repository)
    if (!found.ok) return found
    const file = await this.#parts.reader.file(found.value, path.value)
    if (!file.ok) return file
    const source = await this.#parts.reader.source(file.value)
    if (!source.ok) return source
    const { sizeBytes, sums } = file.value.stored.record
    const bytes = pieces(this.#parts.store.blobs, source.value)
    return ok({ sizeBytes, sha256: sums.sha256, bytes })
  }

  /** The listed versions, ascending in Maven's order; empty when the artifact is unknown. */
  async versions(
    repository: string,
    groupId: string,
    artifactId: string,
  ): Promise<Result<readonly string[], Refusal>> {
    const found = this.#parts.repositories.find(repository)
    return found.ok ? this.#parts.reader.versions(found.value, { groupId, artifactId }) : found
  }

  async exists(repository: string, coordinates: string): Promise<Result<boolean, Refusal>> {
    const path = pathOf(coordinates)
    if (!path.ok) return path
    const found = this.#parts.repositories.find(repository)
    if (!found.ok) return found
    const file = await this.#parts.reader.file(found.value, path.value)
    if (file.ok) return ok(true)
    return file.error.kind === 'not-found' ? ok(false) : file
  }
}

function pathOf(text: string): Result<ArtifactPath, Refusal> {
  const parsed = parseCoordinates(text)
  if (!parsed.ok) return err(refusal('invalid', parsed.error.detail))
  const coordinates: Coordinates = parsed.value
  const layout = parseLayout(artifactPath(coordinates))
  if (layout.kind === 'artifact') return ok(layout)
  return err(refusal('invalid', `'${text}' names no artifact's file.`))
}
