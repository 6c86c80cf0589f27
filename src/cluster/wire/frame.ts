/**
 * What travels between two nodes once they have shaken hands: a length (u32, of what follows), the version, the channel,
 * the place of the frame on its connection (u48), a MAC over these and the payload, and the payload.
 *
 * Rule 1  Each direction of each connection has a key of its own: a frame of another connection, an altered one and one
 *         that a stranger has made are all noticed, and cannot be told from each other.
 * Rule 2  The places count up from 0 without gaps, so a frame that is repeated, left out or moved is noticed.
 * Rule 3  After the first such frame nothing on the connection can be trusted: it ends.
 */
import { timingSafeEqual } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { hmacSha256 } from '../../base/hash.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { LENGTH_BYTES } from './splitter.ts'
import type { Channel } from './transport.ts'

/** The version of frames and handshake; a node refuses another. */
export const PROTOCOL_VERSION = 1

/**
 * The largest record that the consensus log can hold (8 MiB), and the decisions that may go before it in one message:
 * whatever can be decided can be sent.
 */
export const PAYLOAD_BYTES_MAX = 9 * 1_024 * 1_024

/** Between a frame's length and its payload. */
const HEADER_BYTES = 24

/** The longest length that a frame may announce. */
export const FRAME_BYTES_MAX = HEADER_BYTES + PAYLOAD_BYTES_MAX

/** Bytes of a frame that are not its payload. */
export const FRAME_OVERHEAD_BYTES = LENGTH_BYTES + HEADER_BYTES

export type Frame = { readonly channel: Channel; readonly payload: Uint8Array }

/** What is wrong with a frame; `foreign` and `replayed` as in `DropReason`. */
export type FrameFault = 'malformed' | 'foreign' | 'replayed'

/** Makes the frames of one direction of one connection. */
export class FrameWriter {
  readonly #key: Uint8Array
  #place = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** What goes before `payload` in the next frame. The payload itself is not copied: many connections may share it. */
  head(channel: Channel, payload: Uint8Array): Uint8Array {
    assert(payload.length <= PAYLOAD_BYTES_MAX, 'a payload is larger than a frame may be')
    const head = new Uint8Array(FRAME_OVERHEAD_BYTES)
    const view = new DataView(head.buffer)
    view.setUint32(0, HEADER_BYTES + payload.length)
    const place = this.#place++
    view.setUint8(4, PROTOCOL_VERSION)
    view.setUint8(5, channel)
    view.setUint16(6, Math.floor(place / 2 ** 32))
    view.setUint32(8, place % 2 ** 32)
    head.set(seal(this.#key, head.subarray(LENGTH_BYTES, LENGTH_BYTES + SEALED_BYTES), payload), 12)
    return head
  }
}

/** Checks the frames of one direction of one connection. */
export class FrameReader {
  readonly #key: Uint8Array
  #place = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** The frame that `piece` is, without its length; the payload is a view of it. */
  read(piece: Uint8Array): Result<Frame, FrameFault> {
    if (piece.length < HEADER_BYTES) return err('malformed')
    const sealed = piece.subarray(0, SEALED_BYTES)
    const payload = piece.subarray(HEADER_BYTES)
    const mac = piece.subarray(SEALED_BYTES, HEADER_BYTES)
    if (!timingSafeEqual(mac, seal(this.#key, sealed, payload))) return err('foreign')
    const view = new DataView(piece.buffer, piece.byteOffset, HEADER_BYTES)
    if (view.getUint8(0) !== PROTOCOL_VERSION) return err('malformed')
    const place = view.getUint16(2) * 2 ** 32 + view.getUint32(4)
    if (place !== this.#place) return err('replayed')
    this.#place++
    return ok({ channel: view.getUint8(1), payload })
  }
}

/** Version, channel and place. */
const SEALED_BYTES = 8

/** HMAC-SHA-256 may be cut to half; 2^128 tries are out of reach of anybody who gets one per connection. */
const MAC_BYTES = HEADER_BYTES - SEALED_BYTES

function seal(key: Uint8Array, sealed: Uint8Array, payload: Uint8Array): Uint8Array {
  return hmacSha256(key, sealed, payload).subarray(0, MAC_BYTES)
}
