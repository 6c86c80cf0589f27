/**
 * Questions and their answers between nodes, over one channel of the network.
 *
 *     kind (1)  number (6)  the bytes of the question or of the answer
 *
 * A question is asked once: who wants to be sure repeats it. Numbers begin at a random place, so that an answer to an
 * earlier life of this node fits no question of this one.
 */
import { randomInt } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { BinaryReader } from '../../base/binary.ts'
import type { NodeId } from '../../base/ids.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { transientBytes } from '../../base/transient.ts'
import type { PeerNetwork } from './channels.ts'
import { PAYLOAD_BYTES_MAX } from './frame.ts'
import type { Channel } from './transport.ts'

export class Calls {
  readonly #options: CallsOptions
  readonly #limits: CallLimits
  readonly #peers = new Map<NodeId, PeerLoad>()
  #numberLast = randomInt(2 ** 40)
  #isClosed = false

  /** Listens to the channel from now on, as its only listener. */
  constructor(options: CallsOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    options.network.listen(options.channel, {
      receive: (from, payload) => this.#receive(from, payload),
      disconnected: (peer) => this.#disconnected(peer),
      drained: (peer) => this.#flush(peer),
    })
  }

  /** A question of `length` bytes, for the caller to fill, that may be asked of several nodes without being copied. */
  prepare(length: number): PreparedQuestion {
    const number = ++this.#numberLast
    const whole = Buffer.allocUnsafeSlow(HEAD_BYTES + length)
    writeHead(whole, QUESTION, number)
    return { number, frame: whole, bytes: whole.subarray(HEAD_BYTES) }
  }

  /**
   * Asks `to`; `question` is copied. One that was prepared is not, and must not change any more; it is asked of a node once, and
   * again when it was not sent. Fails at once when it cannot be sent, and no later than after `timeoutMs`. `decode`
   * gives undefined for bytes that are no answer to this question; then they count as malformed, and there is no answer.
   */
  call<T>(
    to: NodeId,
    question: Uint8Array | PreparedQuestion,
    { timeoutMs, decode }: CallOptions<T>,
  ): Promise<Result<T, CallFailure>> {
    if (this.#isClosed) return refused('this node has stopped')
    const load = this.#loadOf(to)
    const { number, frame, bytes } =
      question instanceof Uint8Array ? this.#copy(question) : question
    const { length } = bytes
    assert(length <= CALL_BYTES_MAX, 'a question is larger than a message may be')
    const isFull =
      load.asked.size >= this.#limits.asked ||
      (load.asked.size > 0 && load.askedBytes + length > this.#limits.askedBytes)
    if (isFull) return refused(`too much is asked of ${to} already`)
    const { network, channel } = this.#options
    if (!network.send(to, channel, frame)) {
      return refused(network.isConnected(to) ? `too much waits for ${to}` : `${to} is not reached`)
    }
    load.askedBytes += length
    const { promise, resolve } = Promise.withResolvers<Result<T, CallFailure>>()
    const timer = setTimeout(() => end(noAnswer(`${to} does not answer`)), timeoutMs)
    const end = (result: Result<T, CallFailure>) => {
      clearTimeout(timer)
      load.asked.delete(number)
      load.askedBytes -= length
      this.#drop(to, load)
      resolve(result)
    }
    const answer = (bytes: Uint8Array) => {
      const decoded = decode(bytes)
      end(decoded === undefined ? noAnswer(`${to} gives no proper answer`) : ok(decoded))
      return decoded !== undefined
    }
    load.asked.set(number, { answer, fail: (failure) => end(err(failure)) })
    return promise
  }

  /** Fails all calls under way, and answers nothing any more. */
  close(): void {
    this.#isClosed = true
    for (const peer of [...this.#peers.keys()]) this.#fail(peer, 'this node has stopped')
    this.#peers.clear()
  }

  #copy(question: Uint8Array): PreparedQuestion {
    const number = ++this.#numberLast
    return { number, frame: frame(QUESTION, number, question), bytes: question }
  }

  #receive(from: NodeId, payload: Uint8Array): boolean {
    if (payload.length < HEAD_BYTES) return false
    const reader = new BinaryReader(payload)
    const kind = reader.uint8()
    const number = reader.uint48()
    const bytes = payload.subarray(HEAD_BYTES)
    if (kind === QUESTION) return this.#isClosed || this.#serve(from, number, bytes)
    if (kind !== ANSWER && bytes.length > 0) return false
    // Undefined when the answer comes late.
    const asked = this.#peers.get(from)?.asked.get(number)
    switch (kind) {
      case ANSWER:
        return asked?.answer(bytes) ?? true
      case BUSY:
        asked?.fail({ kind: 'not-sent', reason: `${from} has too much to do` })
        return true
      case LOST:
        asked?.fail({ kind: 'no-answer', reason: `${from} could not answer` })
        return true
      default:
        return false
    }
  }

  #serve(from: NodeId, number: number, question: Uint8Array): boolean {
    const load = this.#loadOf(from)
    const isFull =
      load.served >= this.#limits.served ||
      (load.served > 0 && load.servedBytes + question.length > this.#limits.servedBytes)
    if (isFull) {
      this.#options.network.send(from, this.#options.channel, frame(BUSY, number))
      return true
    }
    const answering = this.#options.serve(from, question)
    if (answering === undefined) {
      this.#drop(from, load)
      return false
    }
    load.served++
    load.servedBytes += question.length
    const end = (payload: Uint8Array) => {
      load.servedBytes -= question.length
      this.#answer(from, load, payload)
    }
    answering.then(
      (answer) => end(frame(ANSWER, number, answer)),
      () => end(frame(LOST, number)),
    )
    return true
  }

  /** What the network does not take now counts as served until it does. */
  #answer(to: NodeId, load: PeerLoad, payload: Uint8Array): void {
    load.unsent.push(payload)
    load.servedBytes += payload.length
    this.#flush(to)
  }

  #flush(to: NodeId): void {
    const load = this.#peers.get(to)
    if (load === undefined) return
    const { network, channel } = this.#options
    for (let head = load.unsent[0]; head !== undefined; head = load.unsent[0]) {
      // Without a connection it is lost: who asked is told the same by the network, or asks again.
      if (!network.send(to, channel, head) && network.isConnected(to)) break
      load.unsent.shift()
      load.served--
      load.servedBytes -= head.length
    }
    this.#drop(to, load)
  }

  #disconnected(peer: NodeId): void {
    this.#flush(peer)
    this.#fail(peer, `the connection to ${peer} has ended`)
  }

  #fail(peer: NodeId, reason: string): void {
    const { asked = [] } = this.#peers.get(peer) ?? {}
    for (const [, { fail }] of [...asked]) fail({ kind: 'no-answer', reason })
  }

  #loadOf(peer: NodeId): PeerLoad {
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    const load: PeerLoad = {
      asked: new Map(),
      askedBytes: 0,
      served: 0,
      servedBytes: 0,
      unsent: [],
    }
    this.#peers.set(peer, load)
    return load
  }

  #drop(peer: NodeId, load: PeerLoad): void {
    if (load.asked.size === 0 && load.served === 0) this.#peers.delete(peer)
  }
}

export type CallsOptions = {
  readonly network: PeerNetwork
  readonly channel: Channel
  readonly serve: CallServer
  readonly limits?: Partial<CallLimits>
}

/**
 * Answers a question of another node; the bytes of the answer become the network's and never change again. Undefined when the
 * question is malformed. A rejection tells the other that there will be no answer.
 */
export type CallServer = (from: NodeId, question: Uint8Array) => Promise<Uint8Array> | undefined

/** `bytes` is the part of the frame that the caller fills. */
export type PreparedQuestion = {
  readonly number: number
  readonly frame: Uint8Array
  readonly bytes: Uint8Array
}

export type CallOptions<T> = {
  readonly timeoutMs: number
  readonly decode: (answer: Uint8Array) => T | undefined
}

/**
 * - `not-sent`: the other node has not begun to do what was asked.
 * - `no-answer`: it may have done it, or be about to.
 */
export type CallFailure = { readonly kind: 'not-sent' | 'no-answer'; readonly reason: string }

/** Of one peer; one question is always taken, however large. */
export type CallLimits = {
  /** Questions without an answer yet. */
  readonly asked: number
  readonly askedBytes: number
  /** Questions of the peer that have no answer yet, or one that the network has not taken; more are refused. */
  readonly served: number
  readonly servedBytes: number
}

/** Kind and number. */
const HEAD_BYTES = 7

/** The largest question or answer. */
const CALL_BYTES_MAX = PAYLOAD_BYTES_MAX - HEAD_BYTES

/** As many requests as a node has at once under heavy load; together with three peers some 100 MiB at the very most. */
const DEFAULT_LIMITS: CallLimits = {
  asked: 1_024,
  askedBytes: 16 * 1_024 * 1_024,
  served: 1_024,
  servedBytes: 16 * 1_024 * 1_024,
}

const QUESTION = 1
const ANSWER = 2
/** The question was not taken. */
const BUSY = 3
/** The question was taken and has no answer. */
const LOST = 4

type Asked = {
  /** False when the bytes are malformed. */
  answer(bytes: Uint8Array): boolean
  fail(failure: CallFailure): void
}

type PeerLoad = {
  /** By number. */
  readonly asked: Map<number, Asked>
  askedBytes: number
  served: number
  servedBytes: number
  /** Answers that the network did not take. */
  readonly unsent: Uint8Array[]
}

function frame(kind: number, number: number, bytes: Uint8Array = NOTHING): Uint8Array {
  const whole = transientBytes(HEAD_BYTES + bytes.length)
  writeHead(whole, kind, number)
  whole.set(bytes, HEAD_BYTES)
  return whole
}

function writeHead(whole: Uint8Array, kind: number, number: number): void {
  const view = new DataView(whole.buffer, whole.byteOffset, HEAD_BYTES)
  view.setUint8(0, kind)
  view.setUint16(1, Math.floor(number / 2 ** 32))
  view.setUint32(3, number % 2 ** 32)
}

const NOTHING = new Uint8Array()

function refused(reason: string): Promise<Result<never, CallFailure>> {
  return Promise.resolve(err({ kind: 'not-sent', reason }))
}

function noAnswer(reason: string): Result<never, CallFailure> {
  return err({ kind: 'no-answer', reason })
}
