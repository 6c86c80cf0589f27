import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import type { BlobStore } from '../../src/base/port.ts'
import { sendFile } from '../../src/maven/answer.http.ts'
import { openBlobs } from './fixture.ts'

const blobs = await openBlobs()
afterAll(() => blobs.close())

/** More than the system takes of a connection that nobody reads. */
const SIZE_BYTES = 24 * 1_024 * 1_024

test('closes the readers of all answers on a connection that is cut, also of those that wait their turn', async () => {
  const put = await blobs.store.put(zeros())
  if (!put.ok) throw new Error(put.error.kind)
  const { digest } = put.value
  const readers = { opened: 0, closed: 0 }
  const counting = count(blobs.store, readers)
  const validators = { etag: digest, modifiedMs: 0, sizeBytes: SIZE_BYTES }
  const head = { fields: ['Content-Length', String(SIZE_BYTES)], validators }
  const answers: Promise<unknown>[] = []
  const server = createServer((request, response) => {
    const principal = { name: 'anonymous', isAnonymous: true, may: () => true }
    const exchange = { request, response, principal, requestId: '1', acceptBody() {}, refuse() {} }
    answers.push(sendFile(exchange, head, counting, digest))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(client, 'readable')
  await expect.poll(() => readers.opened).toBe(2)
  client.destroy()
  await expect.poll(() => readers.closed).toBe(2)
  await Promise.all(answers)
  server.close()
})

async function* zeros(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < SIZE_BYTES; sent += 1_048_576) yield new Uint8Array(1_048_576)
}

/** The same store, which counts the readers that were opened and closed. */
function count(store: BlobStore, readers: { opened: number; closed: number }): BlobStore {
  return {
    put: (bytes, expected) => store.put(bytes, expected),
    stat: (digest) => store.stat(digest),
    cached: (digest) => store.cached(digest),
    async get(digest, range) {
      const opened = await store.get(digest, range)
      if (!opened.ok) return opened
      readers.opened += 1
      const reader = opened.value
      const close = () => {
        readers.closed += 1
        reader.close()
      }
      return { ok: true, value: { next: () => reader.next(), close } }
    },
  }
}
