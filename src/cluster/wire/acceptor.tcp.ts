import { randomBytes } from 'node:crypto'
import type { Server, Socket } from 'node:net'
import type { NodeId } from '../../base/ids.ts'
import { err } from '../../base/result.ts'
import { Connection } from './connection.tcp.ts'
import type { DropReason } from './count.ts'
import { AcceptingHandshake, type Introduction, NONCE_BYTES } from './handshake.ts'
import { type BoundSocket, serverWith } from './socket.tcp.ts'
import type { Address, Admission, Hello, TransportLimits, TransportOptions } from './transport.ts'

/** Takes the connections that peers send on: each is a stranger until it has shaken hands and was admitted. */
export class Acceptor {
  readonly #options: AcceptorOptions
  readonly #server: Server
  /** By their remote end, oldest first; they take little, wait briefly, and are few. */
  readonly #strangers = new Map<string, Stranger>()
  readonly #guests = new Map<NodeId, Guest>()

  constructor(options: AcceptorOptions) {
    this.#options = options
    const { tls } = options.transport
    this.#server = serverWith(
      tls,
      (socket) => this.#watch(socket),
      (bound) => this.#greet(bound),
    )
  }

  listen(): Promise<Address> {
    const { promise, resolve, reject } = Promise.withResolvers<Address>()
    const { host, port } = this.#options.transport.listen
    this.#server.once('error', reject)
    this.#server.listen({ host, port }, () => {
      this.#server.off('error', reject)
      // Being out of open files is no reason to stop: the peer dials again.
      this.#server.on('error', () => {})
      const bound = this.#server.address()
      resolve({ host, port: typeof bound === 'object' && bound !== null ? bound.port : port })
    })
    return promise
  }

  async close(): Promise<void> {
    this.recheck(() => false)
    for (const key of [...this.#strangers.keys()]) this.#expel(key)
    await new Promise((resolve) => this.#server.close(resolve))
  }

  tick(): void {
    for (const { connection } of this.#guests.values()) connection.tick()
  }

  /** Ends the connections of those who are not welcome any more. */
  recheck(isWelcome: (hello: Hello) => boolean): void {
    for (const { connection, hello } of [...this.#guests.values()]) {
      if (!isWelcome(hello)) connection.end('the membership has changed')
    }
  }

  /** Bounds how long and how many can be connected without having been admitted. */
  #watch(socket: Socket): void {
    const { limits } = this.#options
    const key = remoteEnd(socket)
    // What ended before it was accepted has no remote end, and an end may come back before it was missed.
    this.#expel(key)
    const stranger: Stranger = {
      socket,
      host: socket.remoteAddress,
      deadline: setTimeout(() => this.#expel(key), limits.handshakeMs),
      isBlamed: false,
    }
    this.#strangers.set(key, stranger)
    // Inside TLS it is the outer socket that reports errors.
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#strangers.get(key) === stranger) this.#expel(key)
    })
    // An honest handshake takes milliseconds, so whoever has been here longest is the least honest.
    const all = [...this.#strangers.keys()]
    const ofHost = all.filter((one) => this.#strangers.get(one)?.host === stranger.host)
    this.#expelOldest(ofHost, limits.strangersPerHost)
    this.#expelOldest(all, limits.strangers)
  }

  /** Of `keys`, oldest first, if they are more than `most`. */
  #expelOldest(keys: readonly string[], most: number): void {
    const [oldest] = keys
    if (keys.length > most && oldest !== undefined) this.#expel(oldest)
  }

  #expel(key: string): void {
    const stranger = this.#strangers.get(key)
    if (stranger === undefined) return
    this.#blame(key, 'unauthenticated')
    this.#forget(key)
    stranger.socket.destroy()
  }

  #forget(key: string): void {
    clearTimeout(this.#strangers.get(key)?.deadline)
    this.#strangers.delete(key)
  }

  #greet({ socket, channelBinding }: BoundSocket): void {
    const { transport } = this.#options
    const key = remoteEnd(socket)
    const handshake = new AcceptingHandshake({
      secret: transport.secret,
      nonce: randomBytes(NONCE_BYTES),
      channelBinding: channelBinding(),
    })
    let hello: Hello | undefined
    const connection = new Connection(socket, {
      onPiece: (piece) => {
        const met = hello === undefined ? handshake.meet(piece) : err('malformed' as const)
        if (!met.ok) return this.#reject({ connection, key, fault: met.error })
        const introduced = met.value
        hello = introduced.hello
        this.#admit(introduced).then(
          (admission) =>
            this.#answer({ connection, hello: introduced.hello, key, handshake, admission }),
          () => connection.end('this node could not decide on it'),
        )
      },
      onMessage: (channel, payload) => {
        if (hello !== undefined) transport.onMessage(hello.node, channel, payload)
      },
      onDropped: (fault) => this.#blame(key, fault),
      onEnd: () => {
        if (hello && this.#guests.get(hello.node)?.connection === connection) {
          this.#guests.delete(hello.node)
        }
      },
    })
    connection.sendPiece(handshake.greet())
  }

  async #admit({ to, sought, hello }: Introduction): Promise<Admission> {
    // It will see by the answer who this is. To take it in would end the connection that it sends to this node on.
    if (to !== this.#options.transport.hello().node) return { admit: false, reason: 'not-a-member' }
    return this.#options.transport.admit(hello, sought)
  }

  #answer({ connection, hello, key, handshake, admission: decision }: Conclusion): void {
    if (connection.hasEnded) return
    // The membership may have changed meanwhile; from here to the end of the step it does not.
    const admission = decision.admit ? this.#options.confirm(hello) : decision
    const { answer, keys } = handshake.answer(this.#options.transport.hello(), admission)
    connection.sendPiece(answer)
    if (!admission.admit) {
      this.#blame(key, 'refused')
      connection.finish()
      return
    }
    this.#forget(key)
    connection.open(keys)
    // The peer sends on one connection only: the one before is a remnant.
    this.#guests.get(hello.node)?.connection.end('replaced by a newer connection')
    this.#guests.set(hello.node, { connection, hello })
    this.#options.onAdmitted(hello.node)
  }

  #reject({ connection, key, fault }: Rejection): void {
    this.#blame(key, fault)
    connection.end(`its handshake is ${fault}`)
  }

  /** Counts what is wrong with a connection; of a stranger the first thing only. */
  #blame(key: string, fault: DropReason): void {
    const stranger = this.#strangers.get(key)
    if (stranger?.isBlamed) return
    if (stranger) stranger.isBlamed = true
    this.#options.transport.counts[fault]++
  }
}

export type AcceptorOptions = {
  readonly transport: TransportOptions
  readonly limits: TransportLimits
  /** The last word on a node that is to be admitted. */
  confirm(hello: Hello): Admission
  onAdmitted(node: NodeId): void
}

type Stranger = {
  readonly socket: Socket
  /** Undefined when the connection had ended before it was accepted. */
  readonly host: string | undefined
  readonly deadline: NodeJS.Timeout
  isBlamed: boolean
}

type Guest = { readonly connection: Connection; readonly hello: Hello }

type Rejection = {
  readonly connection: Connection
  readonly key: string
  readonly fault: DropReason
}

type Conclusion = Guest & {
  readonly key: string
  readonly handshake: AcceptingHandshake
  readonly admission: Admission
}

/** The same for a socket and for the one around it that decrypts. */
function remoteEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
