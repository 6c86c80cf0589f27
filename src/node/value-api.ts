import type { RequestId } from '../base/ids.ts'
import type { NoSpace, OutcomeUnknown, Unavailable } from '../base/port.ts'
import type { Result } from '../base/result.ts'
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
  unavailable,
  writeRefusal,
} from './client-write.ts'
import { announcesMore, readBody } from './request-body.ts'

/**
 * A store of versioned values for administrators: a key is a resource, the version of its value the ETag. GET is linearizable:
 * after a 404 the key has no acknowledged value on any node. PUT and DELETE take `If-Match` and `If-None-Match: *` as
 * compare-and-set, and `Idempotency-Key`, with which a repetition does nothing and gets the first answer, for as long as the
 * store remembers it. A request costs one operation of the store and nothing else.
 */
export class ValueApi<Key, V> {
  readonly #store: ValueStore<Key, V>
  readonly #newRequestId: () => RequestId

  constructor(store: ValueStore<Key, V>, newRequestId: () => RequestId) {
    this.#store = store
    this.#newRequestId = newRequestId
  }

  /** Answers a request for the key that `target` names as it is in the URL, or gives the reason not to. */
  async serve(exchange: Exchange, target: string): Promise<ApiRefusal | undefined> {
    if (!exchange.principal.may('administer')) return challenge(exchange.principal)
    // Dropped in silence, `a?b` would change the value of `a`.
    if (target.includes('?')) return badRequest('Write a ? in a key as %3F; there is no query.')
    const key = this.#store.keyOf(target)
    if (!key.ok) return key.error
    switch (exchange.request.method) {
      case 'GET':
      case 'HEAD':
        return this.#read(exchange, key.value)
      case 'PUT':
        return this.#put(exchange, key.value)
      case 'DELETE':
        return this.#write(exchange, key.value, undefined)
      default:
        return methodNotAllowed('GET, HEAD, PUT, DELETE')
    }
  }

  async #read({ request, response }: Exchange, key: Key): Promise<ApiRefusal | undefined> {
    const found = await this.#store.read(key)
    if (!found.ok) return unavailable(found.error)
    if (found.value === undefined) return notFound('The key has no value.')
    const { value, version } = found.value
    const etag = this.#etagOf(version)
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { ETag: etag }).end()
      return undefined
    }
    response.writeHead(200, {
      'Content-Type': this.#store.contentType,
      'Content-Length': Buffer.byteLength(value),
      ETag: etag,
    })
    // Text and not its bytes: Node sends it in one piece with the head.
    response.end(request.method === 'HEAD' ? undefined : value)
    return undefined
  }

  async #put(exchange: Exchange, key: Key): Promise<ApiRefusal | undefined> {
    const { valueBytesMax, refusalOf } = this.#store
    const { request, acceptBody } = exchange
    if (announcesMore(request, valueBytesMax)) return tooLarge(valueBytesMax)
    acceptBody()
    const body = await readBody(request, valueBytesMax)
    if (!body.ok) return body.error.kind === 'cut' ? undefined : tooLarge(valueBytesMax)
    return refusalOf(body.value) ?? this.#write(exchange, key, body.value)
  }

  /** Without a value the key is deleted. */
  async #write(
    { request, response }: Exchange,
    key: Key,
    value: Buffer | undefined,
  ): Promise<ApiRefusal | undefined> {
    const condition = conditionOf(request.headers, this.#store.parseVersion)
    if (!condition.ok) return condition.error
    const idempotencyKey = idempotencyKeyOf(request.headers, this.#newRequestId)
    if (!idempotencyKey.ok) return idempotencyKey.error
    const written = await this.#store.write(key, value, {
      condition: condition.value,
      requestId: clientRequestId(idempotencyKey.value),
    })
    if (written.ok) {
      const headers = value === undefined ? {} : { ETag: this.#etagOf(written.value) }
      response.writeHead(204, headers).end()
      return undefined
    }
    const { error } = written
    if (error.kind !== 'conflict') return writeRefusal(error, idempotencyKey.value)
    return conflict(error.current === undefined ? undefined : this.#etagOf(error.current))
  }

  #etagOf(version: V): string {
    return `"${this.#store.formatVersion(version)}"`
  }
}

/** What `ValueApi` has to know of a store: its keys and versions in a URL and an ETag, its values, its operations. */
export type ValueStore<Key, V> = {
  /** Of the values. */
  readonly contentType: string
  readonly valueBytesMax: number
  /** Of what stands in the URL, still encoded; or why no client has a key like that. */
  readonly keyOf: (target: string) => Result<Key, ApiRefusal>
  /** Why the store does not take such a value, if it does not. */
  readonly refusalOf: (value: Buffer) => ApiRefusal | undefined
  /** To digits and dots, for an ETag. */
  readonly formatVersion: (version: V) => string
  /** Undefined when it is no version of this store. */
  readonly parseVersion: (text: string) => V | undefined
  readonly read: (key: Key) => Promise<Result<VersionedValue<V> | undefined, Unavailable>>
  /** Without a value the key is deleted. `condition` is the version that it must have, if it must. */
  readonly write: (
    key: Key,
    value: Buffer | undefined,
    options: { readonly condition: V | 'absent' | undefined; readonly requestId: RequestId },
  ) => Promise<Result<V, WriteConflict<V> | Unavailable | OutcomeUnknown | NoSpace>>
}

type VersionedValue<V> = { readonly value: string | Uint8Array; readonly version: V }

type WriteConflict<V> = { readonly kind: 'conflict'; readonly current: V | undefined }

function tooLarge(valueBytesMax: number): ApiRefusal {
  const detail = `A value has at most ${valueBytesMax} bytes; larger things belong into a repository.`
  return { problem: { status: 413, title: 'Too large', detail } }
}
