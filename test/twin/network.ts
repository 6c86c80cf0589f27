import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { NodeId } from '../../src/base/ids.ts'
import { type Channel, Channels, type PeerNetwork } from '../../src/cluster/wire/index.ts'
import { seededRandom } from './random.ts'

export type NetworkTwinOptions = {
  readonly seed?: number
  /** Of 1: how often sending breaks the connection, which is up again a little later. */
  readonly breaks?: number
  /** Bytes that wait on a connection; more are refused. */
  readonly queueBytes?: number
  /** See the field. */
  readonly delayMs?: number
}

/**
 * The connections between the nodes of a cluster, in memory. As over TCP, frames arrive in order, what is on the way is lost
 * with the connection, and both sides hear of its end.
 */
export class NetworkTwin {
  /** A frame takes up to so long, behind those sent before it; with 0 it takes one turn of the event loop. */
  delayMs: number
  /** Of 1: how often a frame that was taken is lost without a word, as the contract of a transport allows. */
  loss = 0
  /** Frames that no receiver could make sense of. */
  malformed = 0
  /** Frames that were taken. */
  sent = 0
  /** Sees every frame that is taken; what it gives is waited for before the frame, and those after it, go on. */
  observe: (from: NodeId, to: NodeId, payload: Uint8Array) => Promise<void> | undefined = () =>
    undefined
  readonly #options: NetworkTwinOptions
  readonly #random: () => number
  readonly #nodes = new Map<NodeId, Channels>()
  readonly #links = new Map<string, Link>()
  readonly #cuts = new Map<string, readonly [NodeId, NodeId]>()
  /** One-way. */
  readonly #silent = new Set<string>()
  readonly #paused = new Map<NodeId, PromiseWithResolvers<void>>()

  constructor(options: NetworkTwinOptions = {}) {
    this.#options = options
    this.#random = seededRandom(options.seed ?? 1)
    this.delayMs = options.delayMs ?? 0
  }

  /**
   * A new life of the node, which reaches all others from now on; they hear of it when it has had time to listen. An earlier
   * life sends and hears nothing any more.
   */
  join(id: NodeId): PeerNetwork {
    this.kill(id)
    const life: Channels = new Channels(() => (this.#nodes.get(id) === life ? sender : undefined))
    const sender = {
      send: (to: NodeId, channel: Channel, payload: Uint8Array) =>
        this.#send(id, to, channel, payload),
      isConnected: (peer: NodeId) => this.#isConnected(id, peer),
    }
    const others = [...this.#nodes.keys()]
    this.#nodes.set(id, life)
    setImmediate(() => {
      if (this.#nodes.get(id) === life) for (const other of others) this.#connected(id, other)
    })
    return life
  }

  /** The node is gone: nothing comes from it or reaches it any more. */
  kill(id: NodeId): void {
    if (!this.#nodes.has(id)) return
    const peers = [...this.#nodes.keys()].filter((peer) => this.#isConnected(id, peer))
    this.#nodes.delete(id)
    for (const peer of peers) this.#disconnected(id, peer)
  }

  /** Ends the connections between two nodes; there are none until they are healed. */
  cut(a: NodeId, b: NodeId): void {
    if (this.#cuts.has(pair(a, b))) return
    this.#cuts.set(pair(a, b), [a, b])
    this.#disconnected(a, b)
  }

  heal(a: NodeId, b: NodeId): void {
    if (this.#cuts.delete(pair(a, b))) this.#connected(a, b)
  }

  /** What the one sends to the other from now on is taken and lost, and neither hears of that. */
  silence(from: NodeId, to: NodeId): void {
    this.#silent.add(`${from} ${to}`)
  }

  /** No link is cut any more, and no frame is lost. */
  healAll(): void {
    this.loss = 0
    this.#silent.clear()
    for (const [a, b] of [...this.#cuts.values()]) this.heal(a, b)
  }

  /** What is sent to the node waits until it goes on, and nobody hears of that. */
  pause(id: NodeId): void {
    if (!this.#paused.has(id)) this.#paused.set(id, Promise.withResolvers())
  }

  resume(id: NodeId): void {
    this.#paused.get(id)?.resolve()
    this.#paused.delete(id)
  }

  #isConnected(from: NodeId, to: NodeId): boolean {
    const areThere = this.#nodes.has(from) && this.#nodes.has(to)
    return areThere && from !== to && !this.#cuts.has(pair(from, to))
  }

  #connected(a: NodeId, b: NodeId): void {
    if (!this.#isConnected(a, b)) return
    this.#nodes.get(a)?.connected(b)
    this.#nodes.get(b)?.connected(a)
  }

  #disconnected(a: NodeId, b: NodeId): void {
    this.#links.delete(`${a} ${b}`)
    this.#links.delete(`${b} ${a}`)
    this.#nodes.get(a)?.disconnected(b)
    this.#nodes.get(b)?.disconnected(a)
  }

  #send(from: NodeId, to: NodeId, channel: Channel, payload: Uint8Array): boolean {
    if (!this.#isConnected(from, to)) return false
    const { breaks = 0, queueBytes = Number.POSITIVE_INFINITY } = this.#options
    if (this.#random() < breaks) {
      this.cut(from, to)
      setImmediate(() => this.heal(from, to))
      return false
    }
    const name = `${from} ${to}`
    const link = this.#links.get(name) ?? { frames: [], bytes: 0, isRefused: false, isBusy: false }
    this.#links.set(name, link)
    if (link.bytes > 0 && link.bytes + payload.length > queueBytes) {
      link.isRefused = true
      return false
    }
    this.sent++
    if (this.#silent.has(name) || this.#random() < this.loss) return true
    link.frames.push({ channel, payload, held: this.observe(from, to, payload) })
    link.bytes += payload.length
    if (!link.isBusy) void this.#deliverAll(from, to, link)
    return true
  }

  async #deliverAll(from: NodeId, to: NodeId, link: Link): Promise<void> {
    link.isBusy = true
    for (let frame = link.frames[0]; frame !== undefined; frame = link.frames[0]) {
      await (this.delayMs > 0 ? sleep(this.#random() * this.delayMs) : turn())
      await frame.held
      await this.#paused.get(to)?.promise
      if (this.#links.get(`${from} ${to}`) !== link) return
      link.frames.shift()
      link.bytes -= frame.payload.length
      const isSound = this.#nodes.get(to)?.receive(from, frame.channel, frame.payload)
      if (isSound === false) this.malformed++
      if (link.frames.length > 0 || !link.isRefused) continue
      link.isRefused = false
      this.#nodes.get(from)?.drained(to)
    }
    link.isBusy = false
  }
}

type Link = {
  readonly frames: {
    readonly channel: Channel
    readonly payload: Uint8Array
    readonly held: Promise<void> | undefined
  }[]
  bytes: number
  isRefused: boolean
  isBusy: boolean
}

function pair(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
