/** The one transport of a node shared out among those who talk over it, by channel. */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Channel, Transport } from './transport.ts'

/** What a part of the node sees of the others: its own channels, and who is reached. */
export interface PeerNetwork {
  /** As `Transport.send`; false too on a node that is alone. */
  send(to: NodeId, channel: Channel, payload: Uint8Array): boolean
  isConnected(peer: NodeId): boolean
  /** Of each channel there is one listener, given before the node starts. */
  listen(channel: Channel, listener: ChannelListener): void
}

/** Called one at a time; none may throw. Payloads are the listener's, and keep alive the memory around them. */
export type ChannelListener = {
  /** False when the payload is not what this channel carries. */
  receive(from: NodeId, payload: Uint8Array): boolean
  /** `send` reaches the peer from now on; what was sent before may be lost. */
  connected?(peer: NodeId): void
  disconnected?(peer: NodeId): void
  /** A `send` that was refused because of a full queue may be tried again. */
  drained?(peer: NodeId): void
}

export class Channels implements PeerNetwork {
  readonly #transport: () => Pick<Transport, 'send' | 'isConnected'> | undefined
  readonly #listeners = new Map<Channel, ChannelListener>()

  /** `transport` gives undefined on a node that is alone. */
  constructor(transport: () => Pick<Transport, 'send' | 'isConnected'> | undefined) {
    this.#transport = transport
  }

  send(to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    return this.#transport()?.send(to, channel, payload) ?? false
  }

  isConnected(peer: NodeId): boolean {
    return this.#transport()?.isConnected(peer) ?? false
  }

  listen(channel: Channel, listener: ChannelListener): void {
    assert(!this.#listeners.has(channel), 'a channel has one listener')
    this.#listeners.set(channel, listener)
  }

  /** False when nobody knows what to do with the payload. */
  receive(from: NodeId, channel: Channel, payload: Uint8Array): boolean {
    return this.#listeners.get(channel)?.receive(from, payload) ?? false
  }

  connected(peer: NodeId): void {
    for (const listener of this.#listeners.values()) listener.connected?.(peer)
  }

  disconnected(peer: NodeId): void {
    for (const listener of this.#listeners.values()) listener.disconnected?.(peer)
  }

  drained(peer: NodeId): void {
    for (const listener of this.#listeners.values()) listener.drained?.(peer)
  }
}
