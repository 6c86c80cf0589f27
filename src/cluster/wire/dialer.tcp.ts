import { randomBytes } from 'node:crypto'
import { parseAddress } from './address.ts'
import { Connection } from './connection.tcp.ts'
import { DialingHandshake, NONCE_BYTES } from './handshake.ts'
import { Outbox } from './outbox.ts'
import type { Dial } from './socket.tcp.ts'
import {
  type Admission,
  type Channel,
  CONSENSUS_CHANNEL,
  type Hello,
  type Peer,
  type TransportLimits,
  type TransportOptions,
} from './transport.ts'

/** Keeps up the connection that this node sends on to one peer: dials, shakes hands, and begins again when it ends. */
export class Dialer {
  readonly #options: DialerOptions
  #peer: Peer
  #connection: Connection | undefined
  #outbox: Outbox
  /** The incarnation at the other end; the connection is up. */
  #incarnation: string | undefined
  /** The other side has been told who this is, and has not answered. */
  #isUnanswered = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  #isHurrying = false
  #isStopped = false

  constructor(peer: Peer, options: DialerOptions) {
    this.#peer = peer
    this.#options = options
    this.#outbox = new Outbox(options.limits)
    this.#dial()
  }

  get isConnected(): boolean {
    return this.#incarnation !== undefined
  }

  /** What is committed of the peer has changed: a connection to another address or incarnation ends at once. */
  update(peer: Peer): void {
    const hasMoved = peer.address !== this.#peer.address
    this.#peer = peer
    const isOther = this.#incarnation !== undefined && !isSame(peer, this.#incarnation)
    if (hasMoved || isOther) this.#connection?.end('the membership has changed')
    if (hasMoved) this.retryNow()
  }

  /** The peer is known to be there: does not wait any longer. */
  retryNow(): void {
    if (this.#isStopped) return
    // A peer that was away leaves an attempt behind that TCP itself repeats less and less often.
    if (this.#connection?.isConnecting) this.#connection.end('it has come back')
    if (this.#connection !== undefined) return
    this.#failures = 0
    this.#dial()
  }

  /**
   * What is sent within one turn of the event loop leaves together. Consensus waits for the end of the callback only, and takes along
   * what is there: the slot of all members waits for it, and a turn may have many requests.
   */
  send(channel: Channel, payload: Uint8Array): boolean {
    if (!this.isConnected || !this.#outbox.add(channel, payload)) return false
    if (channel === CONSENSUS_CHANNEL) this.#hurry()
    else this.#turn ??= setImmediate(() => this.#drain())
    return true
  }

  #hurry(): void {
    if (this.#isHurrying) return
    this.#isHurrying = true
    process.nextTick(() => {
      this.#isHurrying = false
      this.#drain()
    })
  }

  tick(): void {
    this.#connection?.tick()
  }

  /** For ever. */
  stop(reason: string): void {
    this.#isStopped = true
    clearTimeout(this.#retry)
    clearImmediate(this.#turn)
    this.#connection?.end(reason)
  }

  #dial(): void {
    clearTimeout(this.#retry)
    const { dial, limits, transport } = this.#options
    const address = parseAddress(this.#peer.address)
    if (address === undefined) {
      this.#failed(`${this.#peer.address} is no host:port`, false)
      return
    }
    const socket = dial(address)
    const connection = new Connection(socket.socket, {
      onPiece: (piece) => step(piece),
      onMessage: () => {
        transport.counts.malformed++
        connection.end('it sent a message on a connection that it only receives on')
      },
      onDropped: (reason) => transport.counts[reason]++,
      onDrain: () => this.#drain(),
      onEnd: (reason) => this.#ended(reason, connection.isRefused),
    })
    const step = this.#handshake(connection, socket.channelBinding)
    this.#connection = connection
    this.#deadline = setTimeout(
      () => connection.end('no end of the handshake in time'),
      limits.handshakeMs,
    )
  }

  /** What takes the pieces that arrive: the greeting, then the answer. */
  #handshake(connection: Connection, channelBinding: () => Uint8Array) {
    const { transport } = this.#options
    let handshake: DialingHandshake | undefined
    return (piece: Uint8Array) => {
      if (handshake === undefined) {
        handshake = new DialingHandshake({
          secret: transport.secret,
          nonce: randomBytes(NONCE_BYTES),
          channelBinding: channelBinding(),
        })
        const { id, incarnation } = this.#peer
        const own = { to: id, sought: incarnation, hello: transport.hello() }
        const introduction = handshake.introduce(piece, own)
        this.#isUnanswered = introduction.ok
        if (introduction.ok) return connection.sendPiece(introduction.value)
        transport.counts[introduction.error]++
        return connection.end('it speaks another version of the protocol')
      }
      this.#isUnanswered = false
      const answer = handshake.conclude(piece)
      if (!answer.ok) {
        transport.counts[answer.error]++
        return connection.end(`its handshake is ${answer.error}`)
      }
      const { hello, admission, keys } = answer.value
      // A refusal may stop a node for good: only the peer's own counts.
      if (hello.node !== this.#peer.id)
        return connection.end(`${hello.node} answers at its address`)
      if (!admission.admit) {
        transport.onRefused(this.#peer.id, admission.reason, hello.epoch)
        return connection.end(`it refuses this node: ${admission.reason}`)
      }
      connection.open(keys)
      this.#admit(hello).then(
        (admission) => this.#decided(connection, hello, admission),
        () => connection.end('this node could not decide on it'),
      )
    }
  }

  /** The other side has admitted this node, and this node has decided on the other. */
  #decided(connection: Connection, hello: Hello, decision: Admission): void {
    const { transport } = this.#options
    if (connection.hasEnded) return
    if (!decision.admit || !isSame(this.#peer, hello.incarnation)) {
      transport.counts.refused++
      const reason = decision.admit ? 'other-incarnation' : decision.reason
      connection.end(`this node refuses it: ${reason}`)
      return
    }
    clearTimeout(this.#deadline)
    this.#incarnation = hello.incarnation
    this.#failures = 0
    transport.onConnected(this.#peer.id)
  }

  async #admit(hello: Hello): Promise<Admission> {
    return this.#options.transport.admit(hello)
  }

  #ended(reason: string, isRefused: boolean): void {
    const wasConnected = this.isConnected
    const hint = this.#isUnanswered ? '; do both nodes have the same secret?' : ''
    this.#isUnanswered = false
    clearTimeout(this.#deadline)
    this.#connection = undefined
    this.#incarnation = undefined
    this.#outbox = new Outbox(this.#options.limits)
    if (wasConnected) {
      this.#retryLater()
      this.#options.transport.onDisconnected(this.#peer.id, reason)
    } else {
      this.#failed(reason + hint, isRefused)
    }
  }

  #failed(reason: string, isRefused: boolean): void {
    if (this.#isStopped) return
    this.#retryLater()
    this.#options.transport.onUnreachable?.(this.#peer.id, reason, isRefused)
  }

  #retryLater(): void {
    if (this.#isStopped) return
    const { backOffMs, backOffMaxMs } = this.#options.limits
    const pauseMs = Math.min(backOffMaxMs, backOffMs * 2 ** this.#failures)
    this.#failures++
    // Between half of it and all: nodes that lost each other at once do not come back at once.
    this.#retry = setTimeout(() => this.#dial(), pauseMs * (0.5 + Math.random() / 2))
  }

  /** Sends what waits, as far as the connection takes it, and tells of the room that it leaves. */
  #drain(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined
    const connection = this.#connection
    while (connection !== undefined && !connection.isFull) {
      const messages = this.#outbox.take(FRAME_BYTES)
      if (messages.length === 0) break
      connection.sendFrame(messages)
    }
    if (this.#outbox.drained()) this.#options.transport.onDrain?.(this.#peer.id)
  }
}

/** Small messages share a frame up to this size, which then costs little beside its bytes. */
const FRAME_BYTES = 64 * 1_024

export type DialerOptions = {
  readonly transport: TransportOptions
  readonly limits: TransportLimits
  readonly dial: Dial
}

/** Whether `incarnation` is the one that is committed for `peer`, if one is. */
export function isSame(peer: Peer, incarnation: string): boolean {
  return peer.incarnation === undefined || peer.incarnation === incarnation
}
