import { EventEmitter, once } from 'node:events'
import { text, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  type Address,
  type Admission,
  CONSENSUS_CHANNEL,
  type FrameCounts,
  formatAddress,
  frameCounts,
  type Hello,
  type Peer,
  type TransportOptions,
} from '../../../src/cluster/wire/index.ts'
import { TcpTransport } from '../../../src/cluster/wire/transport.tcp.ts'

export const SECRET = utf8('a secret of at least 32 bytes, as is required')

/** Short enough for tests, long enough for a busy machine. */
export const QUICK = { pingMs: 100, handshakeMs: 1_000, backOffMs: 10, backOffMaxMs: 100 }

type Overrides = Partial<TransportOptions> & { readonly says?: Partial<Hello> }

/** One end of the wire that notes what happens to it. Events are awaited, never slept for. */
export class TestNode {
  readonly transport: TcpTransport
  readonly counts: FrameCounts = frameCounts()
  /** `n1: text` for each frame, and `+n1`, `-n1`, `n1 refuses: reason @epoch` for what befell the connections. */
  readonly log: string[] = []
  readonly id: NodeId
  says: Hello
  address: Address
  readonly #events = new EventEmitter()

  constructor(id: string, { says, ...overrides }: Overrides = {}) {
    this.id = id as NodeId
    this.address = overrides.listen ?? { host: '127.0.0.1', port: 0 }
    this.says = {
      cluster: 'test',
      roster: undefined,
      node: this.id,
      incarnation: `${id}-1`,
      address: '127.0.0.1:1',
      epoch: 1,
      isJoining: false,
      ...says,
    }
    this.transport = new TcpTransport({
      secret: SECRET,
      listen: this.address,
      limits: QUICK,
      counts: this.counts,
      hello: () => this.says,
      admit: (hello): Admission =>
        hello.cluster === this.says.cluster
          ? { admit: true }
          : { admit: false, reason: 'foreign-cluster' },
      onMessage: (from, channel, payload) => {
        const mark = channel === CONSENSUS_CHANNEL ? '' : `#${channel} `
        this.#note(`${from}: ${mark}${payload.length > 100 ? payload.length : text(payload)}`)
      },
      onConnected: (peer) => this.#note(`+${peer}`),
      onDisconnected: (peer) => this.#note(`-${peer}`),
      onUnreachable: (peer, reason) => this.#note(`${peer} unreachable: ${reason}`),
      onRefused: (peer, reason, epoch) => this.#note(`${peer} refuses: ${reason} @${epoch}`),
      onDrain: (peer) => this.#note(`drained ${peer}`),
      ...overrides,
    })
  }

  async start(): Promise<this> {
    this.address = await this.transport.listen()
    this.says = { ...this.says, address: formatAddress(this.address) }
    return this
  }

  peer(incarnation?: string): Peer {
    return { id: this.id, address: this.says.address, incarnation }
  }

  say(to: TestNode, words: string): boolean {
    return this.transport.send(to.id, CONSENSUS_CHANNEL, utf8(words))
  }

  /** Resolves once the log has an entry that begins with `start`, from entry `from` on. */
  async sees(start: string, from = 0): Promise<string> {
    for (;;) {
      const entry = this.log.slice(from).find((one) => one.startsWith(start))
      if (entry !== undefined) return entry
      await once(this.#events, 'note')
    }
  }

  #note(entry: string): void {
    this.log.push(entry)
    this.#events.emit('note')
  }
}
