import { AetherError } from '../../base/fault.ts'
import type { Version } from '../../base/port.ts'
import { transientBytes } from '../../base/transient.ts'

/**
 * What the engine holds under an entry's key. A deleted entry stays as a tombstone: its version
 * without a value.
 */
export type Entry = { readonly version: Version; readonly value: Uint8Array | undefined }

/** Layout: format, live (1) or deleted (0), epoch in 4 bytes, seq in 6, the value's bytes. In `transientBytes`. */
export function encodeEntry({ version, value }: Entry): Uint8Array {
  const bytes = transientBytes(HEADER_BYTES + (value?.length ?? 0))
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint8(0, FORMAT)
  view.setUint8(1, value === undefined ? 0 : 1)
  view.setUint32(2, version.epoch)
  view.setUint16(6, Math.floor(version.seq / 2 ** 32))
  view.setUint32(8, version.seq % 2 ** 32)
  if (value !== undefined) bytes.set(value, HEADER_BYTES)
  return bytes
}

/** The value is a view of `bytes`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  assertFormat(view.getUint8(0), FORMAT)
  const isLive = view.getUint8(1) === 1
  const version = { epoch: view.getUint32(2), seq: view.getUint16(6) * 2 ** 32 + view.getUint32(8) }
  return { version, value: isLive ? bytes.subarray(HEADER_BYTES) : undefined }
}

/** Refuses what a newer Aether wrote, rather than to guess at it. */
export function assertFormat(found: number, known: number): void {
  if (found === known) return
  throw new AetherError(
    'data-format-newer',
    `data of format ${found}, where this version of Aether knows format ${known}`,
    'start the version of Aether that wrote this data directory, or a later one',
  )
}

const FORMAT = 1
const HEADER_BYTES = 12
