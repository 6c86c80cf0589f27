import { setTimeout as pause } from 'node:timers/promises'
import type { Digest, NodeId } from '../../../base/ids.ts'
import type { NoSpace, Unavailable } from '../../../base/port.ts'
import { err, ok, type Result } from '../../../base/result.ts'
import type { ChunkStage, StageOutcome } from '../../../storage/index.ts'
import type { PreparedQuestion } from '../../wire/calls.driver.ts'
import type { OwedCopy } from './chunk-debts.driver.ts'
import type { ChunkPeers, OutgoingChunk } from './chunk-peers.driver.ts'
import { storeLength, writeStore } from './chunk-question.ts'

/** A chunk that is sealed, alone in its stage, which belongs to the copies from now on. */
export type SealedChunk = {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly stage: ChunkStage
}

/**
 * The chunks of one upload on their way to their replicas, while later ones arrive. This node's own copies are among them
 * where it is a replica.
 */
export class ChunkCopies {
  readonly #options: CopiesOptions
  readonly #copies: ChunkCopy[] = []
  /** Those before it are on enough replicas. */
  #firstOpen = 0

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /** Begins to copy the chunk; waits while too many are not on enough replicas. Fails when one cannot be. */
  async add(chunk: SealedChunk): Promise<Result<void, NoSpace | Unavailable>> {
    this.#copies.push(new ChunkCopy(chunk, this.#options))
    return this.#wait(CHUNKS_UNDER_WAY_MAX)
  }

  /** Resolves with ok when all chunks are durable on a majority of their replicas. */
  durable(): Promise<Result<void, NoSpace | Unavailable>> {
    return this.#wait(0)
  }

  /**
   * Ends the stages; once. What is dropped has gone from this node when it resolves, and is not sent any further. Otherwise
   * the remaining copies are still being made.
   */
  async end(outcome: StageOutcome): Promise<void> {
    const { lingering } = this.#options
    if (outcome === 'dropped' || lingering.size >= LINGERING_MAX) {
      this.#stop()
    }
    const ending = Promise.all(this.#copies.map((copy) => copy.end(outcome)))
    if (outcome === 'dropped') {
      await ending
    } else if (this.#copies.length > 0) {
      // A disk that has failed stops the node by itself.
      const ended = ending.catch(() => {}).then(() => void lingering.delete(entry))
      const entry = { stop: () => this.#stop(), ended }
      lingering.add(entry)
    }
  }

  #stop(): void {
    for (const copy of this.#copies) copy.stop()
  }

  async #wait(openMax: number): Promise<Result<void, NoSpace | Unavailable>> {
    while (this.#copies.length - this.#firstOpen > openMax) {
      const enough = await this.#copies[this.#firstOpen]?.enough
      if (enough?.ok === false) return enough
      this.#firstOpen++
    }
    return ok(undefined)
  }
}

export type CopiesOptions = {
  readonly self: NodeId
  readonly peers: ChunkPeers
  /** The nodes that should have the chunk; undefined when that is not known. */
  readonly replicasOf: (digest: Digest) => readonly NodeId[] | undefined
  /** How long to try to reach enough replicas. */
  readonly waitMs: number
  /** Is told of copies that were given up, of chunks that are kept. */
  readonly owe: (copy: OwedCopy) => void
  /** Uploads that were answered and whose last copies are still being made. */
  readonly lingering: Set<Lingering>
}

export type Lingering = { stop(): void; readonly ended: Promise<void> }

/** Of one upload: two segments of each wait for the network at most, one for each peer. */
const CHUNKS_UNDER_WAY_MAX = 4

/** More of them means that a replica is slow: it will fetch what it lacks when it has the time. */
const LINGERING_MAX = 64

/** A node that restarts is back within seconds. */
const RETRY_MS = 250

class ChunkCopy {
  /** On a majority of the replicas, this node included where it is one. */
  readonly enough: Promise<Result<void, NoSpace | Unavailable>>
  readonly #chunk: SealedChunk
  readonly #options: CopiesOptions
  readonly #stop = Promise.withResolvers<undefined>()
  readonly #isReplica: boolean
  readonly #sent: Promise<unknown>
  readonly #published: Promise<Result<void, NoSpace>>
  /** Replicas that are not sent it any more, and have not said that they have it. */
  readonly #lacking: NodeId[] = []
  #isStopped = false
  #hasEnough = false

  constructor(chunk: SealedChunk, options: CopiesOptions) {
    this.#chunk = chunk
    this.#options = options
    const replicas = options.replicasOf(chunk.digest)
    const others = replicas?.filter((id) => id !== options.self) ?? []
    this.#isReplica = replicas?.includes(options.self) ?? false
    this.#published = this.#isReplica ? chunk.stage.publish() : Promise.resolve(ok(undefined))
    const deadlineMs = performance.now() + options.waitMs
    const first = this.#outgoing()
    const sent = others.map((to) => this.#copyTo(to, first, deadlineMs))
    this.#sent = Promise.allSettled(sent)
    this.enough = replicas
      ? this.#count(sent, Math.floor(replicas.length / 2) + 1)
      : Promise.resolve(err({ kind: 'unavailable', reason: 'nobody knows where chunks belong' }))
    // Whoever awaits it sees the failure; until then it must not count as unhandled.
    this.enough.catch(() => {})
  }

  /** Sends nothing any more. */
  stop(): void {
    this.#isStopped = true
    this.#stop.resolve(undefined)
  }

  async end(outcome: StageOutcome): Promise<void> {
    await this.#sent
    await this.#published.catch(() => {})
    const { digest, sizeBytes } = this.#chunk
    if (outcome !== 'dropped')
      for (const to of this.#lacking) this.#options.owe({ digest, sizeBytes, to })
    await this.#chunk.stage.end(this.#isReplica ? outcome : 'dropped')
  }

  async #count(
    sent: readonly Promise<boolean>[],
    quorum: number,
  ): Promise<Result<void, NoSpace | Unavailable>> {
    let missing = quorum - (this.#isReplica ? 1 : 0)
    const { promise, resolve } = Promise.withResolvers<void>()
    if (missing <= 0) resolve()
    const counted = sent.map(async (copy) => {
      if ((await copy) && --missing === 0) resolve()
    })
    await Promise.race([promise, Promise.all(counted)])
    const published = await this.#published
    if (!published.ok) return published
    this.#hasEnough = missing <= 0
    if (this.#hasEnough) return ok(undefined)
    const { length } = sent
    const reason = `too few of ${length + (this.#isReplica ? 1 : 0)} nodes could store a chunk`
    return err({ kind: 'unavailable', reason })
  }

  /** `first` is what all peers are sent at first. */
  async #copyTo(to: NodeId, first: OutgoingChunk, deadlineMs: number): Promise<boolean> {
    const { peers } = this.#options
    for (let chunk = first; ; chunk = this.#outgoing()) {
      const outcome = await peers.store(to, chunk, Math.max(0, deadlineMs - performance.now()))
      if (outcome === 'stored') return true
      const isLate = performance.now() > deadlineMs
      if (outcome === 'no-space' || this.#hasEnough || this.#isStopped || isLate) {
        this.#lacking.push(to)
        return false
      }
      await Promise.race([pause(RETRY_MS, undefined, { ref: false }), this.#stop.promise])
    }
  }

  /** Peers that keep pace with each other share what is read. */
  #outgoing(): OutgoingChunk {
    const { digest, sizeBytes, stage } = this.#chunk
    const transfer = this.#options.peers.nextTransfer()
    let latest:
      | { readonly position: number; readonly question: Promise<PreparedQuestion> }
      | undefined
    const read = async (position: number) => {
      const question = this.#options.peers.prepare(storeLength(sizeBytes, position))
      const segment = writeStore(question.bytes, { transfer, digest, sizeBytes, position })
      await stage.read(digest, segment, position)
      return question
    }
    return {
      transfer,
      sizeBytes,
      stopped: { isSet: () => this.#isStopped, promise: this.#stop.promise },
      question: (position) => {
        if (latest?.position !== position) latest = { position, question: read(position) }
        return latest.question
      },
    }
  }
}
