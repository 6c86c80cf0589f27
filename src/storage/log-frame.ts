/**
 * The consensus log's unit on disk: a frame holds all entries of one group commit and becomes durable with one sync.
 *
 * Rule 1  A frame names its own place (log identity, segment, offset), so bytes left over from another file, another log or a
 *         misdirected write are never taken for a frame.
 * Rule 2  A frame carries the hash of the frame before it: a frame that vanished, or was replaced, is noticed by its successor.
 * Rule 3  The header has its own CRC, so a damaged length is known before anything of that length is read.
 * Rule 4  A frame begins at a multiple of the sector size and is padded to one: no sector that holds a durable frame is ever
 *         written again, so a write torn by power loss cannot hurt what was promised before.
 */
import { crc32, sha256 } from '../base/hash.ts'

/** One entry of the log. `slot` is what old segments are dropped by; the bytes are the writer's own. */
export type LogEntry = { readonly slot: number; readonly bytes: Uint8Array }

/** Where a frame stands and what it follows. */
export type FramePlace = {
  /** 16 bytes chosen when the log was made. */
  readonly identity: Uint8Array
  readonly segment: number
  readonly offset: number
  /** The oldest segment that must still exist: a missing file at or above it is damage. */
  readonly floor: number
  /** Frames before this one since the log was made. */
  readonly sequence: number
  /** `frameHash` of the frame before; zeros for the first. */
  readonly previous: Uint8Array
}

export type FrameHeader = FramePlace & {
  readonly format: number
  readonly payloadBytes: number
  readonly payloadCrc: number
}

/** Written into every header; a node refuses frames of a newer format instead of guessing. */
export const LOG_FORMAT = 1

export const IDENTITY_BYTES = 16

/** Entries of one frame: a torn frame of this size costs one read of it at start, and a node buffers no more. */
export const FRAME_PAYLOAD_BYTES_MAX = 8 * 1_024 * 1_024

export const HEADER_BYTES = 88

/** What disks and file systems write as one piece. */
export const SECTOR_BYTES = 4_096

/** An entry's slot and length before its bytes. */
export const ENTRY_OVERHEAD_BYTES = 12

/** What the first frame of a log follows. */
export const GENESIS_HASH = new Uint8Array(32)

/** The bytes of one frame: header, then each entry as slot (u64), length (u32), bytes; all big-endian; then zeros. */
export function encodeFrame(place: FramePlace, entries: readonly LogEntry[]): Uint8Array {
  let payloadBytes = 0
  for (const entry of entries) payloadBytes += ENTRY_OVERHEAD_BYTES + entry.bytes.length
  const frame = new Uint8Array(frameBytes(payloadBytes))
  const view = new DataView(frame.buffer)
  let at = HEADER_BYTES
  for (const { slot, bytes } of entries) {
    view.setBigUint64(at, BigInt(slot))
    view.setUint32(at + 8, bytes.length)
    frame.set(bytes, at + ENTRY_OVERHEAD_BYTES)
    at += ENTRY_OVERHEAD_BYTES + bytes.length
  }
  view.setUint32(0, MAGIC)
  view.setUint32(8, LOG_FORMAT)
  view.setUint32(12, place.segment)
  view.setUint32(16, place.offset)
  view.setUint32(20, place.floor)
  view.setBigUint64(24, BigInt(place.sequence))
  view.setUint32(32, payloadBytes)
  view.setUint32(36, crc32(frame.subarray(HEADER_BYTES, HEADER_BYTES + payloadBytes)))
  frame.set(place.identity, 40)
  frame.set(place.previous, 56)
  view.setUint32(4, crc32(frame.subarray(8, HEADER_BYTES)))
  return frame
}

/** The header at the start of `bytes`, or undefined when there is none that is intact. */
export function decodeHeader(bytes: Uint8Array): FrameHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  if (view.getUint32(0) !== MAGIC) return undefined
  if (view.getUint32(4) !== crc32(bytes.subarray(8, HEADER_BYTES))) return undefined
  return {
    format: view.getUint32(8),
    segment: view.getUint32(12),
    offset: view.getUint32(16),
    floor: view.getUint32(20),
    sequence: Number(view.getBigUint64(24)),
    payloadBytes: view.getUint32(32),
    payloadCrc: view.getUint32(36),
    identity: bytes.slice(40, 40 + IDENTITY_BYTES),
    previous: bytes.slice(56, HEADER_BYTES),
  }
}

/** The entries of a payload whose CRC has been checked; their bytes are views of it. */
export function decodeEntries(payload: Uint8Array): readonly LogEntry[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const entries: LogEntry[] = []
  let at = 0
  while (at < payload.length) {
    const start = at + ENTRY_OVERHEAD_BYTES
    const end = start + view.getUint32(at + 8)
    entries.push({ slot: Number(view.getBigUint64(at)), bytes: payload.subarray(start, end) })
    at = end
  }
  return entries
}

/** What a frame with that payload takes of its segment. */
export function frameBytes(payloadBytes: number): number {
  return Math.ceil((HEADER_BYTES + payloadBytes) / SECTOR_BYTES) * SECTOR_BYTES
}

/** What the next frame calls `previous`: of all but the padding. */
export function frameHash(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES)
  return sha256(frame.subarray(0, HEADER_BYTES + view.getUint32(32)))
}

/** "ALog". */
const MAGIC = 0x41_4c_6f_67
