import { createCipheriv, createHash } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Server } from '../fixture/server.ts'

/** An HTTP answer, its body whole. */
export type Answer = {
  readonly status: number
  readonly reason: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type Body = string | Uint8Array

type SendOptions = {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
  /** Without Content-Length. */
  readonly chunked?: boolean
}

/** Requests to one server over kept-alive connections; the targets are sent as they are given. */
export class Client {
  readonly port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #headers: Readonly<Record<string, string>>

  constructor(server: Pick<Server, 'port'>, headers: Readonly<Record<string, string>> = {}) {
    this.port = server.port
    this.#headers = headers
  }

  send(method: string, target: string, options: SendOptions = {}): Promise<Answer> {
    const { body, chunked } = options
    const bytes = body === undefined ? undefined : Buffer.from(body)
    const headers: Record<string, string | number> = { ...this.#headers, ...options.headers }
    if (bytes !== undefined && chunked !== true) headers['Content-Length'] = bytes.length
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { port: this.port, host: '127.0.0.1', method, path: target, headers, agent: this.#agent },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              reason: response.statusMessage ?? '',
              headers: response.headers,
              body: Buffer.concat(parts),
            }),
          )
        },
      )
      request.on('error', reject)
      request.end(bytes)
    })
  }

  /** `path` is below `/repository/`, as in the other three. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    return this.send('GET', `/repository/${path}`, headers === undefined ? {} : { headers })
  }

  head(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    return this.send('HEAD', `/repository/${path}`, headers === undefined ? {} : { headers })
  }

  put(path: string, body: Body, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    return this.send('PUT', `/repository/${path}`, { body, ...(headers && { headers }) })
  }

  delete(path: string): Promise<Answer> {
    return this.send('DELETE', `/repository/${path}`)
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** One connection over which any bytes can be sent, and answers be read one after the other. */
export class Wire {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (part: Buffer) => {
      this.#received = Buffer.concat([this.#received, part])
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static connect(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Wire(socket)))
      socket.once('error', reject)
    })
  }

  /** Resolves when the system has taken the bytes; false when the server has closed the connection. */
  write(bytes: Body): Promise<boolean> {
    return new Promise((resolve) => {
      const closed = () => resolve(false)
      this.#socket.once('close', closed)
      this.#socket.write(bytes, (error) => {
        this.#socket.off('close', closed)
        resolve(!error)
      })
    })
  }

  /** The next answer, an interim one (1xx) too; undefined when the server closes the connection instead. */
  async answer(requestMethod = 'GET'): Promise<Answer | undefined> {
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end >= 0) {
        const answer = parseHead(this.#received.subarray(0, end).toString('latin1'))
        this.#received = this.#received.subarray(end + 4)
        const bodyless =
          answer.status < 200 || [204, 304].includes(answer.status) || requestMethod === 'HEAD'
        return bodyless ? answer : { ...answer, body: await this.#body(answer.headers) }
      }
      if (this.#closed) return undefined
      await this.#more()
    }
  }

  /** Resolves with all that comes until the server closes the connection. */
  async rest(): Promise<string> {
    while (!this.#closed) await this.#more()
    return this.#received.toString('latin1')
  }

  /** Bytes that have come and were not yet read as an answer. */
  get pending(): string {
    return this.#received.toString('latin1')
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends the client's half in an orderly way. */
  end(): void {
    this.#socket.end()
  }

  async #body(headers: IncomingHttpHeaders): Promise<Buffer> {
    if (headers['transfer-encoding'] === 'chunked') return this.#chunkedBody()
    const length = headers['content-length']
    if (length === undefined) return Buffer.from(await this.rest(), 'latin1')
    return this.#take(Number(length))
  }

  async #chunkedBody(): Promise<Buffer> {
    const parts: Buffer[] = []
    for (;;) {
      while (!this.#received.includes('\r\n')) await this.#more()
      const end = this.#received.indexOf('\r\n')
      const size = Number.parseInt(this.#received.subarray(0, end).toString('latin1'), 16)
      const chunk = await this.#take(end + 2 + size + 2)
      if (size === 0) return Buffer.concat(parts)
      parts.push(chunk.subarray(end + 2, end + 2 + size))
    }
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#received.length < count) {
      if (this.#closed) throw new Error('the connection was closed in the middle of a body')
      await this.#more()
    }
    const taken = this.#received.subarray(0, count)
    this.#received = this.#received.subarray(count)
    return taken
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** A request head with the Host that the server knows; further lines come as they are. */
export function head(requestLine: string, ...lines: string[]): string {
  return [`${requestLine} HTTP/1.1`, 'Host: 127.0.0.1', ...lines, '', ''].join('\r\n')
}

export function hex(algorithm: string, bytes: Body): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

/** Bytes that look random and are the same for the same seed. */
export function noise(sizeBytes: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}

/** The `detail` that a refusal gives the user. */
export function detailOf(answer: Answer): string {
  const { detail } = JSON.parse(answer.body.toString('utf8')) as { detail: string }
  return detail
}

function parseHead(text: string): Answer {
  const [first = '', ...lines] = text.split('\r\n')
  const [, status = '0', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(first) ?? []
  const headers: IncomingHttpHeaders = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(status), reason, headers, body: Buffer.alloc(0) }
}
