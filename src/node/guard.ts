import { hostname, networkInterfaces } from 'node:os'

export type GuardRefusal = {
  readonly kind: 'unknown-host' | 'foreign-origin' | 'bad-request'
  readonly detail: string
}

/** Any web page can make a browser send a request to 127.0.0.1; only these names are taken for ours. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Distinct `Host` headers remembered; a client that sends ever new ones only loses the shortcut. */
const REMEMBERED_MAX = 64

/**
 * Refuses requests that a foreign web page made a browser send: an unknown `Host` (DNS rebinding), and a foreign `Origin`
 * on a method that changes something (cross-site request forgery). Holds on loopback too, where no token is needed.
 */
export class Guard {
  readonly #names: ReadonlySet<string>
  readonly #known = new Set<string>()

  constructor(listenHost: string, furtherNames: readonly string[]) {
    const names = [...LOOPBACK_NAMES, ...furtherNames.map((name) => name.toLowerCase())]
    if (!isLoopback(listenHost)) names.push(bracketed(listenHost), hostname().toLowerCase())
    if (isWildcard(listenHost)) names.push(...interfaceAddresses())
    this.#names = new Set(names)
  }

  /** Undefined when the request may go on. */
  check(
    method: string | undefined,
    host: string | undefined,
    origin: string | undefined,
  ): GuardRefusal | undefined {
    if (host === undefined) return { kind: 'bad-request', detail: 'The Host header is missing.' }
    if (!this.#known.has(host)) {
      if (!this.#names.has(nameOf(host))) {
        return {
          kind: 'unknown-host',
          detail: `This server is not known as '${nameOf(host)}'. Add the name to the setting 'hosts'.`,
        }
      }
      if (this.#known.size < REMEMBERED_MAX) this.#known.add(host)
    }
    if (origin === undefined || SAFE_METHODS.has(method ?? '')) return undefined
    if (this.#isOwnOrigin(origin)) return undefined
    return {
      kind: 'foreign-origin',
      detail: `Pages of '${origin}' may not change anything here. Add its host to the setting 'hosts' if it is yours.`,
    }
  }

  #isOwnOrigin(origin: string): boolean {
    if (!URL.canParse(origin)) return false
    return this.#names.has(new URL(origin).hostname.toLowerCase())
  }
}

/** Whether only this machine can reach a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

/** Whether a server that listens on `host` is reached by every address of this machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map((address) => bracketed(address.address)),
  )
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase()
}

/** The name without the port, in lower case. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}
