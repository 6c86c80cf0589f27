import type { IncomingHttpHeaders } from 'node:http'
import type { RequestId } from '../base/ids.ts'
import {
  type Condition,
  KEY_BYTES_MAX,
  type MapOperation,
  type MapSpace,
  VALUE_BYTES_MAX,
  type Version,
} from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Exchange } from '../slice/index.ts'
import {
  type ApiRefusal,
  badRequest,
  challenge,
  methodNotAllowed,
  notFound,
} from './api-refusal.ts'
import {
  clientRequestId,
  conditionOf,
  conflict,
  idempotencyKeyOf,
  percentDecoded,
  unavailable,
  writeRefusal,
} from './client-write.ts'
import { announcesMore, readBody } from './request-body.ts'

/**
 * The replicated map for administrators: an entry is a resource, its version the ETag. GET is linearizable: after a 404 the
 * entry has no acknowledged value on any node. PUT and DELETE take `If-Match` and `If-None-Match: *` as compare-and-set, and
 * `Idempotency-Key`, with which a repetition does nothing and gets the first answer, for the next hundred writes.
 *
 * Only the space `user` is reachable, never those of services. A request costs one operation of the map and nothing else.
 */
export class MapApi {
  readonly #space: MapSpace
  readonly #newRequestId: () => RequestId

  /** `space` is `USER_SPACE`. */
  constructor(space: MapSpace, newRequestId: () => RequestId) {
    this.#space = space
    this.#newRequestId = newRequestId
  }

  /** Answers a request for the entry that `target` names as it is in the URL, or gives the reason not to. */
  async serve(exchange: Exchange, target: string): Promise<ApiRefusal | undefined> {
    if (!exchange.principal.may('administer')) return challenge(exchange.principal)
    const place = placeOf(target)
    if (!place.ok) return place.error
    switch (exchange.request.method) {
      case 'GET':
      case 'HEAD':
        return this.#read(exchange, place.value)
      case 'PUT':
        return this.#put(exchange, place.value)
      case 'DELETE':
        return this.#write(exchange, place.value, undefined)
      default:
        return methodNotAllowed('GET, HEAD, PUT, DELETE')
    }
  }

  async #read(
    { request, response }: Exchange,
    { partitionKey, sortKey }: EntryPlace,
  ): Promise<ApiRefusal | undefined> {
    const found = await this.#space.get(partitionKey, sortKey)
    if (!found.ok) return unavailable(found.error)
    if (found.value === undefined) return notFound('The entry has no value.')
    const { value, version } = found.value
    const etag = etagOf(version)
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { ETag: etag }).end()
      return undefined
    }
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': value.length,
      ETag: etag,
    })
    response.end(request.method === 'HEAD' ? undefined : value)
    return undefined
  }

  async #put(exchange: Exchange, place: EntryPlace): Promise<ApiRefusal | undefined> {
    const { request, acceptBody } = exchange
    if (announcesMore(request, VALUE_BYTES_MAX)) return TOO_LARGE
    acceptBody()
    const body = await readBody(request, VALUE_BYTES_MAX)
    if (!body.ok) return body.error.kind === 'cut' ? undefined : TOO_LARGE
    return this.#write(exchange, place, body.value)
  }

  /** Without a value the entry is deleted. */
  async #write(
    { request, response }: Exchange,
    { partitionKey, sortKey }: EntryPlace,
    value: Uint8Array | undefined,
  ): Promise<ApiRefusal | undefined> {
    const condition = expectedOf(request.headers)
    if (!condition.ok) return condition.error
    const idempotencyKey = idempotencyKeyOf(request.headers, this.#newRequestId)
    if (!idempotencyKey.ok) return idempotencyKey.error
    const expected = condition.value === undefined ? {} : { condition: condition.value }
    const operation: MapOperation =
      value === undefined
        ? { kind: 'delete', sortKey, ...expected }
        : { kind: 'put', sortKey, value, ...expected }
    const written = await this.#space.write(partitionKey, [operation], {
      requestId: clientRequestId(idempotencyKey.value),
    })
    if (written.ok) {
      const headers = value === undefined ? {} : { ETag: etagOf(written.value.version) }
      response.writeHead(204, headers).end()
      return undefined
    }
    const { error } = written
    if (error.kind !== 'conflict') return writeRefusal(error, idempotencyKey.value)
    return conflict(error.current && etagOf(error.current))
  }
}

/** The only space that is reachable from outside. */
export const USER_SPACE = 'user'

type EntryPlace = { readonly partitionKey: string; readonly sortKey: string }

const TOO_LARGE: ApiRefusal = {
  problem: {
    status: 413,
    title: 'Too large',
    detail: `A value has at most ${VALUE_BYTES_MAX} bytes; larger things belong into a repository.`,
  },
}

/** `user/<partition key>/<sort key>`: a slash ends the partition key unless it is encoded; the sort key may have any. */
function placeOf(target: string): Result<EntryPlace, ApiRefusal> {
  // Dropped in silence, `a?b` would change the value of `a`.
  if (target.includes('?')) return err(badRequest('Write a ? in a key as %3F; there is no query.'))
  const [, space, partition, sort] = /^([^/]*)\/([^/]*)\/(.+)$/s.exec(target) ?? []
  if (space !== USER_SPACE || !partition || sort === undefined) {
    const detail = 'Clients have /api/v1/map/user/<partition key>/<sort key>.'
    return err({ problem: { status: 403, title: 'Not an entry of clients', detail } })
  }
  const partitionKey = percentDecoded(partition)
  const sortKey = percentDecoded(sort)
  if (partitionKey === undefined || sortKey === undefined) {
    return err(badRequest('The key is not percent-encoded UTF-8.'))
  }
  if ([partitionKey, sortKey].some((key) => Buffer.byteLength(key) > KEY_BYTES_MAX)) {
    return err(badRequest(`A key has at most ${KEY_BYTES_MAX} bytes in UTF-8.`))
  }
  return ok({ partitionKey, sortKey })
}

function expectedOf(headers: IncomingHttpHeaders): Result<Condition | undefined, ApiRefusal> {
  return conditionOf<Version>(headers, (tag) => {
    const [, epoch, seq] = /^(\d{1,10})\.(\d{1,15})$/.exec(tag) ?? []
    return epoch === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) }
  })
}

function etagOf({ epoch, seq }: Version): string {
  return `"${epoch}.${seq}"`
}
