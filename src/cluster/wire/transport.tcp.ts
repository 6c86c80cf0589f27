import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import { Acceptor } from './acceptor.tcp.ts'
import { Dialer, isSame } from './dialer.tcp.ts'
import { PAYLOAD_BYTES_MAX } from './frame.ts'
import { type Dial, dialWith } from './socket.tcp.ts'
import {
  type Address,
  type Admission,
  type Channel,
  type Hello,
  type Peer,
  SECRET_BYTES_MIN,
  type Transport,
  type TransportLimits,
  type TransportOptions,
} from './transport.ts'

/** The transport of a node: TCP, inside TLS when it is configured. Throws when the parts of TLS do not fit together. */
export class TcpTransport implements Transport {
  readonly #options: TransportOptions
  readonly #limits: TransportLimits
  readonly #dial: Dial
  readonly #acceptor: Acceptor
  readonly #ticker: NodeJS.Timeout
  #peers = new Map<NodeId, Peer>()
  readonly #dialers = new Map<NodeId, Dialer>()

  constructor(options: TransportOptions) {
    assert(options.secret.length >= SECRET_BYTES_MIN, 'the secret of the cluster is too short')
    this.#options = options
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits }
    this.#dial = dialWith(options.tls)
    this.#acceptor = new Acceptor({
      transport: options,
      limits: this.#limits,
      confirm: (hello) => this.#confirm(hello),
      onAdmitted: (node) => this.#dialers.get(node)?.retryNow(),
    })
    this.#ticker = setInterval(() => this.#tick(), this.#limits.pingMs)
  }

  listen(): Promise<Address> {
    return this.#acceptor.listen()
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker)
    this.#setPeers([], 'this node is shutting down')
    await this.#acceptor.close()
  }

  setPeers(peers: readonly Peer[]): void {
    this.#setPeers(peers, 'it is no member any more')
  }

  #setPeers(peers: readonly Peer[], reason: string): void {
    const self = this.#options.hello().node
    this.#peers = new Map(peers.filter(({ id }) => id !== self).map((peer) => [peer.id, peer]))
    for (const [id, dialer] of [...this.#dialers]) {
      if (this.#peers.has(id)) continue
      this.#dialers.delete(id)
      dialer.stop(reason)
    }
    this.#acceptor.recheck((hello) => this.#confirm(hello).admit)
    for (const [id, peer] of this.#peers) {
      const dialer = this.#dialers.get(id)
      if (dialer) dialer.update(peer)
      else this.#dialers.set(id, this.#dialerOf(peer))
    }
  }

  send(to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    const { counts } = this.#options
    if (payload.length > PAYLOAD_BYTES_MAX) counts.oversized++
    else if (this.#dialers.get(to)?.send(channel, payload)) return true
    else counts.unsent++
    return false
  }

  isConnected(peer: NodeId): boolean {
    return this.#dialers.get(peer)?.isConnected ?? false
  }

  #dialerOf(peer: Peer): Dialer {
    return new Dialer(peer, { transport: this.#options, limits: this.#limits, dial: this.#dial })
  }

  #confirm({ node, incarnation }: Hello): Admission {
    const peer = this.#peers.get(node)
    if (peer === undefined) return { admit: false, reason: 'not-a-member' }
    return isSame(peer, incarnation)
      ? { admit: true }
      : { admit: false, reason: 'other-incarnation' }
  }

  #tick(): void {
    for (const dialer of this.#dialers.values()) dialer.tick()
    this.#acceptor.tick()
  }
}

/** What a transport keeps to that is told nothing else. */
export const TRANSPORT_LIMITS: TransportLimits = {
  // Some hundred batches, and more than the largest frame.
  consensusQueueBytes: 16 * 1_024 * 1_024,
  // Several of the largest frames of replicas (some 9 MiB); what is lost is fetched again, which costs more than to wait.
  mapQueueBytes: 32 * 1_024 * 1_024,
  // Some of what goes over a fast network within a millisecond: more would only wait here.
  bulkQueueBytes: 2 * 1_024 * 1_024,
  // Ten times the members of a large cluster, all dialing at once.
  strangers: 64,
  // Three clusters of five nodes behind one address, all dialing at once; a quarter of all.
  strangersPerHost: 16,
  // Enough for a peer whose disk takes seconds to keep a pin.
  handshakeMs: 5_000,
  // A dead link is noticed after three to four of these: within three seconds.
  pingMs: 700,
  // A restarted process listens again within this; a rack that is gone is asked for every other second.
  backOffMs: 50,
  backOffMaxMs: 2_000,
}
