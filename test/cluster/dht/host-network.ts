import type { NodeId } from '../../../src/base/ids.ts'
import type { Channel, ChannelListener, PeerNetwork } from '../../../src/cluster/wire/index.ts'
import type { Random } from '../../sim/random.ts'

/**
 * The connections between the nodes of a test, in its own process: what is sent arrives in order after a random while, unless it
 * is lost on the way, the link is cut or the receiver is gone.
 */
export class HostNetwork {
  /** How likely a frame is lost. */
  loss = 0
  delayMs = 0
  /** Frames that no receiver could make sense of. */
  malformed = 0
  sent = 0
  /** Sees every frame; what it gives is waited for before the frame, and those after it, go on. */
  observe: (from: NodeId, to: NodeId, payload: Uint8Array) => Promise<void> | undefined = () =>
    undefined
  readonly #random: Random
  readonly #ends = new Map<NodeId, NetworkEnd>()
  readonly #cuts = new Set<string>()

  constructor(random: Random) {
    this.#random = random
  }

  /** A new life of that node; the earlier one sends and hears nothing any more. */
  join(id: NodeId): PeerNetwork {
    this.leave(id)
    const end = new NetworkEnd(id, this)
    this.#ends.set(id, end)
    // When it has its listeners.
    setTimeout(() => this.#connect(end))
    return end
  }

  leave(id: NodeId): void {
    this.#ends.delete(id)
  }

  #connect(end: NetworkEnd): void {
    if (this.#ends.get(end.id) !== end) return
    for (const other of this.#ends.values()) {
      if (other === end || !this.isLinked(end.id, other.id)) continue
      other.connected(end.id)
      end.connected(other.id)
    }
  }

  /** Both ways. */
  cut(one: NodeId, other: NodeId): void {
    this.#cuts.add(`${one} ${other}`).add(`${other} ${one}`)
  }

  heal(): void {
    this.#cuts.clear()
    this.loss = 0
    for (const end of this.#ends.values()) this.#connect(end)
  }

  isLinked(from: NodeId, to: NodeId): boolean {
    return this.#ends.has(to) && !this.#cuts.has(`${from} ${to}`)
  }

  carry(from: NetworkEnd, to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    const target = this.#ends.get(to)
    if (this.#ends.get(from.id) !== from || target === undefined) return false
    if (!this.isLinked(from.id, to)) return false
    this.sent++
    if (this.#random.chance(this.loss)) return true
    const before = from.lines.get(to) ?? Promise.resolve()
    const held = this.observe(from.id, to, payload)
    const line = before.then(async () => {
      await held
      const delayMs = this.delayMs * this.#random.next()
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      const isHeard = this.#ends.get(to) === target && this.isLinked(from.id, to)
      if (isHeard && !target.receive(from.id, channel, payload)) this.malformed++
    })
    from.lines.set(to, line)
    return true
  }
}

class NetworkEnd implements PeerNetwork {
  readonly id: NodeId
  /** What is under way to each node ends in order. */
  readonly lines = new Map<NodeId, Promise<void>>()
  readonly #network: HostNetwork
  readonly #listeners = new Map<Channel, ChannelListener>()

  constructor(id: NodeId, network: HostNetwork) {
    this.id = id
    this.#network = network
  }

  send(to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    return this.#network.carry(this, to, channel, payload)
  }

  isConnected(peer: NodeId): boolean {
    return this.#network.isLinked(this.id, peer)
  }

  listen(channel: Channel, listener: ChannelListener): void {
    this.#listeners.set(channel, listener)
  }

  connected(peer: NodeId): void {
    for (const listener of this.#listeners.values()) listener.connected?.(peer)
  }

  receive(from: NodeId, channel: Channel, payload: Uint8Array): boolean {
    return this.#listeners.get(channel)?.receive(from, payload) ?? false
  }
}
