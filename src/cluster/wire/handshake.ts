/**
 * How two nodes find out that both know the secret, who they are, and the keys for their frames, without I/O. The node
 * that was dialed speaks first:
 *
 *   greeting       acceptor → dialer   version, nonce
 *   introduction   dialer → acceptor   version, nonce, whom and which disk it wants to reach, hello, proof
 *   answer         acceptor → dialer   verdict, hello, proof
 *
 * Rule 1  A proof is an HMAC under the secret of everything said before it, so it is good for this connection only. Inside
 *         TLS that includes what identifies the TLS session (RFC 9266): whoever sits between two of them is noticed.
 * Rule 2  Nothing but nonces is read before the proof has been checked, in constant time.
 * Rule 3  Dialer and acceptor prove and derive under different labels, so nothing can be sent back to its sender.
 * Rule 4  The keys come from the secret and the whole conversation: no two connections share one.
 */
import { timingSafeEqual } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import { concat, utf8 } from '../../base/bytes.ts'
import { hmacSha256, sha256 } from '../../base/hash.ts'
import type { NodeId } from '../../base/ids.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { parseAddress } from './address.ts'
import { PROTOCOL_VERSION } from './frame.ts'
import { type Admission, type Hello, REFUSAL_REASONS } from './transport.ts'

/** Of each side, fresh for each connection. */
export const NONCE_BYTES = 32

/** More than the longest introduction; a stranger makes a node hold no more. */
export const HANDSHAKE_BYTES_MAX = 4_096

export type HandshakeOptions = {
  readonly secret: Uint8Array
  /** `NONCE_BYTES` that no connection had before. */
  readonly nonce: Uint8Array
  /** What both ends of the TLS session, and nobody else, know of it; empty without TLS. */
  readonly channelBinding: Uint8Array
}

/** `unauthenticated`: the other side does not know the secret, or the conversation was altered on its way. */
export type HandshakeFault = 'malformed' | 'unauthenticated'

/** The keys of the frames that a node sends and receives on one connection. */
export type SessionKeys = { readonly sending: Uint8Array; readonly receiving: Uint8Array }

/** What a dialer says of itself, and whom it takes the other side for: another node may have its address by now. */
export type Introduction = {
  readonly to: NodeId
  /** The incarnation that is committed for it, if one is: a node may have another disk by now. */
  readonly sought: string | undefined
  readonly hello: Hello
}

/** The side that was dialed. Its three steps are called in order, each once. */
export class AcceptingHandshake {
  readonly #options: HandshakeOptions
  /** A hash of everything said so far. */
  #spoken: Uint8Array

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#spoken = begin(options, this.greet())
  }

  greet(): Uint8Array {
    return greetingOf(this.#options.nonce)
  }

  meet(introduction: Uint8Array): Result<Introduction, HandshakeFault> {
    if (introduction[0] !== PROTOCOL_VERSION) return err('malformed')
    const body = provenBody(this.#options.secret, DIALER_PROOF, this.#spoken, introduction)
    if (body === undefined) return err('unauthenticated')
    this.#spoken = sha256(concat([this.#spoken, introduction]))
    return decodeIntroduction(body.subarray(GREETING_BYTES))
  }

  answer(own: Hello, admission: Admission): { answer: Uint8Array; keys: SessionKeys } {
    const { secret } = this.#options
    const verdict = admission.admit ? ADMITTED : 1 + REFUSAL_REASONS.indexOf(admission.reason)
    const body = concat([Uint8Array.of(verdict), encodeHello(own)])
    const answer = prove(secret, ACCEPTOR_PROOF, this.#spoken, body)
    const { dialer, acceptor } = sessionKeys(secret, sha256(concat([this.#spoken, answer])))
    return { answer, keys: { sending: acceptor, receiving: dialer } }
  }
}

/** The side that dialed. Its two steps are called in order, each once. */
export class DialingHandshake {
  readonly #options: HandshakeOptions
  #spoken: Uint8Array = new Uint8Array(0)

  constructor(options: HandshakeOptions) {
    this.#options = options
  }

  introduce(
    greeting: Uint8Array,
    { to, sought, hello }: Introduction,
  ): Result<Uint8Array, HandshakeFault> {
    const isGreeting = greeting.length === GREETING_BYTES && greeting[0] === PROTOCOL_VERSION
    if (!isGreeting) return err('malformed')
    const { secret, nonce } = this.#options
    const spoken = begin(this.#options, greeting)
    const addressee = encodeBinary((writer) => writer.sizedText(to).sizedText(sought ?? ''))
    const body = concat([greetingOf(nonce), addressee, encodeHello(hello)])
    const introduction = prove(secret, DIALER_PROOF, spoken, body)
    this.#spoken = sha256(concat([spoken, introduction]))
    return ok(introduction)
  }

  /** Who has answered, and whether it admits this node. */
  conclude(
    answer: Uint8Array,
  ): Result<{ hello: Hello; admission: Admission; keys: SessionKeys }, HandshakeFault> {
    const { secret } = this.#options
    const body = provenBody(secret, ACCEPTOR_PROOF, this.#spoken, answer)
    if (body === undefined) return err('unauthenticated')
    const hello = decodeHello(body.subarray(1))
    const admission = admissionOf(body[0])
    if (!hello.ok || admission === undefined) return err('malformed')
    const { dialer, acceptor } = sessionKeys(secret, sha256(concat([this.#spoken, answer])))
    return ok({ hello: hello.value, admission, keys: { sending: dialer, receiving: acceptor } })
  }
}

/** Version and nonce. */
const GREETING_BYTES = 1 + NONCE_BYTES

const PROOF_BYTES = 32

const ADMITTED = 0

const DIALER_PROOF = utf8('aether dialer proof ')
const ACCEPTOR_PROOF = utf8('aether acceptor proof ')
const DIALER_KEY = utf8('aether dialer frames ')
const ACCEPTOR_KEY = utf8('aether acceptor frames ')

/** An id is part of log lines, and the whole hello must fit into a handshake of `HANDSHAKE_BYTES_MAX`. */
const NAME = /^[!-~]{1,255}$/
const TEXT_UNITS_MAX = 255

function greetingOf(nonce: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(PROTOCOL_VERSION), nonce])
}

function begin({ channelBinding }: HandshakeOptions, greeting: Uint8Array): Uint8Array {
  return sha256(concat([greeting, channelBinding]))
}

function prove(
  secret: Uint8Array,
  label: Uint8Array,
  spoken: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  return concat([body, hmacSha256(secret, label, spoken, body)])
}

/** The inverse: what goes before the proof at the end of `piece`, if that is right. */
function provenBody(
  secret: Uint8Array,
  label: Uint8Array,
  spoken: Uint8Array,
  piece: Uint8Array,
): Uint8Array | undefined {
  if (piece.length < PROOF_BYTES) return undefined
  const body = piece.subarray(0, piece.length - PROOF_BYTES)
  const proof = piece.subarray(piece.length - PROOF_BYTES)
  return timingSafeEqual(proof, hmacSha256(secret, label, spoken, body)) ? body : undefined
}

function sessionKeys(secret: Uint8Array, spoken: Uint8Array) {
  return {
    dialer: hmacSha256(secret, DIALER_KEY, spoken),
    acceptor: hmacSha256(secret, ACCEPTOR_KEY, spoken),
  }
}

function admissionOf(verdict: number | undefined): Admission | undefined {
  if (verdict === ADMITTED) return { admit: true }
  const reason = REFUSAL_REASONS[(verdict ?? 0) - 1]
  return reason && { admit: false, reason }
}

function encodeHello(hello: Hello): Uint8Array {
  assert(isValid(hello), 'what a node says of itself is none of the values a peer accepts')
  return encodeBinary((writer) =>
    writer
      .sizedText(hello.cluster)
      .uint8(hello.roster === undefined ? 0 : 1)
      .sizedText(hello.roster ?? '')
      .sizedText(hello.node)
      .sizedText(hello.incarnation)
      .sizedText(hello.address)
      .uint48(hello.epoch)
      .uint8(hello.isJoining ? 1 : 0),
  )
}

function decodeIntroduction(bytes: Uint8Array): Result<Introduction, 'malformed'> {
  try {
    const reader = new BinaryReader(bytes)
    const to = reader.sizedText() as NodeId
    const sought = reader.sizedText() || undefined
    const hello = decodeHello(reader.rest())
    return hello.ok ? ok({ to, sought, hello: hello.value }) : hello
  } catch {
    return err('malformed')
  }
}

function decodeHello(bytes: Uint8Array): Result<Hello, 'malformed'> {
  try {
    const reader = new BinaryReader(bytes)
    const cluster = reader.sizedText()
    const hasRoster = reader.uint8() === 1
    const roster = reader.sizedText()
    const hello = {
      cluster,
      roster: hasRoster ? roster : undefined,
      node: reader.sizedText() as NodeId,
      incarnation: reader.sizedText(),
      address: reader.sizedText(),
      epoch: reader.uint48(),
      isJoining: reader.uint8() === 1,
    }
    return isValid(hello) && reader.rest().length === 0 ? ok(hello) : err('malformed')
  } catch {
    // Bytes are missing, or are no text.
    return err('malformed')
  }
}

function isValid({ cluster, roster, node, incarnation, address }: Hello): boolean {
  return (
    [node, incarnation].every((name) => NAME.test(name)) &&
    [cluster, roster ?? ''].every((text) => text.length <= TEXT_UNITS_MAX) &&
    parseAddress(address) !== undefined
  )
}
