import { hash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** SHA-256 (FIPS 180-4) of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** CRC-32 (ISO 3309) of `bytes`, continued from `previous`: finds accidents, not attackers. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous)
}
