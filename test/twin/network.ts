import type { NodeId } from '../../src/base/ids.ts'
import type { Channel, ChannelListener, PeerNetwork } from '../../src/cluster/wire/index.ts'
import { seededRandom } from './random.ts'

export type NetworkTwinOptions = {
  readonly seed?: number
  /** Of 1: how often sending breaks the connection, which is up again a little later. */
  readonly breaks?: number
  /** A frame waits for up to this many turns of the event loop, behind those sent before it. */
  readonly turnsMax?: number
  /** Bytes that wait on a connection; more are refused. */
  readonly queueBytes?: number
}

/**
 * The connections between the nodes of a cluster, in memory. As over TCP, nothing is lost but with the connection, and both
 * sides hear of that.
 */
export class NetworkTwin {
  readonly #options: NetworkTwinOptions
  readonly #random: () => number
  readonly #nodes = new Map<NodeId, TwinNode>()
  readonly #links = new Map<string, Link>()
  readonly #cuts = new Set<string>()
  readonly #paused = new Set<NodeId>()

  constructor(options: NetworkTwinOptions = {}) {
    this.#options = options
    this.#random = seededRandom(options.seed ?? 1)
  }

  /** The network as the node sees it, which is connected to all others from now on. */
  join(id: NodeId): PeerNetwork {
    const listeners = new Map<Channel, ChannelListener>()
    this.#nodes.set(id, { listeners })
    return {
      send: (to, channel, payload) => this.#send(id, to, channel, payload),
      isConnected: (peer) => this.#isConnected(id, peer),
      listen: (channel, listener) => {
        if (listeners.has(channel)) throw new Error('a channel has one listener')
        listeners.set(channel, listener)
      },
    }
  }

  /** The node is gone: nothing comes from it or reaches it any more. */
  kill(id: NodeId): void {
    for (const peer of this.#nodes.keys()) {
      if (peer !== id) this.cut(id, peer)
    }
    this.#nodes.delete(id)
  }

  /** Ends the connections between two nodes; what is on the way is lost. */
  cut(a: NodeId, b: NodeId): void {
    this.#cuts.add(pair(a, b))
    this.#links.delete(`${a} ${b}`)
    this.#links.delete(`${b} ${a}`)
    this.#tell(a, (listener) => listener.disconnected?.(b))
    this.#tell(b, (listener) => listener.disconnected?.(a))
  }

  heal(a: NodeId, b: NodeId): void {
    this.#cuts.delete(pair(a, b))
    this.#tell(a, (listener) => listener.connected?.(b))
    this.#tell(b, (listener) => listener.connected?.(a))
  }

  /** What is sent to the node waits until it goes on. */
  pause(id: NodeId): void {
    this.#paused.add(id)
  }

  resume(id: NodeId): void {
    this.#paused.delete(id)
  }

  #isConnected(from: NodeId, to: NodeId): boolean {
    return this.#nodes.has(from) && this.#nodes.has(to) && !this.#cuts.has(pair(from, to))
  }

  #send(from: NodeId, to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    if (!this.#isConnected(from, to)) return false
    if (this.#random() < (this.#options.breaks ?? 0)) {
      this.cut(from, to)
      setImmediate(() => this.heal(from, to))
      return false
    }
    const name = `${from} ${to}`
    const link = this.#links.get(name) ?? { frames: [], bytes: 0, isRefused: false, isBusy: false }
    this.#links.set(name, link)
    const queueBytes = this.#options.queueBytes ?? Number.POSITIVE_INFINITY
    if (link.bytes > 0 && link.bytes + payload.length > queueBytes) {
      link.isRefused = true
      return false
    }
    link.frames.push({ channel, payload })
    link.bytes += payload.length
    if (!link.isBusy) void this.#deliverAll(from, to, link)
    return true
  }

  async #deliverAll(from: NodeId, to: NodeId, link: Link): Promise<void> {
    link.isBusy = true
    while (link.frames.length > 0) {
      let turns = 1 + Math.floor(this.#random() * (this.#options.turnsMax ?? 1))
      while (turns-- > 0 || this.#paused.has(to)) {
        await new Promise((resolve) => setImmediate(resolve))
        if (this.#links.get(`${from} ${to}`) !== link) return
      }
      const [frame] = link.frames
      if (frame === undefined) return
      link.frames.shift()
      link.bytes -= frame.payload.length
      const listener = this.#nodes.get(to)?.listeners.get(frame.channel)
      if (listener?.receive(from, frame.payload) === false) throw new Error('a malformed frame')
      if (link.frames.length > 0 || !link.isRefused) continue
      link.isRefused = false
      this.#tell(from, (listener) => listener.drained?.(to))
    }
    link.isBusy = false
  }

  #tell(id: NodeId, tell: (listener: ChannelListener) => void): void {
    for (const listener of this.#nodes.get(id)?.listeners.values() ?? []) tell(listener)
  }
}

type TwinNode = { readonly listeners: Map<Channel, ChannelListener> }

type Link = {
  readonly frames: { readonly channel: Channel; readonly payload: Uint8Array }[]
  bytes: number
  isRefused: boolean
  isBusy: boolean
}

function pair(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
