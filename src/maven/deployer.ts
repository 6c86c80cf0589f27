import type { Digest } from '../base/ids.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ChecksumUpload } from './checksum-upload.ts'
import type { FactSource } from './facts.ts'
import { FileUpload } from './file-upload.ts'
import { type LayoutPath, parseLayout } from './layout.ts'
import { MetadataUpload } from './metadata-upload.ts'
import { type Refusal, refusal } from './refusal.ts'
import { checkVersionPolicy, type HostedRepository } from './repository.ts'
import type { ArtifactStore, Place } from './store.ts'
import type { Tree } from './tree.ts'

/** What uploads work on. */
export type DeployerParts = {
  readonly store: ArtifactStore
  readonly facts: FactSource
  readonly tree: Tree
  /** The largest artifact accepted, in bytes. */
  readonly uploadBytesMax: number
}

export type UploadRequest = {
  readonly repository: HostedRepository
  readonly path: string
  /** Undefined when the client does not know. */
  readonly sizeBytes: number | undefined
  /** The principal's name. */
  readonly publisher: string
  /** The SHA-256 that the client announces in the request head. */
  readonly sha256?: Digest
}

/** An upload for which all has been decided that needs no body. */
export interface Upload {
  /** Takes the body in; what it resolves with is durable. Called at most once. */
  receive(body: AsyncIterable<Uint8Array>): Promise<Result<Stored, Refusal>>
}

export type Stored = {
  /** `unchanged`: the same bytes, or the same fact, were there already. */
  readonly outcome: 'created' | 'replaced' | 'unchanged'
  /** Where it can be read: differs from the request's path for a literal SNAPSHOT upload. */
  readonly path: string
}

/** An upload whose place in the layout is known. */
export type UploadOf<L extends LayoutPath> = UploadRequest & { readonly layout: L }

/** Puts artifacts into hosted repositories, one upload at a time. */
export class Deployer {
  readonly #parts: DeployerParts

  constructor(parts: DeployerParts) {
    this.#parts = parts
  }

  /** Refuses what can be refused without the body: the client then need not send it. */
  async begin(request: UploadRequest): Promise<Result<Upload, Refusal>> {
    const layout = parseLayout(request.path)
    const allowed = checkVersionPolicy(request.repository, layout)
    if (!allowed.ok) return allowed
    switch (layout.kind) {
      case 'checksum':
        return ok(new ChecksumUpload(this.#parts, { ...request, layout }))
      case 'metadata':
        return ok(new MetadataUpload(this.#parts, { ...request, layout }))
      case 'artifact':
      case 'other':
        return FileUpload.begin(this.#parts, { ...request, layout })
    }
  }

  /**
   * Removes a file, or with a directory everything below it that belongs to one artifact. Several files are removed one
   * after the other: a reader may see some of them gone before the rest.
   */
  async remove(repository: HostedRepository, path: string): Promise<Result<void, Refusal>> {
    const layout = parseLayout(path)
    if (layout.kind === 'metadata' || layout.kind === 'checksum') {
      const made = 'The server makes this file from the artifacts; delete those.'
      return err(refusal('read-only', made))
    }
    const files = await this.#filesAt(repository, path, layout)
    if (!files.ok) return files
    if (files.value.length === 0) {
      return err(refusal('not-found', `'${repository.name}' has nothing at ${path}.`))
    }
    for (const place of files.value) {
      const removed = await this.#parts.store.removeFile(place)
      if (!removed.ok) return removed
    }
    return ok(undefined)
  }

  async #filesAt(
    repository: HostedRepository,
    path: string,
    layout: LayoutPath,
  ): Promise<Result<readonly Place[], Refusal>> {
    const { store } = this.#parts
    const place = { partitionKey: `${repository.name}/${layout.home}`, path }
    const found = await store.file(place)
    if (!found.ok) return found
    if (found.value !== undefined) return ok([place])
    const places: Place[] = []
    for (const home of [path, parentOf(path)]) {
      const partitionKey = `${repository.name}/${home}`
      const scanned = await store.scan(partitionKey, `${path}/`)
      if (!scanned.ok) return scanned
      for (const entry of scanned.value.entries) places.push({ partitionKey, path: entry.sortKey })
    }
    return ok(places)
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
