import type { Principal, Problem } from '../slice/index.ts'
import type { Refusal, RefusalKind } from './refusal.ts'

type Answer = { readonly problem: Problem; readonly headers: Readonly<Record<string, string>> }

/** How long a client should wait before it tries again: a failover takes about as long. */
const RETRY_AFTER_S = '3'

const STATUS: Readonly<Record<RefusalKind, { readonly status: number; readonly title: string }>> = {
  invalid: { status: 400, title: 'Bad request' },
  policy: { status: 400, title: 'Not allowed by the repository policy' },
  'read-only': { status: 405, title: 'Read only' },
  'not-found': { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'Conflict' },
  'too-large': { status: 413, title: 'Too large' },
  'no-space': { status: 507, title: 'Disk full' },
  unavailable: { status: 503, title: 'Unavailable' },
  'outcome-unknown': { status: 503, title: 'Outcome unknown' },
  interrupted: { status: 400, title: 'Upload interrupted' },
  corrupt: { status: 500, title: 'Stored data damaged' },
}

/** The answer to a refused request. */
export function problemOf(refusal: Refusal): Answer {
  const { status, title } = STATUS[refusal.kind]
  return { problem: { status, title, detail: refusal.detail }, headers: headersOf(refusal.kind) }
}

/** The answer to someone who may not do this: 401 asks for credentials, 403 says that they do not suffice. */
export function challengeProblem(principal: Principal): Answer {
  if (principal.isAnonymous) {
    const detail = 'This needs a token: send it as `Bearer <token>` or as the password of Basic.'
    return {
      problem: { status: 401, title: 'Token needed', detail },
      headers: { 'WWW-Authenticate': 'Basic realm="aether", charset="UTF-8"' },
    }
  }
  const detail = `The token '${principal.name}' does not allow this.`
  return { problem: { status: 403, title: 'Forbidden', detail }, headers: {} }
}

function headersOf(kind: RefusalKind): Readonly<Record<string, string>> {
  switch (kind) {
    case 'unavailable':
    case 'outcome-unknown':
      return { 'Retry-After': RETRY_AFTER_S }
    case 'read-only':
      return { Allow: 'GET, HEAD' }
    default:
      return {}
  }
}
