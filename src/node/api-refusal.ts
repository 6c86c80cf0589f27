import type { Principal, Problem } from '../slice/index.ts'

/** Why a request to the platform's own interface is not done, ready to be sent. */
export type ApiRefusal = {
  readonly problem: Problem
  readonly headers?: Readonly<Record<string, string>>
}

/** RFC 7617; Maven sends its credentials only after it has been asked for them. */
export const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="aether", charset="UTF-8"' }

/** To who may not do this: 401 asks for credentials, 403 says that they do not suffice. */
export function challenge({ isAnonymous, name }: Principal): ApiRefusal {
  if (isAnonymous) {
    const detail = 'This needs a token: send it as `Bearer <token>` or as the password of Basic.'
    return { problem: { status: 401, title: 'Token needed', detail }, headers: CHALLENGE }
  }
  const detail = `The token '${name}' does not allow this.`
  return { problem: { status: 403, title: 'Forbidden', detail } }
}

/** The request is wrong whatever the state of the cluster. */
export function badRequest(detail: string): ApiRefusal {
  return { problem: { status: 400, title: 'Bad request', detail } }
}

export function notFound(detail: string): ApiRefusal {
  return { problem: { status: 404, title: 'Not found', detail } }
}

/** `methods` as in the header Allow. */
export function methodNotAllowed(methods: string): ApiRefusal {
  const problem = { status: 405, title: 'Method not allowed', detail: `This takes ${methods}.` }
  return { problem, headers: { Allow: methods } }
}

/** In seconds: a cluster that has lost a node answers again within one. */
export const RETRY_SOON = { 'Retry-After': '1' }
