import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { RequestId } from '../base/ids.ts'
import {
  type ControlOperation,
  type ControlPrecondition,
  type ControlStore,
  KEY_BYTES_MAX,
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
 * The control store for administrators: a key is a resource, its revision the ETag. GET is linearizable: after a 404 the
 * key has no acknowledged value on any node. PUT and DELETE take `If-Match` and `If-None-Match: *` as compare-and-set, and
 * `Idempotency-Key`, with which a repetition does nothing and gets the first answer, for the next thousand writes.
 *
 * Only keys below `user/` are reachable, never the platform's own. A request costs one operation of the store and nothing
 * else.
 */
export class ControlApi {
  readonly #control: ControlStore
  readonly #newRequestId: () => RequestId

  constructor(control: ControlStore, newRequestId: () => RequestId) {
    this.#control = control
    this.#newRequestId = newRequestId
  }

  /** Answers a request for the key that `target` names as it is in the URL, or gives the reason not to. */
  async serve(exchange: Exchange, target: string): Promise<ApiRefusal | undefined> {
    if (!exchange.principal.may('administer')) return challenge(exchange.principal)
    const key = keyOf(target)
    if (!key.ok) return key.error
    switch (exchange.request.method) {
      case 'GET':
      case 'HEAD':
        return this.#read(exchange, key.value)
      case 'PUT':
        return this.#put(exchange, key.value)
      case 'DELETE':
        return this.#write(exchange, { kind: 'delete', key: key.value })
      default:
        return methodNotAllowed('GET, HEAD, PUT, DELETE')
    }
  }

  async #read({ request, response }: Exchange, key: string): Promise<ApiRefusal | undefined> {
    const found = await this.#control.get(key)
    if (!found.ok) return unavailable(found.error)
    if (found.value === undefined) return notFound(`The key ${key} has no value.`)
    const { value, revision } = found.value
    const etag = etagOf(revision)
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { ETag: etag }).end()
      return undefined
    }
    response.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(value),
      ETag: etag,
    })
    // Text and not its bytes: Node sends it in one piece with the head.
    response.end(request.method === 'HEAD' ? undefined : value)
    return undefined
  }

  async #put(exchange: Exchange, key: string): Promise<ApiRefusal | undefined> {
    const { request, acceptBody } = exchange
    if (announcesMore(request, VALUE_BYTES_MAX)) return TOO_LARGE
    acceptBody()
    const body = await readBody(request, VALUE_BYTES_MAX)
    if (!body.ok) return body.error.kind === 'cut' ? undefined : TOO_LARGE
    if (!isUtf8(body.value)) return NOT_TEXT
    return this.#write(exchange, { kind: 'put', key, value: body.value.toString() })
  }

  async #write(
    { request, response }: Exchange,
    operation: ControlOperation,
  ): Promise<ApiRefusal | undefined> {
    const preconditions = preconditionsOf(request.headers, operation.key)
    if (!preconditions.ok) return preconditions.error
    const idempotencyKey = idempotencyKeyOf(request.headers, this.#newRequestId)
    if (!idempotencyKey.ok) return idempotencyKey.error
    const written = await this.#control.write([operation], {
      preconditions: preconditions.value,
      requestId: clientRequestId(idempotencyKey.value),
    })
    if (!written.ok) {
      const { error } = written
      if (error.kind !== 'conflict') return writeRefusal(error, idempotencyKey.value)
      return conflict(error.current === undefined ? undefined : etagOf(error.current))
    }
    response.writeHead(204, operation.kind === 'put' ? { ETag: etagOf(written.value) } : {}).end()
    return undefined
  }
}

/** The only keys that are reachable from outside. */
const USER_KEYS = 'user/'

/** Of the port: values are in the memory of every node. */
const VALUE_BYTES_MAX = 64 * 1_024

const TOO_LARGE: ApiRefusal = {
  problem: {
    status: 413,
    title: 'Too large',
    detail: `A value has at most ${VALUE_BYTES_MAX} bytes; larger things belong into a repository.`,
  },
}

const NOT_TEXT = badRequest('A value is text in UTF-8: encode other bytes, for instance as Base64.')

function etagOf(revision: number): string {
  return `"${revision}"`
}

/** Decoded once and never interpreted: a key is text, in which `..` means nothing. */
function keyOf(target: string): Result<string, ApiRefusal> {
  // Dropped in silence, `a?b` would change the value of `a`.
  if (target.includes('?')) return err(badRequest('Write a ? in a key as %3F; there is no query.'))
  const key = percentDecoded(target)
  if (key === undefined) return err(badRequest('The key is not percent-encoded UTF-8.'))
  if (!key.startsWith(USER_KEYS) || key.length === USER_KEYS.length) {
    const detail = 'Clients have the keys below user/, such as /api/v1/control/user/name.'
    return err({ problem: { status: 403, title: 'Not a key of clients', detail } })
  }
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    return err(badRequest(`A key has at most ${KEY_BYTES_MAX} bytes in UTF-8.`))
  }
  return ok(key)
}

function preconditionsOf(
  headers: IncomingHttpHeaders,
  key: string,
): Result<readonly ControlPrecondition[], ApiRefusal> {
  const condition = conditionOf(headers, (tag) =>
    /^[1-9]\d{0,14}$/.test(tag) ? Number(tag) : undefined,
  )
  if (!condition.ok) return condition
  return ok(condition.value === undefined ? [] : [{ key, revision: condition.value }])
}
