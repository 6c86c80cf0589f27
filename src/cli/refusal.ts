import type { RequestError, Response } from 'got'
import type { Failure } from './failure.ts'

/** What a server's refusal means to the user: its own words when it has any, then what can be done. */
export function refusal(response: Response, token: string | undefined): Failure {
  const { statusCode, statusMessage = '' } = response
  const problem = readProblem(response.body)
  const said = problem.detail ?? problem.title ?? (statusMessage || 'no reason given')
  const clean = (text: string) => printable(withoutToken(text, token))
  return {
    kind: 'refused',
    message: `${clean(said)} (${statusCode} for ${response.request.options.method} ${response.url})`,
    next: problem.next === undefined ? advice(statusCode, token) : clean(problem.next),
    statusCode,
  }
}

/** Why there was no answer, or only a part of one. */
export function connectionFailure(serverUrl: string, { code, message }: RequestError): Failure {
  const failure = (text: string, next: string): Failure => {
    return { kind: 'no-connection', message: text, next }
  }
  if (CUT.has(code)) return failure(`the connection to ${serverUrl} was cut`, 'Try again.')
  if (/CERT|SIGNATURE|TLS/.test(code)) {
    return failure(
      `the certificate of ${serverUrl} is not trusted: ${printable(message)}`,
      'Name a file with the right authority in NODE_EXTRA_CA_CERTS.',
    )
  }
  return failure(
    `no answer from ${serverUrl}: ${UNREACHABLE[code] ?? printable(message)}`,
    'Start a server with aether start, or name another one with --server <url> or AETHER_SERVER.',
  )
}

const CUT: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ERR_HTTP_CONTENT_LENGTH_MISMATCH',
  'ERR_STREAM_PREMATURE_CLOSE',
])

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'it took too long',
}

/** A server's words longer than this are not meant for a terminal. */
const SAID_MAX = 2_000

function readProblem(body: unknown): { detail?: string; title?: string; next?: string } {
  try {
    const problem: unknown = JSON.parse(String(body))
    if (typeof problem !== 'object' || problem === null) return {}
    const entries = Object.entries(problem).filter(([, value]) => typeof value === 'string')
    return Object.fromEntries(entries)
  } catch {
    return {}
  }
}

function advice(statusCode: number, token: string | undefined): string | undefined {
  if (statusCode === 401) {
    return token === undefined
      ? 'This needs a token: set AETHER_TOKEN (or --token).'
      : 'The server does not know this token: check AETHER_TOKEN (or --token) and --server.'
  }
  if (statusCode === 403) return 'Use a token that may do this, or another --repository.'
  if (statusCode >= 500) return 'The log of the server says more.'
  return undefined
}

function withoutToken(text: string, token: string | undefined): string {
  return token === undefined ? text : text.replaceAll(token, '***')
}

/** Without control characters, which could move the cursor or recolour the terminal. */
function printable(text: string): string {
  return text.slice(0, SAID_MAX).replace(/\p{Cc}+/gu, ' ')
}
