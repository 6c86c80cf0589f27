/**
 * The least that a PUT costs in Node when its promise is that of Aether: receive, SHA-256, SHA-1 and CRC-32, write, sync,
 * rename, sync the directory. No protocol, no record, no manifest. Arguments: the directory. Prints its URL.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'

const open = promisify(fs.open)
const write = promisify<number, Uint8Array, void>((fd, bytes, done) =>
  fs.write(fd, bytes, 0, bytes.length, 0, (error) => done(error)),
)
const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)
const rename = promisify(fs.rename)

const BODY_BYTES_MAX = 2 * 1_024 * 1_024
const directory = process.argv[2] ?? '.'
const idle: Buffer[] = []
let count = 0

/** By request target: what was stored can be read again, so that the bench may compare it. */
const stored = new Map<string, string>()

const server = createServer({ noDelay: true }, async (request, response) => {
  const target = request.url ?? ''
  if (request.method === 'GET') {
    response.end(fs.readFileSync(stored.get(target) ?? ''))
    return
  }
  const body = idle.pop() ?? Buffer.allocUnsafeSlow(BODY_BYTES_MAX)
  let size = 0
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += piece.copy(body, size)
  }
  stored.set(target, await keep(body.subarray(0, size)))
  idle.push(body)
  response.writeHead(201, { 'Content-Length': 0 }).end()
})

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

async function keep(bytes: Buffer): Promise<string> {
  count += 1
  const temporary = join(directory, `${count}.part`)
  const fd = await open(temporary, 'wx')
  const written = write(fd, bytes)
  const name = createHash('sha256').update(bytes).digest('hex')
  createHash('sha1').update(bytes).digest('hex')
  crc32(bytes)
  await written
  await fdatasync(fd)
  fs.closeSync(fd)
  const shard = join(directory, name.slice(0, 2))
  fs.mkdirSync(shard, { recursive: true })
  await rename(temporary, join(shard, name))
  const descriptor = fs.openSync(shard, 'r')
  await fsync(descriptor)
  fs.closeSync(descriptor)
  return join(shard, name)
}
