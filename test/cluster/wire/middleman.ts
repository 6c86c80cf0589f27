import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Address, formatAddress } from '../../../src/cluster/wire/index.ts'

/** Stands between two nodes and does to their bytes what a test asks for. */
export class Middleman {
  /** What becomes of a chunk on its way to the listener, and on its way back; nothing of it when it is lost. */
  forward: (chunk: Buffer) => Buffer | undefined = (chunk) => chunk
  backward: (chunk: Buffer) => Buffer | undefined = (chunk) => chunk
  /** Everything that was forwarded, by connection. */
  readonly recorded: Buffer[][] = []
  /** The side of the dialer and the side of the listener of each connection. */
  readonly pairs: { readonly dialer: Socket; readonly listener: Socket }[] = []
  address = ''
  /** A side that has gone is not missed by the other one. */
  isMute = false
  readonly #server = createServer()

  async start(target: () => Address): Promise<this> {
    this.#server.on('connection', (dialer) => {
      const { host, port } = target()
      const listener = connect(port, host)
      const recorded: Buffer[] = []
      this.recorded.push(recorded)
      this.pairs.push({ dialer, listener })
      dialer.on('data', (chunk: Buffer) => {
        recorded.push(chunk)
        pass(listener, this.forward(chunk))
      })
      listener.on('data', (chunk: Buffer) => pass(dialer, this.backward(chunk)))
      for (const [one, other] of [
        [dialer, listener],
        [listener, dialer],
      ] as const) {
        one.on('error', () => {})
        one.on('close', () => this.isMute || other.destroy())
      }
    })
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const { address, port } = this.#server.address() as AddressInfo
    this.address = formatAddress({ host: address, port })
    return this
  }

  /** The newest connection. */
  get pair() {
    return this.pairs.at(-1)!
  }

  async stop(): Promise<void> {
    for (const { dialer, listener } of this.pairs) {
      dialer.destroy()
      listener.destroy()
    }
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function pass(to: Socket, chunk: Buffer | undefined): void {
  if (chunk !== undefined) to.write(chunk)
}
