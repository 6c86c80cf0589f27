import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Digest } from '../base/ids.ts'
import type { BlobReader, BlobStore, ByteRange } from '../base/port.ts'
import type { Exchange } from '../slice/index.ts'
import { type Decision, decide } from './conditional.ts'
import { readRefusal } from './content.ts'
import type { Head } from './head.http.ts'
import type { Refusal } from './refusal.ts'

/** Answers with bytes at hand, conditions and ranges heeded. */
export function sendBytes(exchange: Exchange, head: Head, bytes: Uint8Array): void {
  const { request, response } = exchange
  const decision = decideOn(request, head)
  if (answerWithoutBody(exchange, head, decision)) return
  if (decision.kind === 'part') {
    writePartHead(response, head, decision.range)
    response.end(bytes.subarray(decision.range.start, decision.range.end))
    return
  }
  response.writeHead(200, head.fields)
  response.end(bytes)
}

/** Answers with a blob: from the memory cache in one piece, else streamed from the disk in bounded memory. */
export async function sendFile(
  exchange: Exchange,
  head: Head,
  blobs: BlobStore,
  digest: Digest,
): Promise<Refusal | undefined> {
  const cached = blobs.cached(digest)
  if (cached !== undefined) {
    sendBytes(exchange, head, cached)
    return undefined
  }
  const { request, response } = exchange
  const decision = decideOn(request, head)
  if (answerWithoutBody(exchange, head, decision)) return undefined
  const range = decision.kind === 'part' ? decision.range : undefined
  const opened = await blobs.get(digest, range)
  if (!opened.ok) return readRefusal(opened.error)
  try {
    return await stream(opened.value, response, () => {
      if (range === undefined) response.writeHead(200, head.fields)
      else writePartHead(response, head, range)
    })
  } finally {
    opened.value.close()
  }
}

/** The head goes out with the first good piece, so that damage found at once can still be answered with a refusal. */
async function stream(
  reader: BlobReader,
  response: ServerResponse,
  writeHead: () => void,
): Promise<Refusal | undefined> {
  for (;;) {
    const piece = await reader.next()
    if (!piece.ok) {
      if (!response.headersSent) return readRefusal(piece.error)
      // Too late for a status: the client must see that the body is not whole.
      response.destroy()
      return undefined
    }
    if (!response.headersSent) writeHead()
    if (piece.value === undefined) {
      response.end()
      return undefined
    }
    if (!(await written(response, piece.value))) return undefined
  }
}

/**
 * Resolves when the system has taken the piece, whose memory is then free again; false when the client is gone. A response
 * that waits behind another on its connection is never told of a failed write, only that it is closed.
 */
function written(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => resolve(false)
    response.once('close', gone)
    response.write(piece, (error) => {
      response.off('close', gone)
      resolve(error === undefined || error === null)
    })
  })
}

/** True when the decision, or a HEAD request, needs no body and has been answered. */
function answerWithoutBody(exchange: Exchange, head: Head, decision: Decision): boolean {
  const { request, response } = exchange
  switch (decision.kind) {
    case 'not-modified':
      response.writeHead(304, withoutLength(head.fields)).end()
      return true
    case 'precondition-failed':
      exchange.refuse({
        status: 412,
        title: 'Precondition failed',
        detail: 'The file is not the one that If-Match or If-Unmodified-Since names.',
      })
      return true
    case 'unsatisfiable':
      exchange.refuse(
        {
          status: 416,
          title: 'Range not satisfiable',
          detail: `The file has ${head.validators.sizeBytes} bytes.`,
        },
        { 'Content-Range': `bytes */${head.validators.sizeBytes}` },
      )
      return true
    case 'part':
    case 'full':
      if (request.method !== 'HEAD') return false
      response.writeHead(200, head.fields).end()
      return true
  }
}

/** The hot path: most requests carry no condition at all. */
const FULL: Decision = { kind: 'full' }

const CONDITIONS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'range',
] as const

function decideOn({ headers, method }: IncomingMessage, head: Head): Decision {
  if (!CONDITIONS.some((name) => headers[name] !== undefined)) return FULL
  const ifRange = headers['if-range']
  return decide(
    {
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
      ifModifiedSince: headers['if-modified-since'],
      ifUnmodifiedSince: headers['if-unmodified-since'],
      ifRange: typeof ifRange === 'string' ? ifRange : undefined,
      range: method === 'GET' ? headers.range : undefined,
    },
    head.validators,
  )
}

function writePartHead(response: ServerResponse, head: Head, range: ByteRange): void {
  const { start, end } = range
  const fields = withoutLength(head.fields)
  fields.push('Content-Length', String(end - start))
  fields.push('Content-Range', `bytes ${start}-${end - 1}/${head.validators.sizeBytes}`)
  response.writeHead(206, fields)
}

function withoutLength(fields: readonly string[]): string[] {
  return fields.filter((_, at) => {
    const name = at % 2 === 0 ? fields[at] : fields[at - 1]
    return name !== 'Content-Length'
  })
}
