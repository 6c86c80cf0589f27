import type { IncomingMessage } from 'node:http'
import { err, ok, type Result } from '../base/result.ts'

/** A body that is too large to be held, or of which the rest never came: then nobody waits for an answer. */
export type BodyRefusal = { readonly kind: 'too-large' } | { readonly kind: 'cut' }

/**
 * A whole small body. Listens to the raw events, which cost a third of an iterator. Refuses as soon as more than
 * `sizeBytesMax` is announced or comes; what follows is for the refusal to read away.
 */
export function readBody(
  request: IncomingMessage,
  sizeBytesMax: number,
): Promise<Result<Buffer, BodyRefusal>> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    let sizeBytes = 0
    const take = (piece: Buffer) => {
      sizeBytes += piece.length
      pieces.push(piece)
      if (sizeBytes <= sizeBytesMax) return
      request.off('data', take)
      resolve(err({ kind: 'too-large' }))
    }
    request.on('data', take)
    request.once('end', () => resolve(ok(Buffer.concat(pieces, sizeBytes))))
    request.once('close', () => resolve(err({ kind: 'cut' })))
  })
}

/** Whether the head announces more than that: such a body is refused before any of it is sent. */
export function announcesMore({ headers }: IncomingMessage, sizeBytesMax: number): boolean {
  return Number(headers['content-length'] ?? 0) > sizeBytesMax
}
