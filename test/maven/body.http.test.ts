import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bodyOf } from '../../src/maven/body.http.ts'

const body = Buffer.alloc(1_000_000, 'some bytes that do not repeat evenly ')

let received: PromiseWithResolvers<IncomingMessage>
const server = createServer((incoming, response) => {
  incoming.on('close', () => response.end())
  received.resolve(incoming)
})

beforeEach(async () => {
  received = Promise.withResolvers()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

function send() {
  const { port } = server.address() as AddressInfo
  const outgoing = request({ port, method: 'PUT', headers: { 'Content-Length': body.length } })
  outgoing.on('error', () => {})
  return outgoing
}

test('gives all bytes, and the memory of a piece back when the next is asked for', async () => {
  send().end(body)
  const copies: Buffer[] = []
  let before: Uint8Array | undefined
  for await (const piece of bodyOf(await received.promise)) {
    expect(before?.length ?? 0).toBe(0)
    copies.push(Buffer.from(piece))
    before = piece
  }
  expect(copies.length).toBeGreaterThan(1)
  expect(Buffer.concat(copies).equals(body)).toBe(true)
})

test('fails when the client leaves early', async () => {
  const outgoing = send()
  outgoing.write(body.subarray(0, 1_000))
  const pieces = bodyOf(await received.promise)
  expect((await pieces.next()).done).toBe(false)
  outgoing.destroy()
  await expect(pieces.next()).rejects.toThrow('aborted')
})

test('holds the client back until the next piece is asked for', async () => {
  const large = Buffer.alloc(50_000_000)
  const { port } = server.address() as AddressInfo
  const outgoing = request({ port, method: 'PUT', headers: { 'Content-Length': large.length } })
  outgoing.on('error', () => {})
  outgoing.end(large)
  const incoming = await received.promise
  const pieces = bodyOf(incoming)
  await expect.poll(() => incoming.isPaused()).toBe(true)
  const { bytesRead } = incoming.socket
  expect(bytesRead).toBeLessThan(large.length)
  let size = 0
  for await (const piece of pieces) size += piece.length
  expect(size).toBe(large.length)
})

test('throws the rest away when it is stopped', async () => {
  send().end(body)
  const incoming = await received.promise
  for await (const piece of bodyOf(incoming)) if (piece.length > 0) break
  await new Promise((resolve) => incoming.on('end', resolve))
  expect(incoming.listenerCount('data')).toBe(0)
})

test('fails for a client that has left before', async () => {
  const outgoing = send()
  outgoing.write(body.subarray(0, 1_000))
  const incoming = await received.promise
  const closed = new Promise((resolve) => incoming.on('close', resolve))
  outgoing.destroy()
  await closed
  await expect(bodyOf(incoming).next()).rejects.toThrow('aborted')
})
