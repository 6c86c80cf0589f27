import type { Message } from './frame.ts'
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

  /** The messages to send next, at most `bytesMax` with what each costs beside its payload, but at least one. Empty when nothing waits. */
  take(bytesMax: number): readonly Message[] {
    const taken: Message[] = []
    let bytes = 0
    for (const lane of [this.#consensus, this.#map, this.#bulk]) {
      for (let head = lane.head; head !== undefined; head = lane.head) {
        bytes += costOf(head)
        if (bytes > bytesMax && taken.length > 0) return taken
        taken.push(head)
        lane.removeHead()
      }
    }
    return taken
  }

  /** Whether something that was refused, other than of consensus, would be taken now; true once. */
  drained(): boolean {
    if (this.#awaited.size === 0) return false
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

/** First in, first out. One payload is always taken, however large. */
class Lane {
  readonly #bytesMax: number
  #messages: Message[] = []
  #first = 0
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.#first === this.#messages.length
  }

  add(message: Message): boolean {
    const bytes = this.#bytes + costOf(message)
    if (bytes > this.#bytesMax && !this.isEmpty) return false
    this.#bytes = bytes
    this.#messages.push(message)
    return true
  }

  get head(): Message | undefined {
    return this.#messages[this.#first]
  }

  /** There is one. */
  removeHead(): void {
    const message = this.#messages[this.#first] as Message
    this.#bytes -= costOf(message)
    this.#first++
    if (2 * this.#first >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first)
      this.#first = 0
    }
  }
}

/** What a payload takes of the memory besides its bytes; it bounds the number of small ones. */
const MESSAGE_BYTES = 128

function costOf({ payload }: Message): number {
  return payload.length + MESSAGE_BYTES
}
