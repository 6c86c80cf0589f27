import {
  createServer as createPlainServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import type { Exchange, HttpHandler, Problem } from '../slice/index.ts'
import { CHALLENGE, RETRY_SOON } from './api-refusal.ts'
import type { Authenticator } from './auth.ts'
import { connectionLimit } from './connection-limit.ts'
import type { Guard } from './guard.ts'
import type { NodeMetrics } from './metrics.ts'
import { refuse } from './refusal.ts'

/** Longer than the idle time of common load balancers (60 s), so that they close first and never hit a closed socket. */
const KEEP_ALIVE_MS = 75_000
/** A client that has not sent its head by then is slow on purpose. */
const HEADERS_MS = 60_000
/** Without a byte in either direction for this long a connection is dead; a gigabyte upload may take hours. */
const IDLE_MS = 120_000
/** A path is at most 1,024 bytes; the rest is headers, credentials included. */
const HEADER_BYTES_MAX = 16 * 1_024
/** How long requests in flight may go on after the server was told to stop. */
const DRAIN_MS = 30_000

export type HttpParts = {
  readonly guard: Guard
  readonly authenticator: Authenticator
  readonly metrics: NodeMetrics
  readonly logger: Logger
  readonly requestLog: boolean
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined
  /** Serves what no slice has mounted: health, metrics, unknown paths. */
  readonly fallback: RequestListener
}

/**
 * The node's HTTP face. Every request passes the guard and the authenticator; then the raw request goes to the handler
 * mounted at its first path segment, before anything has decoded or normalised the target.
 */
export class HttpServer {
  readonly #parts: HttpParts
  readonly #server: Server
  readonly #mounts = new Map<string, HttpHandler>()
  readonly #idPrefix = Date.now().toString(36)
  #idCount = 0
  #draining = false

  constructor(parts: HttpParts) {
    this.#parts = parts
    const options = {
      noDelay: true,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      maxHeaderSize: HEADER_BYTES_MAX,
    }
    this.#server = parts.tls
      ? createTlsServer({ ...options, ...parts.tls })
      : createPlainServer(options)
    this.#server.maxConnections = connectionLimit()
    this.#server.timeout = IDLE_MS
    this.#server.on('request', (request, response) => this.#receive(request, response, false))
    this.#server.on('checkContinue', (request, response) => this.#receive(request, response, true))
  }

  /** Whether it was told to stop, or that it is about to. */
  get isDraining(): boolean {
    return this.#draining
  }

  mount(prefix: string, handler: HttpHandler): void {
    this.#mounts.set(prefix, handler)
  }

  /** Resolves with the port when connections are accepted; rejects with the system's error otherwise. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        // A connection that could not be taken is lost; that is no reason to end the others.
        this.#server.on('error', (cause) =>
          this.#parts.logger.warn({ err: cause }, 'a connection could not be taken'),
        )
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** It is about to stop: everything is answered, and each answer asks its client to take the next request elsewhere. */
  drain(): void {
    this.#draining = true
  }

  /** Takes no new connections, lets requests in flight end, and resolves when the last connection is closed. */
  async close(): Promise<void> {
    this.drain()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const limit = setTimeout(() => this.#server.closeAllConnections(), DRAIN_MS)
    await closed
    clearTimeout(limit)
  }

  #receive(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const startMs = performance.now()
    const requestId = this.#requestIdOf(request)
    if (this.#draining) response.shouldKeepAlive = false
    let principalName = ''
    response.on('close', () => {
      this.#account(request, response, requestId, principalName, performance.now() - startMs)
    })
    const { headers, method } = request
    const target = splitTarget(request.url ?? '')
    let bodyHeldBack = awaitsContinue
    const refuseWith = (problem: Problem, further?: Readonly<Record<string, string>>) =>
      refuse(request, response, problem, { requestId, bodyHeldBack, headers: further ?? {} })
    const violation = violationOf(request)
    if (violation !== undefined) {
      refuseWith(GUARD_PROBLEMS['bad-request'](violation))
      return
    }
    const refusal = this.#parts.guard.check(
      method,
      target.authority ?? headers.host,
      headers.origin,
    )
    if (refusal) {
      refuseWith(GUARD_PROBLEMS[refusal.kind](refusal.detail))
      return
    }
    const { authenticator } = this.#parts
    const isUnchecked = !authenticator.isReady && target.mount === PROBES
    const credentials = isUnchecked ? undefined : headers.authorization
    const principal = authenticator.authenticate(credentials)
    if (principal === undefined) {
      if (authenticator.isReady) refuseWith(WRONG_CREDENTIALS, CHALLENGE)
      else refuseWith(NOT_READY, RETRY_SOON)
      return
    }
    principalName = principal.name
    const handler = this.#mounts.get(target.mount)
    if (handler === undefined) {
      if (target.mount !== PROBES && !principal.may('read')) {
        refuseWith(TOKEN_NEEDED, CHALLENGE)
        return
      }
      // A body that was not asked for may come or not: what follows on this connection could not be told apart.
      if (bodyHeldBack) response.shouldKeepAlive = false
      this.#parts.fallback(request, response)
      return
    }
    const acceptBody = () => {
      if (bodyHeldBack) response.writeContinue()
      bodyHeldBack = false
    }
    this.#run(handler, { request, response, principal, requestId, acceptBody, refuse: refuseWith })
  }

  #run(handler: HttpHandler, exchange: Exchange): void {
    try {
      handler(exchange)?.catch((cause: unknown) => this.#fail(exchange, cause))
    } catch (cause) {
      this.#fail(exchange, cause)
    }
  }

  #fail(exchange: Exchange, cause: unknown): void {
    this.#parts.logger.error({ requestId: exchange.requestId, err: cause }, 'a request failed')
    if (exchange.response.headersSent) exchange.response.destroy()
    else exchange.refuse(INTERNAL_ERROR)
  }

  #account(
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    principal: string,
    durationMs: number,
  ): void {
    const status = response.writableFinished ? response.statusCode : 0
    const method = request.method ?? ''
    this.#parts.metrics.request(method, status, durationMs)
    if (!this.#server.listening) this.#server.closeIdleConnections()
    if (!this.#parts.requestLog) return
    this.#parts.logger.info(
      {
        requestId,
        method,
        url: request.url,
        status,
        durationMs: Math.round(durationMs * 100) / 100,
        principal,
        remote: request.socket.remoteAddress,
      },
      'request',
    )
  }

  /** A caller's id is kept when it is harmless, so that one id runs through several systems' logs. */
  #requestIdOf(request: IncomingMessage): string {
    const given = request.headers['x-request-id']
    if (typeof given === 'string' && /^[\w.-]{1,64}$/.test(given)) return given
    this.#idCount += 1
    return `${this.#idPrefix}-${this.#idCount.toString(36)}`
  }
}

/**
 * What Node's parser lets pass although RFC 9112 forbids it: a request line without a version (§3), to which a line break
 * in a target leads, and a second Host (§3.2), of which another server on the way may have taken the other.
 */
function violationOf({ httpVersionMajor, rawHeaders }: IncomingMessage): string | undefined {
  if (httpVersionMajor !== 1) return 'The request line does not end with HTTP/1.1.'
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1 ? 'The request has more than one Host header.' : undefined
}

/**
 * `/repository/` of `/repository/releases/…`: the text is compared, never interpreted. A target in absolute form brings the
 * authority that takes the place of `Host` (RFC 9112 §3.2.2).
 */
function splitTarget(target: string): { mount: string; authority: string | undefined } {
  if (target.startsWith('/')) return { mount: mountOf(target), authority: undefined }
  const absolute = /^https?:\/\/([^/]*)(\/.*)$/i.exec(target)
  return { mount: mountOf(absolute?.[2] ?? ''), authority: absolute?.[1] }
}

function mountOf(path: string): string {
  const end = path.indexOf('/', 1)
  return end < 0 ? path : path.slice(0, end + 1)
}

const GUARD_PROBLEMS = {
  'unknown-host': (detail: string) => ({ status: 421, title: 'Unknown host', detail }),
  'foreign-origin': (detail: string) => ({ status: 403, title: 'Foreign origin', detail }),
  'bad-request': (detail: string) => ({ status: 400, title: 'Bad request', detail }),
} as const

const WRONG_CREDENTIALS: Problem = {
  status: 401,
  title: 'Wrong credentials',
  detail: 'The token is not known. Send it as `Bearer <token>` or as the password of Basic.',
}

/** A token that cannot be checked yet may well be right. */
const NOT_READY: Problem = {
  status: 503,
  title: 'Not ready',
  detail: 'This node does not know the tokens yet; /health/ready tells what it waits for.',
}

const TOKEN_NEEDED: Problem = {
  status: 401,
  title: 'Token needed',
  detail: 'Send a token as `Bearer <token>` or as the password of Basic. Only /health/ needs none.',
}

/** Load balancers and orchestrators ask here, and have no token. */
const PROBES = '/health/'

const INTERNAL_ERROR: Problem = {
  status: 500,
  title: 'Internal error',
  detail: 'The server failed to answer; its log tells more under this request id.',
}
