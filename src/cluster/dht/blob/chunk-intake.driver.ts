import { createHash } from 'node:crypto'
import type { Digest, NodeId } from '../../../base/ids.ts'
import type { ChunkStage, ChunkStore } from '../../../storage/index.ts'
import type { StoreAnswer, StoreQuestion } from './chunk-question.ts'

/**
 * The chunks that other nodes store here: staged while they arrive, published when their SHA-256 is right. What its sender
 * does not finish is dropped, at the latest when nothing has come of it for a while.
 */
export class ChunkIntake {
  readonly #chunks: ChunkStore
  readonly #isConnected: (peer: NodeId) => boolean
  readonly #arrivals = new Map<string, Arrival>()
  readonly #ending = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(chunks: ChunkStore, isConnected: (peer: NodeId) => boolean) {
    this.#chunks = chunks
    this.#isConnected = isConnected
  }

  /** Takes one segment; its bytes must not change until this resolves. Rejects when the disk fails. */
  async store(from: NodeId, segment: StoreQuestion): Promise<StoreAnswer> {
    const name = `${segment.transfer} ${from}`
    const arrival = this.#arrivals.get(name) ?? this.#begin(from, name, segment)
    if (arrival === 'busy' || arrival === 'unexpected') return arrival
    if (arrival.isBusy || segment.position !== arrival.receivedBytes || !isSame(arrival, segment)) {
      this.#drop(name, arrival)
      return 'unexpected'
    }
    arrival.isBusy = true
    arrival.heardMs = performance.now()
    const taking = take(arrival, segment.bytes)
    arrival.work = taking.then(
      () => {},
      () => {},
    )
    try {
      const answer = await taking
      arrival.isBusy = false
      // Dropped meanwhile, with its sender's connection: what the disk did for it is undone.
      if (this.#arrivals.get(name) !== arrival) return 'unexpected'
      if (answer === 'stored') this.#end(name, arrival, 'unknown')
      else if (answer !== 'taken') this.#drop(name, arrival)
      return answer
    } catch (fault) {
      this.#drop(name, arrival)
      throw fault
    }
  }

  abandon(from: NodeId, transfer: number): void {
    const name = `${transfer} ${from}`
    const arrival = this.#arrivals.get(name)
    if (arrival !== undefined) this.#drop(name, arrival)
  }

  /** Whether the chunk is on its way here. */
  isArriving(digest: Digest): boolean {
    return [...this.#arrivals.values()].some((arrival) => arrival.digest === digest)
  }

  /** Drops what is not complete. No call may follow. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    for (const [name, arrival] of [...this.#arrivals]) this.#drop(name, arrival)
    await Promise.all(this.#ending)
  }

  #begin(from: NodeId, name: string, segment: StoreQuestion): Arrival | 'busy' | 'unexpected' {
    if (segment.position !== 0) return 'unexpected'
    const open = [...this.#arrivals.values()].filter((arrival) => arrival.from === from)
    if (this.#isClosed || open.length >= ARRIVALS_PER_PEER_MAX) return 'busy'
    const { digest, sizeBytes } = segment
    const arrival: Arrival = {
      from,
      digest,
      sizeBytes,
      stage: this.#chunks.stage(),
      hash: createHash('sha256'),
      work: Promise.resolve(),
      receivedBytes: 0,
      isBusy: false,
      heardMs: performance.now(),
    }
    this.#arrivals.set(name, arrival)
    this.#timer ??= setInterval(() => this.#dropSilent(), CHECK_MS).unref()
    return arrival
  }

  #drop(name: string, arrival: Arrival): void {
    this.#end(name, arrival, 'dropped')
  }

  /** `unknown` as long as nobody here knows of a manifest that refers to it. */
  #end(name: string, arrival: Arrival, outcome: 'dropped' | 'unknown'): void {
    if (this.#arrivals.get(name) !== arrival) return
    this.#arrivals.delete(name)
    // A disk that has failed stops the node by itself.
    const ended = arrival.work.then(() => arrival.stage.end(outcome)).catch(() => {})
    this.#ending.add(ended)
    void ended.then(() => this.#ending.delete(ended))
    if (this.#arrivals.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #dropSilent(): void {
    const silentSinceMs = performance.now() - SILENT_MS
    for (const [name, arrival] of [...this.#arrivals]) {
      const isSilent = !arrival.isBusy && arrival.heardMs < silentSinceMs
      if (isSilent || !this.#isConnected(arrival.from)) this.#drop(name, arrival)
    }
  }
}

/** More than a peer sends at once. */
const ARRIVALS_PER_PEER_MAX = 64

/** A sender waits for its disk at most; longer than it waits for an answer. */
const SILENT_MS = 15_000
const CHECK_MS = 1_000

type Arrival = {
  readonly from: NodeId
  readonly digest: Digest
  readonly sizeBytes: number
  readonly stage: ChunkStage
  readonly hash: ReturnType<typeof createHash>
  /** The segment being written. */
  work: Promise<void>
  receivedBytes: number
  isBusy: boolean
  heardMs: number
}

function isSame(arrival: Arrival, { digest, sizeBytes }: StoreQuestion): boolean {
  return arrival.digest === digest && arrival.sizeBytes === sizeBytes
}

async function take(arrival: Arrival, bytes: Uint8Array): Promise<StoreAnswer> {
  const appending = arrival.stage.append(bytes)
  // Hashed while it is written.
  arrival.hash.update(bytes)
  const appended = await appending
  if (!appended.ok) return appended.error.kind
  arrival.receivedBytes += bytes.length
  if (arrival.receivedBytes < arrival.sizeBytes) return 'taken'
  if (arrival.hash.digest('hex') !== arrival.digest) return 'unexpected'
  const sealed = await arrival.stage.seal(arrival.digest)
  const published = sealed.ok ? await arrival.stage.publish() : sealed
  return published.ok ? 'stored' : published.error.kind
}
