import { assert } from '../base/assert.ts'
import { AetherError } from '../base/fault.ts'
import { crc32 } from '../base/hash.ts'

/** Bytes that sealing adds in front of a value: CRC-32 (big-endian), then the format. */
export const SEAL_BYTES = 5

const FORMAT = 1

/**
 * `value` as it is stored: under a checksum over key, format and value. It finds what LevelDB lets through, since its
 * binding neither verifies block checksums on reads nor recovers with paranoid checks.
 */
export function sealValue(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(SEAL_BYTES + value.length)
  sealed[4] = FORMAT
  sealed.set(value, SEAL_BYTES)
  const checksum = checksumOf(key, sealed)
  new DataView(sealed.buffer).setUint32(0, checksum)
  return sealed
}

/** The value inside `sealed`, which it shares; throws `data-damaged` or `data-format-newer` otherwise. */
export function openSealed(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  if (sealed.length < SEAL_BYTES || storedChecksum(sealed) !== checksumOf(key, sealed)) {
    throw new AetherError(
      'data-damaged',
      'a stored value does not match its checksum',
      'check the disk; restore this node from its peers or from a backup',
    )
  }
  const format = sealed[4]
  assert(format !== undefined, 'a sealed value has a format')
  if (format > FORMAT) {
    throw new AetherError(
      'data-format-newer',
      `a stored value has format ${format}, this version knows up to ${FORMAT}`,
      'start the version of Aether that wrote this data directory, or a later one',
    )
  }
  return sealed.subarray(SEAL_BYTES)
}

function checksumOf(key: Uint8Array, sealed: Uint8Array): number {
  return crc32(sealed.subarray(4), crc32(key))
}

function storedChecksum(sealed: Uint8Array): number {
  return new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
}
