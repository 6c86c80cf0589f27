import type { NodeId } from '../../../base/ids.ts'
import { type PeerNetwork, REPLICA_CHANNEL } from '../../wire/index.ts'
import { encodeParcels, type Parcel, parcelBytes } from './replica-codec.ts'

/**
 * Sends what replicas say: all that one turn of the event loop has for a node goes as one frame. What the network does not take
 * is lost; whoever has said it says it again.
 */
export class ReplicaSender {
  readonly #network: PeerNetwork
  readonly #waiting = new Map<NodeId, Waiting>()
  #turn: NodeJS.Immediate | undefined

  constructor(network: PeerNetwork) {
    this.#network = network
  }

  /** What one node is sent arrives in the order of the calls, or not at all. */
  send(to: NodeId, parcel: Parcel): void {
    if (!this.#network.isConnected(to)) return
    const bytes = parcelBytes(parcel)
    const before = this.#waiting.get(to)
    // A page may fill a frame by itself.
    if (before !== undefined && before.bytes + bytes > FRAME_BYTES) this.#flushTo(to, before)
    const waiting = this.#waiting.get(to) ?? { parcels: [], bytes: 0 }
    this.#waiting.set(to, waiting)
    waiting.parcels.push(parcel)
    waiting.bytes += bytes
    if (waiting.bytes >= FRAME_BYTES) this.#flushTo(to, waiting)
    else this.#turn ??= setImmediate(() => this.#flush())
  }

  /** What has not been sent is lost. */
  close(): void {
    clearImmediate(this.#turn)
  }

  #flush(): void {
    this.#turn = undefined
    for (const [to, waiting] of this.#waiting) this.#flushTo(to, waiting)
  }

  #flushTo(to: NodeId, { parcels }: Waiting): void {
    this.#waiting.delete(to)
    this.#network.send(to, REPLICA_CHANNEL, encodeParcels(parcels))
  }
}

type Waiting = { readonly parcels: Parcel[]; bytes: number }

/** More does not wait for the end of the turn: large frames hold up small ones. */
const FRAME_BYTES = 1_024 * 1_024
