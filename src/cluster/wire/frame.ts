/**
 * What travels between two nodes once they have shaken hands: a length (u32, of what follows), the version, the place of the
 * frame on its connection (u48), a MAC of all that follows, whose nonce these two are, and the messages of one moment,
 * perhaps none. Each is a channel, a length (u32) and a payload.
 *
 * Rule 1  Each direction of each connection has a key of its own: a frame of another connection, an altered one and one
 *         that a stranger has made are all noticed, and cannot be told from each other.
 * Rule 2  The places count up from 0 without gaps, so a frame that is repeated, left out or moved is noticed; and no key ever
 *         seals two frames under one nonce, which would tell others how to seal.
 * Rule 3  After the first such frame nothing on the connection can be trusted: it ends.
 */
import { timingSafeEqual } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { gmac } from '../../base/hash.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { transientBytes } from '../../base/transient.ts'
import { LENGTH_BYTES } from './splitter.ts'
import type { Channel } from './transport.ts'

/** The version of frames and handshake; a node refuses another. */
export const PROTOCOL_VERSION = 3

/**
 * The largest record that the consensus log can hold (8 MiB), and the decisions that may go before it in one message:
 * whatever can be decided can be sent.
 */
export const PAYLOAD_BYTES_MAX = 9 * 1_024 * 1_024

/** Version and place. */
const SEALED_BYTES = 7

/** All of a GMAC; for the largest frame one try in 2^108 succeeds, and a connection ends after one. */
const MAC_BYTES = 16

const NONCE_BYTES = 12

/** Between a frame's length and its messages. */
const HEADER_BYTES = SEALED_BYTES + MAC_BYTES

/** Channel and length of a message. */
const LABEL_BYTES = 5

/** The longest length that a frame may announce. */
export const FRAME_BYTES_MAX = HEADER_BYTES + LABEL_BYTES + PAYLOAD_BYTES_MAX

export type Message = { readonly channel: Channel; readonly payload: Uint8Array }

/** What is wrong with a frame; `foreign` and `replayed` as in `DropReason`. */
export type FrameFault = 'malformed' | 'foreign' | 'replayed'

/** Makes the frames of one direction of one connection. */
export class FrameWriter {
  readonly #key: Uint8Array
  #place = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /**
   * The pieces of the next frame, which holds these messages. A payload that is alone is the last piece itself, so that many
   * connections may share it; those of several messages are copied, and may not be more than one may be.
   */
  frame(messages: readonly Message[]): readonly Uint8Array[] {
    const [first] = messages
    const bodyBytes = messages.reduce((sum, { payload }) => sum + LABEL_BYTES + payload.length, 0)
    assert(bodyBytes <= LABEL_BYTES + PAYLOAD_BYTES_MAX, 'a frame holds more than it may')
    const isAlone = messages.length === 1 && first !== undefined
    const head = transientBytes(BODY_AT + (isAlone ? LABEL_BYTES : bodyBytes))
    const view = new DataView(head.buffer, head.byteOffset)
    view.setUint32(0, HEADER_BYTES + bodyBytes)
    view.setUint8(LENGTH_BYTES, PROTOCOL_VERSION)
    const place = this.#place++
    view.setUint16(LENGTH_BYTES + 1, Math.floor(place / 2 ** 32))
    view.setUint32(LENGTH_BYTES + 3, place % 2 ** 32)
    let at = BODY_AT
    for (const { channel, payload } of messages) {
      view.setUint8(at, channel)
      view.setUint32(at + 1, payload.length)
      if (!isAlone) head.set(payload, at + LABEL_BYTES)
      at += LABEL_BYTES + payload.length
    }
    const pieces = isAlone ? [head, first.payload] : [head]
    const sealed = head.subarray(LENGTH_BYTES, LENGTH_BYTES + SEALED_BYTES)
    const body = isAlone ? [head.subarray(BODY_AT), first.payload] : [head.subarray(BODY_AT)]
    head.set(seal(this.#key, sealed, ...body), LENGTH_BYTES + SEALED_BYTES)
    return pieces
  }
}

/** Checks the frames of one direction of one connection. */
export class FrameReader {
  readonly #key: Uint8Array
  #place = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** The messages of the frame that `piece` is, without its length; the payloads are views of it. */
  read(piece: Uint8Array): Result<readonly Message[], FrameFault> {
    if (piece.length < HEADER_BYTES) return err('malformed')
    const sealed = piece.subarray(0, SEALED_BYTES)
    const mac = piece.subarray(SEALED_BYTES, HEADER_BYTES)
    const body = piece.subarray(HEADER_BYTES)
    if (!timingSafeEqual(mac, seal(this.#key, sealed, body))) return err('foreign')
    const view = new DataView(piece.buffer, piece.byteOffset, HEADER_BYTES)
    if (view.getUint8(0) !== PROTOCOL_VERSION) return err('malformed')
    const place = view.getUint16(1) * 2 ** 32 + view.getUint32(3)
    if (place !== this.#place) return err('replayed')
    this.#place++
    const messages = messagesOf(body)
    return messages === undefined ? err('malformed') : ok(messages)
  }
}

/** Where the messages begin in the bytes of a frame. */
const BODY_AT = LENGTH_BYTES + HEADER_BYTES

function messagesOf(body: Uint8Array): readonly Message[] | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const messages: Message[] = []
  for (let at = 0; at < body.length; ) {
    const start = at + LABEL_BYTES
    if (start > body.length) return undefined
    const end = start + view.getUint32(at + 1)
    if (end > body.length) return undefined
    messages.push({ channel: view.getUint8(at), payload: body.subarray(start, end) })
    at = end
  }
  return messages
}

function seal(key: Uint8Array, sealed: Uint8Array, ...body: readonly Uint8Array[]): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  nonce.set(sealed)
  return gmac(key, nonce, ...body)
}
