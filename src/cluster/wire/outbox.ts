import { type Channel, CONSENSUS_CHANNEL, HEARTBEAT_CHANNEL } from './transport.ts'

/** What waits for a connection, bounded. Consensus and heartbeats go first; bulk never takes their room. */
export class Outbox {
  readonly #consensus: Lane
  readonly #bulk: Lane
  /** Bulk was refused since there was room for the last time. */
  #isBulkAwaited = false

  constructor(limits: { readonly consensusQueueBytes: number; readonly bulkQueueBytes: number }) {
    this.#consensus = new Lane(limits.consensusQueueBytes)
    this.#bulk = new Lane(limits.bulkQueueBytes)
  }

  /** Takes the payload, unless there is no room for its kind. */
  add(channel: Channel, payload: Uint8Array): boolean {
    const isBulk = channel !== CONSENSUS_CHANNEL && channel !== HEARTBEAT_CHANNEL
    const isTaken = (isBulk ? this.#bulk : this.#consensus).add({ channel, payload })
    if (isBulk && !isTaken) this.#isBulkAwaited = true
    return isTaken
  }

  /** The payload to send next. */
  next(): Parcel | undefined {
    return this.#consensus.next() ?? this.#bulk.next()
  }

  /** Whether bulk that was refused would be taken now; true once. */
  drained(): boolean {
    const isDrained = this.#isBulkAwaited && this.#bulk.isEmpty
    if (isDrained) this.#isBulkAwaited = false
    return isDrained
  }
}

export type Parcel = { readonly channel: Channel; readonly payload: Uint8Array }

/** First in, first out. One payload is always taken, however large. */
class Lane {
  readonly #bytesMax: number
  #parcels: Parcel[] = []
  #first = 0
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.#first === this.#parcels.length
  }

  add(parcel: Parcel): boolean {
    const bytes = this.#bytes + costOf(parcel)
    if (bytes > this.#bytesMax && !this.isEmpty) return false
    this.#bytes = bytes
    this.#parcels.push(parcel)
    return true
  }

  next(): Parcel | undefined {
    const parcel = this.#parcels[this.#first]
    if (parcel === undefined) return undefined
    this.#bytes -= costOf(parcel)
    this.#first++
    if (2 * this.#first >= this.#parcels.length) {
      this.#parcels = this.#parcels.slice(this.#first)
      this.#first = 0
    }
    return parcel
  }
}

/** What a payload takes of the memory besides its bytes; it bounds the number of small ones. */
const PARCEL_BYTES = 128

function costOf({ payload }: Parcel): number {
  return payload.length + PARCEL_BYTES
}
