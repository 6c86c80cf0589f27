import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '../slice/index.ts'

/**
 * A client that is still sending when it is refused gets this long, and this much is read and thrown away, before the
 * connection is closed: closing at once would make its system discard the answer with the connection.
 */
const LINGER_MS = 5_000
const LINGER_BYTES_MAX = 64 * 1_024 * 1_024

export type RefusalOptions = {
  readonly requestId: string
  readonly headers?: Readonly<Record<string, string>>
  /** The client waits for `100 Continue`, which it does not get: its body never comes. */
  readonly bodyHeldBack: boolean
}

/** Answers with the problem; the connection is used further only when the request's body has fully arrived. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  options: RefusalOptions,
): void {
  const { requestId, bodyHeldBack } = options
  const body = Buffer.from(JSON.stringify({ type: 'about:blank', ...problem, requestId }))
  // Of a client that has left nothing more comes, and nobody reads the answer.
  const hasBody = !request.complete && !request.destroyed && expectsBody(request)
  if (hasBody) response.shouldKeepAlive = false
  response.writeHead(problem.status, reasonPhrase(problem.title), {
    'Content-Type': 'application/problem+json',
    'Content-Length': body.length,
    ...options.headers,
  })
  if (request.method === 'HEAD') response.end()
  else if (!hasBody || bodyHeldBack) response.end(body)
  else {
    response.write(body)
    drain(request, () => response.end())
  }
}

function drain(request: IncomingMessage, done: () => void): void {
  const limit = setTimeout(finish, LINGER_MS)
  let bytes = 0
  function finish() {
    clearTimeout(limit)
    request.off('data', count).off('end', finish).off('close', finish)
    done()
  }
  function count(chunk: Buffer) {
    bytes += chunk.length
    if (bytes > LINGER_BYTES_MAX) finish()
  }
  request.on('data', count).on('end', finish).on('close', finish)
}

function expectsBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return (
    request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
  )
}

/** RFC 9112 §4: printable ASCII only, so nothing can be injected into the head. */
function reasonPhrase(title: string): string {
  return title.replace(/[^\x20-\x7e]/g, '?')
}
