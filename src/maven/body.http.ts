import type { IncomingMessage } from 'node:http'

/**
 * The body of a request, in pieces that are valid only until the next one is asked for: their memory is then given back at
 * once. Left to the collector it would count as external memory, and every 15 MB of uploads would start a full collection.
 * Ask for one piece at a time. Whoever stops early calls `return`; the rest is thrown away as it comes then.
 */
export function bodyOf(request: IncomingMessage): AsyncIterableIterator<Uint8Array, undefined> {
  return new Body(request)
}

type Step = IteratorResult<Uint8Array, undefined>

/** What the request's own iterator does with two generators and a dozen promises, for bodies of one piece mostly. */
class Body implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #request: IncomingMessage
  /** What came before it was asked for; the request is paused meanwhile. */
  readonly #pieces: Buffer[] = []
  #given: Buffer | undefined
  #end: 'reached' | Error | undefined
  #waiting: PromiseWithResolvers<Step> | undefined

  constructor(request: IncomingMessage) {
    this.#request = request
    if (request.destroyed) this.#end = cut()
    request.on('data', this.#onData).on('end', this.#onEnd)
    request.on('error', this.#onError).on('close', this.#onClose)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    if (this.#given !== undefined) giveBack(this.#given)
    this.#given = this.#pieces.shift()
    if (this.#given !== undefined) return Promise.resolve({ done: false, value: this.#given })
    if (this.#end === 'reached') return Promise.resolve(DONE)
    if (this.#end !== undefined) return Promise.reject(this.#end)
    this.#waiting = Promise.withResolvers()
    this.#request.resume()
    return this.#waiting.promise
  }

  return(): Promise<Step> {
    const request = this.#request
    request.off('data', this.#onData).off('end', this.#onEnd)
    request.off('error', this.#onError).off('close', this.#onClose)
    if (this.#end === undefined) request.resume()
    return Promise.resolve(DONE)
  }

  readonly #onData = (piece: Buffer): void => {
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#pieces.push(piece)
      this.#request.pause()
      return
    }
    this.#waiting = undefined
    this.#given = piece
    waiting.resolve({ done: false, value: piece })
  }

  readonly #onEnd = (): void => {
    this.#end = 'reached'
    this.#waiting?.resolve(DONE)
  }

  readonly #onError = (error: Error): void => {
    this.#end ??= error
    this.#waiting?.reject(error)
  }

  readonly #onClose = (): void => {
    if (this.#end === undefined) this.#onError(cut())
  }
}

const DONE: Step = { done: true, value: undefined }

function cut(): Error {
  return new Error('aborted')
}

/** Detaches the piece's memory, unless it shares it with others. */
function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
