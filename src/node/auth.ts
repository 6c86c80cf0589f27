import { hash, timingSafeEqual } from 'node:crypto'
import type { Action, Principal } from '../slice/index.ts'

/**
 * Who a request comes from. Tokens live in the control state as SHA-256 digests; a token has 256 random bits, so a fast
 * hash is no weakness. With `open` (loopback only) a request without credentials may do all but administer.
 */
export class Authenticator {
  #tokens: readonly StoredToken[] | undefined
  readonly #anonymous: Principal

  constructor(access: AnonymousAccess) {
    this.#anonymous = anonymousPrincipal(access)
  }

  /** Whether it knows the tokens: before that it can tell nobody. */
  get isReady(): boolean {
    return this.#tokens !== undefined
  }

  /** These are the tokens from now on. */
  use(tokens: readonly StoredToken[]): void {
    this.#tokens = tokens
  }

  /** The principal of an `Authorization` header, or undefined when its credentials are wrong or of an unknown kind. */
  authenticate(header: string | undefined): Principal | undefined {
    if (header === undefined) return this.#anonymous
    const token = tokenOf(header)
    if (token === undefined) return undefined
    const digest = digestOf(token)
    let found: Principal | undefined
    for (const stored of this.#tokens ?? []) {
      // No early exit: the time taken tells nothing about which token was close.
      if (timingSafeEqual(stored.digest, digest)) found = stored.principal
    }
    return found
  }
}

export type AnonymousAccess = 'all' | 'read' | 'none'

export type StoredToken = { readonly digest: Buffer; readonly principal: Principal }

function anonymousPrincipal(access: AnonymousAccess): Principal {
  const allowed: Readonly<Record<AnonymousAccess, readonly Action[]>> = {
    all: ['read', 'deploy', 'delete'],
    read: ['read'],
    none: [],
  }
  const actions = new Set(allowed[access])
  return { name: 'anonymous', isAnonymous: true, may: (action) => actions.has(action) }
}

/** `Bearer <token>` (RFC 6750), or `Basic` (RFC 7617) with the token as password and any user name. */
function tokenOf(header: string): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(header)
  if (bearer) return bearer[1]
  const basic = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header)
  if (!basic) return undefined
  const credentials = Buffer.from(basic[1] as string, 'base64').toString('utf8')
  const colon = credentials.indexOf(':')
  return colon < 0 ? undefined : credentials.slice(colon + 1)
}

/** How a token is stored. */
export function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}
