import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { ownsConnection } from './socket-owner.ts'

test.runIf(process.platform === 'linux')('tells who has a connection', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'connect')
  const from = socket.localPort ?? 0
  expect(ownsConnection(process.pid, from, port)).toBe(true)
  expect(ownsConnection(process.pid, from, port + 1)).toBe(false)
  expect(ownsConnection(process.ppid, from, port)).toBe(false)
  expect(ownsConnection(2 ** 22 + 1, from, port)).toBe(false)
})
