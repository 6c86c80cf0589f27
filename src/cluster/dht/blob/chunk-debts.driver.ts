import type { Digest, NodeId } from '../../../base/ids.ts'
import type { ChunkStore } from '../../../storage/index.ts'
import type { PreparedQuestion } from '../../wire/calls.driver.ts'
import type { ChunkPeers } from './chunk-peers.driver.ts'
import { storeLength, writeStore } from './chunk-question.ts'

/** A chunk that `to` should have. */
export type OwedCopy = {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly to: NodeId
}

/**
 * Copies that uploads through this node have given up, since a replica was slow, full or not reached. They are made later, one
 * at a time, unless the replica has got the chunk by itself.
 */
export class ChunkDebts {
  readonly #options: DebtOptions
  readonly #owed = new Map<string, OwedCopy>()
  #working: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #pauseMs = PAUSE_MS
  /** Resolves when the pass under way has to end. */
  #stop = Promise.withResolvers<undefined>()
  #isClosed = false

  constructor(options: DebtOptions) {
    this.#options = options
  }

  /** Copies that are not known to have been made. */
  get size(): number {
    return this.#owed.size
  }

  /** The oldest are forgotten when there are too many: whoever lacks so much looks through its manifests when it is back. */
  add(copy: OwedCopy): void {
    const [oldest] = this.#owed.keys()
    if (oldest !== undefined && this.#owed.size >= OWED_MAX) this.#owed.delete(oldest)
    if (oldest === undefined) {
      this.#pauseMs = PAUSE_MS
      this.#dueMs = performance.now() + PAUSE_MS
    }
    this.#owed.set(`${copy.digest} ${copy.to}`, copy)
  }

  /** From now on it works by itself. */
  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Ends as soon as the calls under way have ended. No call may follow. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#stop.resolve(undefined)
    await this.#working
  }

  #tick(): void {
    const isDue = this.#owed.size > 0 && performance.now() >= this.#dueMs
    if (!isDue || this.#working !== undefined || this.#isClosed) return
    this.#stop = Promise.withResolvers()
    this.#working = this.#settleAll().finally(() => {
      this.#dueMs = performance.now() + this.#pauseMs
      this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS)
      this.#working = undefined
    })
  }

  async #settleAll(): Promise<void> {
    const silent = new Set<NodeId>()
    for (const [name, copy] of this.#owed) {
      if (this.#isClosed) return
      // One that does not answer must not hold up what others are owed.
      const outcome = silent.has(copy.to) ? 'unreached' : await this.#settle(copy)
      if (outcome === 'settled') this.#owed.delete(name)
      else if (outcome === 'unreached') silent.add(copy.to)
    }
  }

  async #settle({ digest, sizeBytes, to }: OwedCopy): Promise<'settled' | 'owed' | 'unreached'> {
    const { peers, replicasOf } = this.#options
    if (replicasOf(digest)?.includes(to) === false) return 'settled'
    if (!peers.isConnected(to)) return 'unreached'
    const known = await peers.read(to, digest, new Uint8Array(1), 0)
    if (known === 'filled') return 'settled'
    if (known !== 'nothing') return known === 'unreached' ? known : 'owed'
    const transfer = peers.nextTransfer()
    const question = async (position: number): Promise<PreparedQuestion> => {
      const prepared = peers.prepare(storeLength(sizeBytes, position))
      const segment = writeStore(prepared.bytes, { transfer, digest, sizeBytes, position })
      await this.#read(digest, segment, position)
      return prepared
    }
    const stopped = { isSet: () => this.#isClosed, promise: this.#stop.promise }
    const outgoing = { transfer, sizeBytes, question, stopped }
    const stored = await peers.store(to, outgoing, TURN_MS).catch(() => 'not-stored')
    return stored === 'stored' ? 'settled' : 'owed'
  }

  /** From this node, or from another replica when it keeps no copy itself. Who receives it verifies it. */
  async #read(digest: Digest, into: Uint8Array, position: number): Promise<void> {
    const { self, peers, chunks, replicasOf } = this.#options
    if ((await chunks.read(digest, into, position)).ok) return
    for (const from of replicasOf(digest) ?? []) {
      if (from !== self && (await peers.read(from, digest, into, position)) === 'filled') return
    }
    throw new Error(`chunk ${digest} is to be read nowhere now`)
  }
}

export type DebtOptions = {
  readonly self: NodeId
  readonly peers: ChunkPeers
  readonly chunks: ChunkStore
  readonly replicasOf: (digest: Digest) => readonly NodeId[] | undefined
}

/** 64 GiB of chunks; a megabyte of memory. */
const OWED_MAX = 16_384

const TICK_MS = 500

/** Whoever was slow gets a moment; who stays so is asked less and less often. */
const PAUSE_MS = 1_000
const PAUSE_MAX_MS = 60_000

/** Uploads have the same turns. */
const TURN_MS = 5_000
