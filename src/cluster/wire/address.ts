import type { Address } from './transport.ts'

/** The inverse of `formatAddress`, or undefined when `text` is no `host:port`. Port 0 is any free one. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([0-9A-Za-z._-]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > PORT_MAX || text.length > ADDRESS_UNITS_MAX) return undefined
  return { host, port }
}

/** `host:port`, an IPv6 host in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const PORT_MAX = 65_535

/** A host name has at most 253 (RFC 1035). */
const ADDRESS_UNITS_MAX = 264
