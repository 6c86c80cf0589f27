/**
 * The platform as the pure files see it: no timers, no process, no sockets, no files. Only what computes.
 * `tsconfig.core.json` compiles every file that is not an I/O file against this list.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>
  encodeInto(text: string, into: Uint8Array): { read: number; written: number }
}
declare class TextDecoder {
  constructor(label: 'utf-8', options?: { fatal?: boolean; ignoreBOM?: boolean })
  decode(bytes: Uint8Array): string
}
declare class URL {
  constructor(url: string)
  readonly host: string
  readonly hostname: string
  readonly origin: string
  readonly pathname: string
}

declare module 'node:crypto' {
  interface Hash {
    update(bytes: Uint8Array | string): Hash
    digest(): Uint8Array
    digest(encoding: 'hex'): string
  }
  function createHash(algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512'): Hash
  interface Gcm {
    setAAD(bytes: Uint8Array): Gcm
    final(): Uint8Array
    getAuthTag(): Uint8Array
  }
  function createCipheriv(algorithm: 'aes-256-gcm', key: Uint8Array, nonce: Uint8Array): Gcm
  function createHmac(algorithm: 'sha256', key: Uint8Array): Hash
  function hash(algorithm: 'sha256', bytes: Uint8Array, encoding: 'buffer'): Uint8Array
  function hash(algorithm: 'md5' | 'sha1' | 'sha256', bytes: Uint8Array, encoding: 'hex'): string
  function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
}
declare module 'node:zlib' {
  function crc32(bytes: Uint8Array, previous?: number): number
}

/** Opaque here: a pure file may pass a request on, never read from it. */
declare module 'node:http' {
  type IncomingMessage = { readonly __opaque: 'request' }
  type ServerResponse = { readonly __opaque: 'response' }
}
