import { createCipheriv, createHmac, hash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** SHA-256 (FIPS 180-4) of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** HMAC-SHA-256 (RFC 2104) of `parts`, one after the other. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/**
 * GMAC (NIST SP 800-38D) of `parts`, one after the other: 16 bytes. The key has 32 bytes, the nonce 12; one key and one nonce
 * authenticate one text and never another.
 */
export function gmac(
  key: Uint8Array,
  nonce: Uint8Array,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  for (const part of parts) cipher.setAAD(part)
  cipher.final()
  return cipher.getAuthTag()
}

/** CRC-32 (ISO 3309) of `bytes`, continued from `previous`: finds accidents, not attackers. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous)
}
