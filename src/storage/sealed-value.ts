import { AetherError } from '../base/fault.ts'
import { crc32 } from '../base/hash.ts'
import { transientBytes } from '../base/transient.ts'

/** Bytes that sealing adds in front of a value: CRC-32 (big-endian), then the format. */
export const SEAL_BYTES = 5

/** The value itself follows. */
const FORMAT_VALUE = 1
/** Four bytes each follow: file, position, size, CRC-32 of the value. */
const FORMAT_POINTER = 2
const POINTER_BYTES = 16

/** Where a large value is: see `value-files.ts`. */
export type ValuePointer = {
  readonly file: number
  readonly position: number
  readonly sizeBytes: number
  /** CRC-32 of the value. */
  readonly checksum: number
}

/**
 * `value`, or the pointer to it, as it is stored: under a checksum over key, format and value. It finds what LevelDB lets
 * through, since its binding neither verifies block checksums on reads nor recovers with paranoid checks. In
 * `transientBytes`.
 */
export function sealValue(key: Uint8Array, value: Uint8Array | ValuePointer): Uint8Array {
  if (!(value instanceof Uint8Array)) return sealPointer(key, value)
  const sealed = transientBytes(SEAL_BYTES + value.length)
  sealed[4] = FORMAT_VALUE
  sealed.set(value, SEAL_BYTES)
  return withChecksum(key, sealed)
}

/** What is inside `sealed`, which a value shares; throws `data-damaged` or `data-format-newer` otherwise. */
export function openSealed(key: Uint8Array, sealed: Uint8Array): Uint8Array | ValuePointer {
  if (sealed.length < SEAL_BYTES || viewOf(sealed).getUint32(0) !== checksumOf(key, sealed)) {
    throw new AetherError(
      'data-damaged',
      'a stored value does not match its checksum',
      'check the disk; restore this node from its peers or from a backup',
    )
  }
  const format = sealed[4]
  if (format === FORMAT_VALUE) return sealed.subarray(SEAL_BYTES)
  if (format === FORMAT_POINTER) return openPointer(sealed)
  throw new AetherError(
    'data-format-newer',
    `a stored value has format ${format}, this version knows up to ${FORMAT_POINTER}`,
    'start the version of Aether that wrote this data directory, or a later one',
  )
}

function sealPointer(key: Uint8Array, pointer: ValuePointer): Uint8Array {
  const sealed = new Uint8Array(SEAL_BYTES + POINTER_BYTES)
  sealed[4] = FORMAT_POINTER
  const view = viewOf(sealed)
  view.setUint32(SEAL_BYTES, pointer.file)
  view.setUint32(SEAL_BYTES + 4, pointer.position)
  view.setUint32(SEAL_BYTES + 8, pointer.sizeBytes)
  view.setUint32(SEAL_BYTES + 12, pointer.checksum)
  return withChecksum(key, sealed)
}

function openPointer(sealed: Uint8Array): ValuePointer {
  const view = viewOf(sealed)
  return {
    file: view.getUint32(SEAL_BYTES),
    position: view.getUint32(SEAL_BYTES + 4),
    sizeBytes: view.getUint32(SEAL_BYTES + 8),
    checksum: view.getUint32(SEAL_BYTES + 12),
  }
}

function withChecksum(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  viewOf(sealed).setUint32(0, checksumOf(key, sealed))
  return sealed
}

function checksumOf(key: Uint8Array, sealed: Uint8Array): number {
  return crc32(sealed.subarray(4), crc32(key))
}

function viewOf(sealed: Uint8Array): DataView {
  return new DataView(sealed.buffer, sealed.byteOffset)
}
