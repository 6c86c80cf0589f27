/** Chunks at other nodes: storing them there, reading them from there, and serving those who do the same here. */
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Digest, NodeId } from '../../../base/ids.ts'
import type { Result } from '../../../base/result.ts'
import { type ChunkStore, SEGMENT_BYTES } from '../../../storage/index.ts'
import { type CallFailure, Calls, type PreparedQuestion } from '../../wire/calls.driver.ts'
import { CHUNK_CHANNEL, type PeerNetwork } from '../../wire/index.ts'
import { Turns } from '../turns.ts'
import { ChunkIntake } from './chunk-intake.driver.ts'
import {
  type ChunkQuestion,
  decodeQuestion,
  decodeReadAnswer,
  decodeStoreAnswer,
  encodeAbandon,
  encodeNothing,
  encodeRead,
  encodeStoreAnswer,
  readAnswer,
  type StoreAnswer,
} from './chunk-question.ts'

export class ChunkPeers {
  readonly intake: ChunkIntake
  readonly #network: PeerNetwork
  readonly #chunks: ChunkStore
  readonly #calls: Calls
  readonly #stores = new TurnsByPeer(TRANSFERS_MAX, TRANSFERS_WAITING_MAX)
  readonly #reads = new TurnsByPeer(READS_MAX, READS_WAITING_MAX)
  #transferLast = randomInt(2 ** 40)

  /** Listens to the channel of chunks from now on. */
  constructor(network: PeerNetwork, chunks: ChunkStore) {
    this.#network = network
    this.#chunks = chunks
    this.intake = new ChunkIntake(chunks, (peer) => network.isConnected(peer))
    this.#calls = new Calls({
      network,
      channel: CHUNK_CHANNEL,
      limits: { served: SERVED_MAX },
      serve: (from, question) => {
        const decoded = decodeQuestion(question)
        return decoded && this.#serve(from, decoded)
      },
    })
  }

  isConnected(peer: NodeId): boolean {
    return this.#network.isConnected(peer)
  }

  /** The name of a transfer. Random at first, so that it is not one of an earlier life of this node. */
  nextTransfer(): number {
    return ++this.#transferLast
  }

  /** A question for several peers, which the caller fills. */
  prepare(length: number): PreparedQuestion {
    return this.#calls.prepare(length)
  }

  /**
   * Sends a chunk segment by segment, unless others keep it waiting for longer than `patienceMs`; several peers may be sent the
   * same transfer. Rejects when it cannot be read here.
   */
  async store(to: NodeId, transfer: OutgoingChunk, patienceMs: number): Promise<StoreOutcome> {
    const work = () => this.#store(to, transfer)
    return (await this.#stores.take(to, work, patienceMs)) ?? 'not-stored'
  }

  /** Fills `into` from `position` on of the peer's chunk; nothing is verified. */
  async read(
    from: NodeId,
    digest: Digest,
    into: Uint8Array,
    position: number,
  ): Promise<'filled' | 'nothing' | 'unreached'> {
    const { length } = into
    const ask = () =>
      this.#calls.call(from, encodeRead({ digest, position, length }), {
        timeoutMs: READ_MS,
        decode: (bytes) => decodeReadAnswer(bytes, length),
      })
    const answer = await this.#reads.take(from, ask, READ_MS)
    if (!answer?.ok) return 'unreached'
    if (answer.value === 'nothing') return 'nothing'
    into.set(answer.value)
    return 'filled'
  }

  /** Ends what is under way both ways. No call may follow. */
  async close(): Promise<void> {
    this.#calls.close()
    await this.intake.close()
  }

  async #store(to: NodeId, chunk: OutgoingChunk): Promise<StoreOutcome> {
    if (chunk.stopped.isSet()) return 'not-stored'
    // Once for the chunk: what waits for the stop is remembered until there is no way that it comes.
    const outcome = await Promise.race([this.#sendSegments(to, chunk), chunk.stopped.promise])
    if (outcome === undefined) this.#abandon(to, chunk.transfer)
    return outcome ?? 'not-stored'
  }

  /** Undefined when the peer may still wait for more. */
  async #sendSegments(to: NodeId, chunk: OutgoingChunk): Promise<StoreOutcome | undefined> {
    for (let position = 0; position < chunk.sizeBytes; position += SEGMENT_BYTES) {
      const question = await chunk.question(position)
      if (chunk.stopped.isSet()) break
      const answer = await this.#ask(to, question)
      if (!answer.ok) break
      if (answer.value === 'stored' || answer.value === 'no-space') return answer.value
      if (answer.value !== 'taken') return 'not-stored'
    }
    return undefined
  }

  /** Waits for room on the way, as long as an answer may take. */
  async #ask(to: NodeId, question: PreparedQuestion): Promise<Result<StoreAnswer, CallFailure>> {
    const deadlineMs = performance.now() + STORE_MS
    for (;;) {
      const timeoutMs = STORE_MS
      const answer = await this.#calls.call(to, question, { timeoutMs, decode: decodeStoreAnswer })
      const mayWait = this.#network.isConnected(to) && performance.now() < deadlineMs
      if (answer.ok || answer.error.kind !== 'not-sent' || !mayWait) return answer
      await pause(ROOM_MS, undefined, { ref: false })
    }
  }

  /** Best effort: what is not abandoned goes away by itself, later. */
  #abandon(to: NodeId, transfer: number): void {
    const options = { timeoutMs: STORE_MS, decode: decodeStoreAnswer }
    if (this.#network.isConnected(to)) void this.#calls.call(to, encodeAbandon(transfer), options)
  }

  async #serve(from: NodeId, question: ChunkQuestion): Promise<Uint8Array> {
    switch (question.kind) {
      case 'store':
        return encodeStoreAnswer(await this.intake.store(from, question))
      case 'abandon':
        this.intake.abandon(from, question.transfer)
        return encodeStoreAnswer('unexpected')
      case 'read': {
        const { answer, bytes } = readAnswer(question.length)
        const read = await this.#chunks.read(question.digest, bytes, question.position)
        return read.ok ? answer : encodeNothing()
      }
    }
  }
}

/** A chunk on its way to other nodes. */
export type OutgoingChunk = {
  readonly transfer: number
  readonly sizeBytes: number
  /** The store question for the segment at `position`; does not change any more. */
  question(position: number): Promise<PreparedQuestion>
  /** Set when the chunk is not to be sent any further. */
  readonly stopped: Stop
}

/** `promise` resolves when it is set. */
export type Stop = { isSet(): boolean; readonly promise: Promise<undefined> }

export type StoreOutcome = 'stored' | 'no-space' | 'not-stored'

/** The same number of turns with each peer. */
class TurnsByPeer {
  readonly #turns = new Map<NodeId, Turns>()
  readonly #turnsMax: number
  readonly #waitingMax: number

  constructor(turnsMax: number, waitingMax: number) {
    this.#turnsMax = turnsMax
    this.#waitingMax = waitingMax
  }

  /** Undefined when it was not done: too many wait already, or its turn has not come in time. */
  async take<T>(peer: NodeId, work: () => Promise<T>, patienceMs: number): Promise<T | undefined> {
    const turns = this.#turns.get(peer) ?? new Turns(this.#turnsMax, this.#waitingMax)
    this.#turns.set(peer, turns)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, patienceMs)
    const begun = () => {
      clearTimeout(timer)
      return work()
    }
    return turns.take(begun, promise).finally(() => clearTimeout(timer))
  }
}

/** Segments that one peer is asked for: 8 MiB here and there. Clients come first, so nobody fills the way with them. */
const READS_MAX = 32

/** More than a node serves at once. */
const READS_WAITING_MAX = 1_024

/** Questions of one peer under way, or answered and not sent: more than a peer asks; the answers are 32 MiB at most. */
const SERVED_MAX = 128

/** Chunks on their way to one peer: each has one segment in flight, and its sync at the end takes a while. */
const TRANSFERS_MAX = 16

/** They wait on the disk and cost no memory. As many as all uploads of a node have at once, and a few more of each. */
const TRANSFERS_WAITING_MAX = 1_024

/** A disk may take seconds to sync under load. */
const STORE_MS = 10_000

/** A client waits meanwhile, and another replica may answer at once. */
const READ_MS = 3_000

/** The connection sends some hundred kilobytes meanwhile. */
const ROOM_MS = 5
