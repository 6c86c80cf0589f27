import type { IncomingMessage } from 'node:http'
import { isDigest } from '../base/ids.ts'
import type { Exchange } from '../slice/index.ts'
import { sendBytes, sendFile } from './answer.http.ts'
import { bodyOf } from './body.http.ts'
import type { Deployer, Stored, UploadRequest } from './deployer.ts'
import { fileHead, generatedHead, type Head } from './head.http.ts'
import { parseLayout } from './layout.ts'
import { listDirectory, renderListing } from './listing.ts'
import { parseRequestUrl, type RequestPath } from './path.ts'
import { challengeProblem, problemOf } from './problem.http.ts'
import type { FoundFile, Reader } from './reader.ts'
import { type Refusal, refusal } from './refusal.ts'
import type { HostedRepository, Repositories, Repository } from './repository.ts'
import type { ArtifactStore, StoredFile } from './store.ts'
import type { Tree } from './tree.ts'

export type MavenHttpParts = {
  readonly repositories: Repositories
  readonly reader: Reader
  readonly deployer: Deployer
  readonly store: ArtifactStore
  readonly tree: Tree
}

/** Each holds at most some hundred kilobytes, so this bounds the memory of all uploads together. */
const UPLOADS_MAX = 512

const METHODS = 'GET, HEAD, PUT, DELETE'

/** `/repository/<name>/<path>`: the protocol that Maven, Gradle and the others speak. */
export class MavenHttp {
  readonly #parts: MavenHttpParts
  #uploads = 0
  readonly #heads = new WeakMap<StoredFile, { path: string; head: Head }>()

  constructor(parts: MavenHttpParts) {
    this.#parts = parts
  }

  readonly handle = async (exchange: Exchange): Promise<void> => {
    const answered = await this.#dispatch(exchange)
    if (answered !== undefined) refuse(exchange, answered)
  }

  /** Answers, or returns why not. */
  async #dispatch(exchange: Exchange): Promise<Refusal | undefined> {
    const { request } = exchange
    const parsed = parseRequestUrl(request.url ?? '')
    if (!parsed.ok) return refusal('invalid', parsed.error.detail)
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#read(exchange, parsed.value)
      case 'PUT':
        return this.#write(exchange, parsed.value)
      case 'DELETE':
        return this.#remove(exchange, parsed.value)
      default:
        exchange.refuse(
          {
            status: 405,
            title: 'Method not allowed',
            detail: `A repository answers to ${METHODS}.`,
          },
          { Allow: METHODS },
        )
        return undefined
    }
  }

  async #read(exchange: Exchange, target: RequestPath): Promise<Refusal | undefined> {
    if (!exchange.principal.may('read')) return challenge(exchange)
    const found = this.#parts.repositories.find(target.repository)
    if (!found.ok) return found.error
    const repository = found.value
    if (target.isDirectory) return this.#list(exchange, target, repository)
    if (target.path === '') {
      // The links of a listing are relative to its slash.
      exchange.response
        .writeHead(301, { Location: `${repository.name}/`, 'Content-Length': 0 })
        .end()
      return undefined
    }
    const layout = parseLayout(target.path)
    const { reader } = this.#parts
    if (layout.kind === 'checksum') {
      const sum = await reader.checksum(repository, layout)
      if (!sum.ok) return sum.error
      const bytes = Buffer.from(sum.value)
      sendBytes(exchange, generatedHead('text/plain', bytes), bytes)
      return undefined
    }
    if (layout.kind === 'metadata') {
      const made = await reader.metadata(repository, layout)
      if (!made.ok) return made.error
      const { bytes, modifiedMs } = made.value
      sendBytes(exchange, generatedHead('application/xml', bytes, modifiedMs), bytes)
      return undefined
    }
    const file = await reader.file(repository, layout)
    if (!file.ok) return file.error
    return this.#sendFound(exchange, file.value, target.path)
  }

  async #sendFound(
    exchange: Exchange,
    found: FoundFile,
    path: string,
  ): Promise<Refusal | undefined> {
    const head = this.#headOf(found, path)
    const { record } = found.stored
    if (!record.inline) {
      return sendFile(exchange, head, this.#parts.store.blobs, record.sums.sha256)
    }
    const source = await this.#parts.reader.source(found)
    if (!source.ok) return source.error
    if (source.value.kind === 'inline') sendBytes(exchange, head, source.value.bytes)
    return undefined
  }

  async #list(
    exchange: Exchange,
    target: RequestPath,
    repository: Repository,
  ): Promise<Refusal | undefined> {
    const children = await listDirectory(this.#parts, repository, target.path)
    if (!children.ok) return children.error
    if (children.value === undefined && target.path !== '') {
      return refusal('not-found', `'${repository.name}' has no directory ${target.path}/.`)
    }
    const page = Buffer.from(renderListing(repository.name, target.path, children.value ?? []))
    sendBytes(exchange, generatedHead('text/html; charset=utf-8', page), page)
    return undefined
  }

  async #write(exchange: Exchange, target: RequestPath): Promise<Refusal | undefined> {
    const { request, principal } = exchange
    const hosted = this.#parts.repositories.findHosted(target.repository)
    if (!principal.may('deploy')) return challenge(exchange)
    if (!hosted.ok) return hosted.error
    if (hosted.value.adminOnly && !principal.may('administer')) return challenge(exchange)
    if (target.isDirectory || target.path === '') {
      return refusal('invalid', 'A file cannot be stored under the name of a directory.')
    }
    const announced = announcementOf(request)
    if ('kind' in announced) return announced
    if (this.#uploads >= UPLOADS_MAX) {
      return refusal('unavailable', `${UPLOADS_MAX} uploads are under way already. Try again.`)
    }
    this.#uploads += 1
    try {
      return await this.#upload(exchange, hosted.value, target.path, announced)
    } finally {
      this.#uploads -= 1
    }
  }

  async #upload(
    exchange: Exchange,
    repository: HostedRepository,
    path: string,
    announced: Announcement,
  ): Promise<Refusal | undefined> {
    const { request, principal } = exchange
    const upload = await this.#parts.deployer.begin({
      repository,
      path,
      publisher: principal.name,
      ...announced,
    })
    if (!upload.ok) return upload.error
    exchange.acceptBody()
    const stored = await upload.value.receive(bodyOf(request))
    if (!stored.ok) return stored.error
    answerStored(exchange, stored.value)
    return undefined
  }

  async #remove(exchange: Exchange, target: RequestPath): Promise<Refusal | undefined> {
    const { response, principal } = exchange
    const hosted = this.#parts.repositories.findHosted(target.repository)
    if (!principal.may('delete')) return challenge(exchange)
    if (!hosted.ok) return hosted.error
    if (hosted.value.adminOnly && !principal.may('administer')) return challenge(exchange)
    if (target.path === '') return refusal('policy', 'A repository cannot be deleted as a whole.')
    const removed = await this.#parts.deployer.remove(hosted.value, target.path)
    if (!removed.ok) return removed.error
    response.writeHead(204).end()
    return undefined
  }

  /** A file has one head unless it is read under its SNAPSHOT name too; the last one used is kept. */
  #headOf({ stored }: FoundFile, path: string): Head {
    const known = this.#heads.get(stored)
    if (known?.path === path) return known.head
    const head = fileHead(parseLayout(path), stored.record)
    this.#heads.set(stored, { path, head })
    return head
  }
}

type Announcement = Pick<UploadRequest, 'sizeBytes' | 'sha256'>

/** What the request head says about the body. */
function announcementOf(request: IncomingMessage): Announcement | Refusal {
  const { headers } = request
  if (headers['content-encoding'] !== undefined || headers['content-range'] !== undefined) {
    return refusal(
      'invalid',
      'Send the whole file as it is: no Content-Encoding, no Content-Range.',
    )
  }
  const length = headers['content-length']
  const sizeBytes = length === undefined ? undefined : Number(length)
  const sha256 = headers['x-checksum-sha256']
  if (sha256 === undefined) return { sizeBytes }
  const digest = String(sha256).toLowerCase()
  if (isDigest(digest)) return { sizeBytes, sha256: digest }
  return refusal('invalid', 'X-Checksum-SHA256 is not 64 hex digits.')
}

function answerStored({ response }: Exchange, { outcome }: Stored): void {
  response.writeHead(outcome === 'created' ? 201 : 200, { 'Content-Length': 0 }).end()
}

function refuse(exchange: Exchange, why: Refusal): void {
  const { problem, headers } = problemOf(why)
  exchange.refuse(problem, headers)
}

/** Without credentials: asks for them (Maven sends none before). With credentials that do not suffice: says so. */
function challenge(exchange: Exchange): undefined {
  const { problem, headers } = challengeProblem(exchange.principal)
  exchange.refuse(problem, headers)
  return undefined
}
