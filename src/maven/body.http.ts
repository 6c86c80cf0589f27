import type { IncomingMessage } from 'node:http'

/**
 * The body of a request, in pieces that are valid only until the next one is asked for: their memory is then given back at
 * once. Left to the collector it would count as external memory, and every 15 MB of uploads would start a full collection.
 */
export async function* bodyOf(request: IncomingMessage): AsyncGenerator<Uint8Array, void> {
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    const bytes: Buffer = piece
    yield bytes
    giveBack(bytes)
  }
}

/** Detaches the piece's memory, unless it shares it with others. */
function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
