import type { ClientRequest } from 'node:http'
import { Readable } from 'node:stream'
import got, { type Got, HTTPError, type Request, RequestError, type Response } from 'got'
import { err, ok, type Result } from '../base/result.ts'
import { encodePath } from '../maven/index.ts'
import { type Failure, fileFailure } from './failure.ts'
import { connectionFailure, refusal } from './refusal.ts'

/** A body that is opened anew for each attempt to send it. `file` names its source to the user. */
export type Upload = {
  readonly file: string
  readonly sizeBytes: number
  open(): AsyncIterable<Uint8Array>
  onProgress(sentBytes: number): void
}

/** The bytes of a file on their way in, and the SHA-256 (lowercase hex) that the server announced for them. */
export type Download = {
  readonly stream: Readable
  readonly sizeBytes: number | undefined
  readonly sha256: string | undefined
}

/** Attempts after the first. With the delays below a server may be away for two seconds, as in a restart. */
const RETRIES_MAX = 3

/** The delay before the first retry; each further one is twice as long. */
const RETRY_DELAY_MS = 250

/** A server that asks for more patience than this is reported instead. */
const RETRY_AFTER_MAX_MS = 60_000

/** As curl does: a server that knows nothing of `Expect` gets the body after this time. */
const EXPECT_TIMEOUT_MS = 1_000

/** What is read whole is metadata and checksums; metadata with 20,000 versions is 1 MB. */
const TEXT_BYTES_MAX = 1_024 * 1_024

/** Without a byte in either direction for this long a connection is given up; the server may be hashing a large file. */
const IDLE_TIMEOUT_MS = 120_000

const CONNECT_TIMEOUT_MS = 10_000

/**
 * One server, above all its repositories. Every method retries a connection that fails and an answer of 429, 502, 503 or 504, a few
 * times and as the server's `Retry-After` says; requests are such that a repetition changes nothing.
 */
export class Server {
  readonly url: string
  readonly #client: Got
  readonly #token: string | undefined

  /** `url` is the server's root without a trailing slash; `notice` tells the user why it takes longer. */
  constructor(url: string, token: string | undefined, notice: (text: string) => void) {
    this.url = url
    this.#token = token
    this.#client = got.extend({
      headers: {
        'user-agent': 'aether-cli',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      decompress: false,
      timeout: {
        connect: CONNECT_TIMEOUT_MS,
        secureConnect: CONNECT_TIMEOUT_MS,
        socket: IDLE_TIMEOUT_MS,
      },
      retry: {
        limit: RETRIES_MAX,
        methods: ['GET', 'HEAD', 'PUT'],
        statusCodes: [429, 502, 503, 504],
        errorCodes: ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'],
        maxRetryAfter: RETRY_AFTER_MAX_MS,
        calculateDelay: ({ attemptCount, computedValue, retryAfter, error }) => {
          if (computedValue === 0) return 0
          const delayMs = retryAfter ?? RETRY_DELAY_MS * 2 ** (attemptCount - 1)
          if (error.response !== undefined) {
            notice(`the server is busy (${error.response.statusCode}), trying again`)
          }
          return Math.max(1, delayMs)
        },
      },
    })
  }

  /** The URL of a file of a repository. */
  urlOf(repository: string, path: string): string {
    return `${this.url}/repository/${repository}/${encodePath(path)}`
  }

  /** What the server says of a file without sending it; undefined when there is none. */
  async stat(url: string): Promise<Result<{ sha256: string | undefined } | undefined, Failure>> {
    try {
      const { headers } = await this.#client.head(url)
      return ok({ sha256: text(headers['x-checksum-sha256']) })
    } catch (error) {
      return isNotFound(error) ? ok(undefined) : err(this.#failure(error))
    }
  }

  /** A small file, whole; undefined when there is none. */
  async read(url: string): Promise<Result<Uint8Array | undefined, Failure>> {
    const download = await this.open(url)
    if (!download.ok || download.value === undefined) return download as Result<undefined, Failure>
    const chunks: Uint8Array[] = []
    let sizeBytes = 0
    try {
      for await (const chunk of download.value.stream as AsyncIterable<Uint8Array>) {
        sizeBytes += chunk.length
        if (sizeBytes > TEXT_BYTES_MAX) {
          return err({ kind: 'refused', message: `${url} is larger than ${TEXT_BYTES_MAX} bytes` })
        }
        chunks.push(chunk)
      }
      return ok(Buffer.concat(chunks))
    } catch (error) {
      return err(this.#failure(error))
    }
  }

  /** Begins a download; undefined when there is no such file. The stream fails when the connection is cut. */
  async open(url: string): Promise<Result<Download | undefined, Failure>> {
    try {
      const stream = await answered(this.#client.stream(url))
      const { headers } = stream.response as Response
      const length = text(headers['content-length'])
      return ok({
        stream,
        sizeBytes: length === undefined ? undefined : Number(length),
        sha256: text(headers['x-checksum-sha256'])?.toLowerCase(),
      })
    } catch (error) {
      return isNotFound(error) ? ok(undefined) : err(this.#failure(error))
    }
  }

  /** Stores a small file. */
  put(url: string, body: string | Uint8Array): Promise<Result<void, Failure>> {
    return this.#settle(url, this.#client.put(url, { body, followRedirect: false }))
  }

  /** Stores a file of any size. The body is sent when the server has agreed to take it: a refusal costs none of it. */
  async upload(url: string, upload: Upload): Promise<Result<void, Failure>> {
    let body = new AgreedBody(upload)
    const request = this.#client.put(url, {
      body: body.stream,
      followRedirect: false,
      headers: { expect: '100-continue', 'content-length': String(upload.sizeBytes) },
      hooks: {
        beforeRetry: [
          (error) => {
            body = new AgreedBody(upload)
            error.options.body = body.stream
          },
        ],
      },
    })
    request.on('request', (attempt: ClientRequest) => body.awaitAgreement(attempt))
    request.on('uploadProgress', ({ transferred }) => upload.onProgress(transferred))
    const settled = await this.#settle(url, request)
    return body.readError === undefined ? settled : err(fileFailure(upload.file, body.readError))
  }

  /** Asks the server's own interface at `path`; gives its JSON, undefined if it is none. Only a GET is retried. */
  async ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    json?: object,
  ): Promise<Result<unknown, Failure>> {
    const url = `${this.url}${path}`
    try {
      const body = json === undefined ? {} : { json }
      const answer = await this.#client(url, { method, ...body, followRedirect: false })
      return ok(JSON.parse(answer.body))
    } catch (error) {
      if (error instanceof SyntaxError) return ok(undefined)
      return err(this.#failure(error))
    }
  }

  async #settle(url: string, request: Promise<Response<string>>): Promise<Result<void, Failure>> {
    try {
      const { statusCode, headers } = await request
      if (statusCode < 300) return ok(undefined)
      const location = text(headers.location) ?? 'elsewhere'
      return err({
        kind: 'refused',
        message: `${url} has moved to ${location} (${statusCode})`,
        next: 'Name the new server with --server <url>.',
      })
    } catch (error) {
      return err(this.#failure(error))
    }
  }

  /** The token is cut out of whatever the server sent back. */
  #failure(error: unknown): Failure {
    if (error instanceof HTTPError) return refusal(error.response, this.#token)
    if (error instanceof RequestError) return connectionFailure(this.url, error)
    throw error
  }
}

/** One attempt's body: nothing of it is read before the server agrees, or fails to say anything. */
class AgreedBody {
  readonly stream: Readable
  /** Why the source could not be read to its end; the connection is not to blame. */
  readError: unknown
  readonly #agreement = Promise.withResolvers<void>()

  constructor(upload: Upload) {
    this.stream = Readable.from(this.#chunks(upload), { objectMode: false })
  }

  awaitAgreement(attempt: ClientRequest): void {
    const timer = setTimeout(this.#agreement.resolve, EXPECT_TIMEOUT_MS)
    attempt.once('continue', this.#agreement.resolve)
    attempt.once('close', () => clearTimeout(timer))
  }

  async *#chunks(upload: Upload): AsyncGenerator<Uint8Array> {
    await this.#agreement.promise
    const source = upload.open()[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await source.next().catch((error: unknown) => {
          this.readError = error
          throw error
        })
        if (next.done) return
        yield next.value
      }
    } finally {
      await source.return?.()
    }
  }
}

/** The stream at the moment its answer has begun, after the retries it takes to get there. */
function answered(stream: Request): Promise<Request> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.once('retry', (_count, _error, again) => resolve(answered(again())))
    stream.once('response', () => {
      // From here on a failure belongs to the reader, who has seen a part of the bytes.
      stream.removeAllListeners('retry')
      resolve(stream)
    })
  })
}

function isNotFound(error: unknown): boolean {
  return error instanceof HTTPError && error.response.statusCode === 404
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
