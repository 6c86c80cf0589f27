import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { RequestId } from '../base/ids.ts'
import type { ControlStore } from '../base/port.ts'
import type { Action, Principal } from '../slice/index.ts'

/**
 * Who a request comes from. Tokens live in the control state as SHA-256 digests; a token has 256 random bits, so a fast
 * hash is no weakness. With `open` (loopback only) a request without credentials may do all but administer.
 */
export class Authenticator {
  readonly #tokens: readonly StoredToken[]
  readonly #anonymous: Principal

  constructor(tokens: readonly StoredToken[], access: AnonymousAccess) {
    this.#tokens = tokens
    this.#anonymous = anonymousPrincipal(access)
  }

  /** The principal of an `Authorization` header, or undefined when its credentials are wrong or of an unknown kind. */
  authenticate(header: string | undefined): Principal | undefined {
    if (header === undefined) return this.#anonymous
    const token = tokenOf(header)
    if (token === undefined) return undefined
    const digest = digestOf(token)
    let found: Principal | undefined
    for (const stored of this.#tokens) {
      // No early exit: the time taken tells nothing about which token was close.
      if (timingSafeEqual(stored.digest, digest)) found = stored.principal
    }
    return found
  }
}

export type AnonymousAccess = 'all' | 'read' | 'none'

export type StoredToken = { readonly digest: Buffer; readonly principal: Principal }

const TOKEN_PREFIX = 'aether_'
const TOKENS = 'tokens/'
const ADMIN_TOKEN = `${TOKENS}admin`

/** A new token: only its digest is stored, and that by `keep`, so `text` has to be shown now or never. */
export type FreshToken = { readonly text: string; keep(): Promise<void> }

/**
 * The stored tokens, and a new admin token when there is none yet. That one is valid at once but lost with the process
 * until `keep` is called: a start that fails must not use up the only chance to see it.
 */
export async function openTokens(
  control: ControlStore,
  newRequestId: () => RequestId,
): Promise<{ tokens: readonly StoredToken[]; fresh: FreshToken | undefined }> {
  const listed = await control.list(TOKENS)
  if (!listed.ok) throw new Error(`the tokens cannot be read: ${listed.error.reason}`)
  if (listed.value.some((entry) => entry.key === ADMIN_TOKEN)) {
    return { tokens: listed.value.map(parseToken), fresh: undefined }
  }
  const text = TOKEN_PREFIX + randomBytes(32).toString('base64url')
  const value = JSON.stringify({ format: 1, sha256: digestOf(text).toString('hex') })
  const keep = async () => {
    const written = await control.write([{ kind: 'put', key: ADMIN_TOKEN, value }], {
      preconditions: [{ key: ADMIN_TOKEN, revision: 'absent' }],
      requestId: newRequestId(),
    })
    if (!written.ok) throw new Error(`the admin token cannot be stored: ${written.error.kind}`)
  }
  const tokens = [...listed.value, { key: ADMIN_TOKEN, value }].map(parseToken)
  return { tokens, fresh: { text, keep } }
}

function parseToken(entry: { readonly key: string; readonly value: string }): StoredToken {
  const { sha256 } = JSON.parse(entry.value) as { sha256: string }
  const name = entry.key.slice(TOKENS.length)
  return {
    digest: Buffer.from(sha256, 'hex'),
    principal: { name, isAnonymous: false, may: () => true },
  }
}

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

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
