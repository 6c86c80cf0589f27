import {
  type Channel,
  CONSENSUS_CHANNEL,
  HEARTBEAT_CHANNEL,
  MAP_CHANNEL,
  REPLICA_CHANNEL,
} from './transport.ts'

/** What waits for a connection, bounded. Consensus and heartbeats go first, then replicas and the map, then bulk; none takes the room of another. */
export class Outbox {
  readonly #consensus: Lane
  readonly #map: Lane
  readonly #bulk: Lane
  /** Whose room somebody waits for: it has refused something. */
  readonly #awaited = new Set<Lane>()

  constructor(limits: OutboxLimits) {
    this.#consensus = new Lane(limits.consensusQueueBytes)
    this.#map = new Lane(limits.mapQueueBytes)
    this.#bulk = new Lane(limits.bulkQueueBytes)
  }

  /** Takes the payload, unless there is no room for its kind. */
  add(channel: Channel, payload: Uint8Array): boolean {
    const lane = this.#laneOf(channel)
    const isTaken = lane.add({ channel, payload })
    if (lane !== this.#consensus && !isTaken) this.#awaited.add(lane)
    return isTaken
  }

  /** The payload to send next. */
  next(): Parcel | undefined {
    return this.#consensus.next() ?? this.#map.next() ?? this.#bulk.next()
  }

  /** Whether something that was refused, other than of consensus, would be taken now; true once. */
  drained(): boolean {
    const drained = [...this.#awaited].filter((lane) => lane.isEmpty)
    for (const lane of drained) this.#awaited.delete(lane)
    return drained.length > 0
  }

  #laneOf(channel: Channel): Lane {
    switch (channel) {
      case CONSENSUS_CHANNEL:
      case HEARTBEAT_CHANNEL:
        return this.#consensus
      case REPLICA_CHANNEL:
      case MAP_CHANNEL:
        return this.#map
      default:
        return this.#bulk
    }
  }
}

type OutboxLimits = {
  readonly consensusQueueBytes: number
  readonly mapQueueBytes: number
  readonly bulkQueueBytes: number
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
