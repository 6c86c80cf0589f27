/**
 * The network between real processes, with faults: one listener per node, dialled by all others in its place. What happens
 * to the bytes from a to b is set for that direction alone, whichever of the two has dialled. Jitter depends on the seed.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Random } from '../sim/random.ts'

/**
 * What happens to bytes under way.
 *
 * - `cut`: nothing passes; what TCP has taken is delivered when the fault ends, as retransmission would.
 * - `loss`: swallowed. The connection lives on unaware, and is reset when the fault ends: its stream has a hole.
 * - `delay`: each piece waits that long, in order.
 * - `throttle`: as through a slow line.
 */
export type LinkFault =
  | { readonly kind: 'cut' }
  | { readonly kind: 'loss' }
  | { readonly kind: 'delay'; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }

export type FaultProxyOptions = {
  readonly seed: number
  /** Who dials from this port of loopback to `to`; undefined if it is nobody of the cluster. */
  dialer(fromPort: number, toPort: number): string | undefined
}

/** What the faults have done so far; a test asserts with it that its fault occurred. */
export type FaultEffects = {
  connections: number
  /** Connections from somebody who is no node. */
  strangers: number
  resets: number
  heldBytes: number
  swallowedBytes: number
  delayedBytes: number
  throttledBytes: number
}

export class FaultProxy {
  readonly effects: FaultEffects = {
    connections: 0,
    strangers: 0,
    resets: 0,
    heldBytes: 0,
    swallowedBytes: 0,
    delayedBytes: 0,
    throttledBytes: 0,
  }
  readonly #options: FaultProxyOptions
  readonly #random: Random
  readonly #listeners = new Map<string, Server>()
  readonly #links = new Map<string, Link>()
  readonly #connections = new Set<Connection>()

  constructor(options: FaultProxyOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  /** Opens the way to `node`, which listens on `port`; returns the port that the others dial. */
  async open(node: string, port: number): Promise<number> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket, node, port),
    )
    this.#listeners.set(node, listener)
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    return (listener.address() as AddressInfo).port
  }

  /** From now on this happens to what `from` sends to `to`; nothing special when `fault` is absent. */
  set(from: string, to: string, fault?: LinkFault): void {
    const link = this.#link(from, to)
    const was = link.fault
    link.fault = fault
    for (const connection of this.#connections) {
      const pipe = connection.pipes.find((each) => each.link === link)
      if (pipe === undefined) continue
      if (was?.kind === 'loss' && fault?.kind !== 'loss' && pipe.hasHole) connection.reset()
      else pipe.pump()
    }
  }

  /** The same for both directions. */
  setBoth(a: string, b: string, fault?: LinkFault): void {
    this.set(a, b, fault)
    this.set(b, a, fault)
  }

  /** Ends all faults. */
  heal(): void {
    for (const link of [...this.#links.values()]) this.set(link.from, link.to)
  }

  /** Resets the connections between two nodes, once; returns how many there were. */
  reset(a: string, b: string): number {
    const found = [...this.#connections].filter(({ dialer, target }) => {
      return (dialer === a && target === b) || (dialer === b && target === a)
    })
    for (const connection of found) connection.reset()
    this.effects.resets += found.length
    return found.length
  }

  async close(): Promise<void> {
    for (const connection of [...this.#connections]) connection.reset()
    await Promise.all(
      [...this.#listeners.values()].map(async (listener) => {
        listener.close()
        await once(listener, 'close')
      }),
    )
  }

  #accept(near: Socket, target: string, port: number): void {
    const dialer = this.#options.dialer(near.remotePort ?? 0, near.localPort ?? 0)
    if (dialer === undefined) {
      this.effects.strangers++
      near.on('error', () => undefined)
      near.resetAndDestroy()
      return
    }
    this.effects.connections++
    const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    const pipes = [
      new Pipe(near, far, this.#link(dialer, target), this.effects),
      new Pipe(far, near, this.#link(target, dialer), this.effects),
    ] as const
    const connection: Connection = {
      dialer,
      target,
      pipes,
      reset: () => {
        this.#connections.delete(connection)
        for (const pipe of pipes) pipe.close()
        near.resetAndDestroy()
        far.resetAndDestroy()
      },
    }
    this.#connections.add(connection)
    const forget = () => {
      if (near.destroyed && far.destroyed) this.#connections.delete(connection)
    }
    near.on('close', forget)
    far.on('close', forget)
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`
    let link = this.#links.get(name)
    if (link === undefined) {
      link = { from, to, fault: undefined, random: this.#random.split(name) }
      this.#links.set(name, link)
    }
    return link
  }
}

type Connection = {
  readonly dialer: string
  readonly target: string
  readonly pipes: readonly [Pipe, Pipe]
  reset(): void
}

type Link = {
  readonly from: string
  readonly to: string
  readonly random: Random
  fault: LinkFault | undefined
}

/** Under way from a socket to another: bytes, or the end of the stream, good or bad. */
type Piece = { readonly content: Uint8Array | 'end' | 'reset'; readonly dueMs: number }

/** One direction of one connection. */
class Pipe {
  readonly link: Link
  /** Bytes of this stream were swallowed. */
  hasHole = false
  readonly #source: Socket
  readonly #sink: Socket
  readonly #effects: FaultEffects
  readonly #pieces: Piece[] = []
  #bytes = 0
  #lastDueMs = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(source: Socket, sink: Socket, link: Link, effects: FaultEffects) {
    this.link = link
    this.#source = source
    this.#sink = sink
    this.#effects = effects
    source.on('data', (chunk: Buffer) => this.#take(chunk))
    source.on('end', () => this.#add('end', 0))
    source.on('error', () => this.#add('reset', 0))
    sink.on('drain', () => this.pump())
  }

  /** Passes on what may go now. */
  pump(): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    while (this.link.fault?.kind !== 'cut' && !this.#sink.writableNeedDrain) {
      const piece = this.#pieces[0]
      if (piece === undefined) break
      const waitMs = piece.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs)
        break
      }
      this.#pieces.shift()
      this.#pass(piece.content)
    }
    if (this.#bytes < HELD_BYTES_MAX) this.#source.resume()
    else this.#source.pause()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #take(chunk: Buffer): void {
    const { fault } = this.link
    if (fault?.kind === 'loss') {
      this.hasHole = true
      this.#effects.swallowedBytes += chunk.length
      return
    }
    if (fault?.kind === 'cut') this.#effects.heldBytes += chunk.length
    if (fault?.kind === 'delay') this.#effects.delayedBytes += chunk.length
    if (fault?.kind !== 'throttle') {
      this.#add(chunk, chunk.length)
      return
    }
    this.#effects.throttledBytes += chunk.length
    for (let at = 0; at < chunk.length; at += SLOW_BYTES) {
      const part = chunk.subarray(at, at + SLOW_BYTES)
      this.#add(part, part.length)
    }
  }

  #add(content: Piece['content'], sizeBytes: number): void {
    const dueMs = this.#due(sizeBytes)
    this.#lastDueMs = dueMs
    this.#bytes += sizeBytes
    this.#pieces.push({ content, dueMs })
    this.pump()
  }

  /** Never before what is already under way. */
  #due(sizeBytes: number): number {
    const { fault, random } = this.link
    const nowMs = performance.now()
    if (fault?.kind === 'delay')
      return Math.max(
        this.#lastDueMs,
        nowMs + fault.minMs + random.next() * (fault.maxMs - fault.minMs),
      )
    const freeMs = Math.max(this.#lastDueMs, nowMs)
    return fault?.kind === 'throttle' ? freeMs + (1_000 * sizeBytes) / fault.bytesPerSecond : freeMs
  }

  #pass(content: Piece['content']): void {
    if (content === 'end') this.#sink.end()
    else if (content === 'reset') this.#sink.resetAndDestroy()
    else {
      this.#bytes -= content.length
      if (this.#sink.writable) this.#sink.write(content)
    }
  }
}

/** What one direction takes from a sender before TCP holds it back: as much as a socket buffer. */
const HELD_BYTES_MAX = 256 * 1_024

/** On a slow line bytes arrive in pieces of this size. */
const SLOW_BYTES = 1_024
