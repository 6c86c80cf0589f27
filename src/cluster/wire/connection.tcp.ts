import type { Socket } from 'node:net'
import type { DropReason } from './count.ts'
import { FRAME_BYTES_MAX, FrameReader, FrameWriter, type Message } from './frame.ts'
import { HANDSHAKE_BYTES_MAX, type SessionKeys } from './handshake.ts'
import { LENGTH_BYTES, Splitter } from './splitter.ts'
import type { Channel } from './transport.ts'

/**
 * One TCP connection, dialed or accepted: pieces of a handshake first, frames once it has been opened with keys. It ends
 * with the first thing that is not what it should be, and says so once.
 */
export class Connection {
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  readonly #splitter = new Splitter()
  #frames: { readonly reader: FrameReader; readonly writer: FrameWriter } | undefined
  #silentTicks = 0
  #hasEnded = false
  #isRefused = false

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket
    this.#events = events
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => events.onDrain?.())
    // An error of several addresses has no message of its own.
    socket.on('error', ({ message, code }: NodeJS.ErrnoException) => {
      this.#isRefused = code === 'ECONNREFUSED'
      this.end(message || `${code}`)
    })
    socket.on('end', () => this.end('closed by the other side'))
    socket.on('close', () => this.end('closed'))
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** It has ended because nobody listens at the other side. */
  get isRefused(): boolean {
    return this.#isRefused
  }

  /** The other side has not even answered at the level of TCP. */
  get isConnecting(): boolean {
    return this.#socket.connecting
  }

  /** Whether what is written now would wait in memory for the network. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Sends a piece of the handshake. */
  sendPiece(piece: Uint8Array): void {
    const length = new Uint8Array(LENGTH_BYTES)
    new DataView(length.buffer).setUint32(0, piece.length)
    this.#write([length, piece])
  }

  /** From now on frames go both ways. */
  open(keys: SessionKeys): void {
    const { receiving, sending } = keys
    this.#frames = { reader: new FrameReader(receiving), writer: new FrameWriter(sending) }
  }

  /** Sends these messages as one frame; the connection is open. */
  sendFrame(messages: readonly Message[]): void {
    if (this.#frames !== undefined) this.#write(this.#frames.writer.frame(messages))
  }

  /**
   * Shows that this side is alive, and ends an open connection whose other side has not shown it for `SILENT_TICKS_MAX`
   * ticks. Ticks are counted, not milliseconds: after a pause of this process what has arrived meanwhile is read before
   * anything is concluded from silence.
   */
  tick(): void {
    if (this.#frames === undefined || this.#hasEnded) return
    if (this.#silentTicks === SILENT_TICKS_MAX) {
      this.end('the other side is silent')
    } else {
      this.#silentTicks++
      this.sendFrame([])
    }
  }

  /** Sends what is under way and ends; the other side may be slow to read it. */
  finish(): void {
    this.#socket.end()
  }

  /** Ends at once. Nothing that arrives later is looked at. */
  end(reason: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#socket.destroy()
    this.#events.onEnd(reason)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#hasEnded) return
    this.#silentTicks = 0
    this.#splitter.push(chunk)
    while (!this.#hasEnded) {
      const piece = this.#splitter.take(
        this.#frames === undefined ? HANDSHAKE_BYTES_MAX : FRAME_BYTES_MAX,
      )
      if (piece === 'incomplete') return
      if (piece === 'oversized') this.#drop('oversized')
      else if (this.#frames === undefined) this.#events.onPiece(piece)
      else this.#receiveFrame(this.#frames.reader, piece)
    }
  }

  #receiveFrame(reader: FrameReader, piece: Uint8Array): void {
    const frame = reader.read(piece)
    if (!frame.ok) {
      this.#drop(frame.error)
      return
    }
    for (const { channel, payload } of frame.value) {
      // The listener may have ended it.
      if (!this.#hasEnded) this.#events.onMessage(channel, payload)
    }
  }

  #drop(reason: DropReason): void {
    this.#events.onDropped(reason)
    this.end(`it sent a frame that is ${reason}`)
  }

  #write(pieces: readonly Uint8Array[]): void {
    if (this.#hasEnded) return
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }
}

export type ConnectionEvents = {
  /** A part of the handshake, while the connection is not open. */
  onPiece(piece: Uint8Array): void
  /** A message of a frame that is what it should be. */
  onMessage(channel: Channel, payload: Uint8Array): void
  /** A frame that is not; the connection ends. */
  onDropped(reason: DropReason): void
  /** It is not full any more. */
  onDrain?(): void
  /** Called once; nothing comes after it. */
  onEnd(reason: string): void
}

/** The other side is gone after this many ticks without a byte of it: one or two lost packets are no reason. */
const SILENT_TICKS_MAX = 3
