/**
 * What nodes ask each other about chunks: the questions and answers of the calls on `CHUNK_CHANNEL`.
 *
 *     store    1  transfer (6)  size of the chunk (4)  position (4)  SHA-256 (32)  the segment at that position
 *     abandon  2  transfer (6)
 *     read     3  number of bytes (4)  position (4)  SHA-256 (32)
 *
 * The answer to a read is 0 and the bytes, or 1 when there are none. The answer to the others is one byte, its place in
 * `STORE_ANSWERS`. A chunk is stored segment by segment, each after the answer to the one before.
 */
import { encodeBinary } from '../../../base/binary.ts'
import { bytesOfHex, hex } from '../../../base/bytes.ts'
import type { Digest } from '../../../base/ids.ts'
import { CHUNK_BYTES, SEGMENT_BYTES } from '../../../storage/index.ts'

export type ChunkQuestion = StoreQuestion | AbandonQuestion | ReadQuestion

/** A segment of a chunk. `transfer` is the sender's name for this attempt to store it, and never used again. */
export type StoreQuestion = {
  readonly kind: 'store'
  readonly transfer: number
  readonly digest: Digest
  readonly sizeBytes: number
  readonly position: number
  readonly bytes: Uint8Array
}

/** Nothing more comes of this transfer. */
export type AbandonQuestion = { readonly kind: 'abandon'; readonly transfer: number }

export type ReadQuestion = {
  readonly kind: 'read'
  readonly digest: Digest
  readonly position: number
  readonly length: number
}

/**
 * - `taken`: the next segment may come.
 * - `stored`: it was the last one, and the chunk is durable.
 * - `busy`: too many chunks arrive at once.
 * - `no-space`: the disk is full.
 * - `unexpected`: not the segment that should come next; or the chunk is not what it was said to be.
 *
 * After all but the first the transfer has ended.
 */
export type StoreAnswer = (typeof STORE_ANSWERS)[number]

/** The place in this list is what goes over the wire. */
const STORE_ANSWERS = ['taken', 'stored', 'busy', 'no-space', 'unexpected'] as const

/** How long the question is that stores the segment at `position`. */
export function storeLength(sizeBytes: number, position: number): number {
  return STORE_HEAD_BYTES + segmentLength(sizeBytes, position)
}

/**
 * Writes it into `question`, complete but for the bytes of the segment: a view of it that is given back, for the caller to
 * fill.
 */
export function writeStore(
  question: Uint8Array,
  { transfer, digest, sizeBytes, position }: Omit<StoreQuestion, 'kind' | 'bytes'>,
): Uint8Array {
  const head = encodeBinary((writer) =>
    writer
      .uint8(STORE)
      .uint48(transfer)
      .uint32(sizeBytes)
      .uint32(position)
      .bytes(bytesOfHex(digest)),
  )
  question.set(head)
  return question.subarray(STORE_HEAD_BYTES)
}

export function encodeAbandon(transfer: number): Uint8Array {
  return encodeBinary((writer) => writer.uint8(ABANDON).uint48(transfer))
}

export function encodeRead({ digest, position, length }: Omit<ReadQuestion, 'kind'>): Uint8Array {
  return encodeBinary((writer) =>
    writer.uint8(READ).uint32(length).uint32(position).bytes(bytesOfHex(digest)),
  )
}

/** Undefined when it is none. The bytes of a segment are a view. */
export function decodeQuestion(question: Uint8Array): ChunkQuestion | undefined {
  const view = viewOf(question)
  switch (question[0]) {
    case STORE:
      return decodeStore(question, view)
    case ABANDON: {
      if (question.length !== ABANDON_BYTES) return undefined
      return { kind: 'abandon', transfer: uint48(view, 1) }
    }
    case READ: {
      if (question.length !== READ_BYTES) return undefined
      const [length, position] = [view.getUint32(1), view.getUint32(5)]
      if (length === 0 || length > SEGMENT_BYTES || position + length > CHUNK_BYTES)
        return undefined
      return { kind: 'read', digest: hex(question.subarray(9)) as Digest, position, length }
    }
    default:
      return undefined
  }
}

export function encodeStoreAnswer(answer: StoreAnswer): Uint8Array {
  return Uint8Array.of(STORE_ANSWERS.indexOf(answer))
}

export function decodeStoreAnswer(bytes: Uint8Array): StoreAnswer | undefined {
  return bytes.length === 1 ? STORE_ANSWERS[bytes[0] as number] : undefined
}

/** An answer to a read with room for `length` bytes, which the caller fills. */
export function readAnswer(length: number): { answer: Uint8Array; bytes: Uint8Array } {
  const answer = new Uint8Array(1 + length)
  return { answer, bytes: answer.subarray(1) }
}

/** The answer to a read of what is not there. */
export function encodeNothing(): Uint8Array {
  return Uint8Array.of(NOTHING)
}

/** Of `length` bytes that were asked for; a view. Undefined when it is no answer. */
export function decodeReadAnswer(
  answer: Uint8Array,
  length: number,
): Uint8Array | 'nothing' | undefined {
  if (answer[0] === NOTHING && answer.length === 1) return 'nothing'
  return answer[0] === BYTES && answer.length === 1 + length ? answer.subarray(1) : undefined
}

/** How many bytes the segment at `position` of a chunk has. */
export function segmentLength(sizeBytes: number, position: number): number {
  return Math.min(SEGMENT_BYTES, sizeBytes - position)
}

const STORE = 1
const ABANDON = 2
const READ = 3
const BYTES = 0
const NOTHING = 1

const STORE_HEAD_BYTES = 47
const ABANDON_BYTES = 7
const READ_BYTES = 41

function decodeStore(question: Uint8Array, view: DataView): StoreQuestion | undefined {
  if (question.length <= STORE_HEAD_BYTES) return undefined
  const [sizeBytes, position] = [view.getUint32(7), view.getUint32(11)]
  const bytes = question.subarray(STORE_HEAD_BYTES)
  const isSound =
    sizeBytes <= CHUNK_BYTES &&
    position % SEGMENT_BYTES === 0 &&
    bytes.length === segmentLength(sizeBytes, position)
  if (!isSound) return undefined
  const digest = hex(question.subarray(15, STORE_HEAD_BYTES)) as Digest
  return { kind: 'store', transfer: uint48(view, 1), digest, sizeBytes, position, bytes }
}

function uint48(view: DataView, offset: number): number {
  return view.getUint16(offset) * 2 ** 32 + view.getUint32(offset + 2)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
