import { createHash } from 'node:crypto'
import type { Digest, NodeId } from '../../../base/ids.ts'
import { type ChunkStage, type ChunkStore, SEGMENT_BYTES } from '../../../storage/index.ts'
import type { Report } from '../../report.ts'
import { Turns } from '../turns.ts'
import type { ChunkPeers } from './chunk-peers.driver.ts'
import { segmentLength } from './chunk-question.ts'
import { type ChunkEntry, entriesOf } from './manifest.ts'

/**
 * Sees to it that this node has the chunks that it should have: those of the manifests that it holds, and those that a read
 * has found to be damaged or missing. Fetches them from the other replicas.
 *
 * It walks over all manifests when the node has started, when it holds further partitions, again as long as some chunk could
 * not be had, and a few times a day.
 * In between it looks at each manifest that it is told of, a while later, when its chunks should have arrived by themselves.
 */
export class ChunkKeeper {
  readonly #options: KeeperOptions
  readonly #turns = new Turns(FETCHES_MAX, FETCHES_WAITING_MAX)
  readonly #fetching = new Map<Digest, Promise<boolean>>()
  #noticed: { readonly entry: ChunkEntry; readonly dueMs: number }[] = []
  #working: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** What falls due until then had been missed. */
  #caughtUpMs = 0
  #walkDueMs = 0
  #pauseMs = WALK_PAUSE_MS
  #isWalkDue = true
  #missing = 0
  #repaired = 0
  #isClosed = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Chunks that this node should have, lacked when it last looked, and has not got yet. */
  get missing(): number {
    return this.#missing
  }

  /** Chunks that were fetched since the start, since they were missing or damaged. */
  get repaired(): number {
    return this.#repaired
  }

  /**
   * All manifests that this node holds were looked at, and nothing was missing in the end; but for those that clients have written
   * a moment ago.
   */
  get isSettled(): boolean {
    const [first] = this.#noticed
    const hasLooked = first === undefined || first.dueMs > this.#caughtUpMs
    return hasLooked && !this.#isWalkDue && this.#missing === 0 && this.#working === undefined
  }

  /** From now on it works by itself. */
  start(): void {
    this.#walkDueMs = performance.now() + WALK_PAUSE_MS
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** What was noticed until now had been missed for a while: it has to be looked at before all is well. */
  caughtUp(): void {
    this.#caughtUpMs = performance.now() + ARRIVAL_MS
  }

  /**
   * This node holds partitions that it did not: chunks of manifests that it has looked at may be its own now. It is not settled
   * before it has looked at all of them again.
   */
  placed(): void {
    if (!this.#isWalkDue) this.#walkLater()
  }

  /** A page of a manifest was written to this node's replica. */
  notice(page: Uint8Array): void {
    const dueMs = performance.now() + ARRIVAL_MS
    for (const entry of entriesOf(page)) {
      if (this.#noticed.length < NOTICED_MAX) this.#noticed.push({ entry, dueMs })
      else this.#walkNow()
    }
  }

  /** Fetches a chunk that was found to be damaged or missing, in the background. Best effort. */
  mend(entry: ChunkEntry): void {
    if (!this.#isClosed && this.#isReplica(entry.digest)) void this.#fetch(entry)
  }

  /** No call may follow. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await this.#working
    await Promise.all(this.#fetching.values())
  }

  #tick(): void {
    if (this.#working !== undefined || this.#isClosed) return
    const nowMs = performance.now()
    const isWalk = nowMs >= this.#walkDueMs
    const [first] = this.#noticed
    if (!isWalk && (first === undefined || first.dueMs > nowMs)) return
    const work = isWalk ? this.#walk() : this.#lookAtNoticed(nowMs)
    this.#working = work
      .catch((cause: unknown) => {
        // A disk that has failed stops the node by itself; the rest is tried again.
        this.#options.report('warn', 'the chunks of this node could not be looked through', {
          reason: cause instanceof Error ? cause.message : `${cause}`,
        })
        this.#walkLater()
      })
      .finally(() => {
        this.#working = undefined
      })
  }

  async #walk(): Promise<void> {
    this.#isWalkDue = false
    this.#missing = 0
    const before = this.#repaired
    const fetches = new Set<Promise<void>>()
    for await (const page of this.#options.manifests()) {
      for (const entry of entriesOf(page)) {
        if (this.#isClosed) return
        await this.#keep(entry, fetches)
      }
    }
    await Promise.all(fetches)
    const [fetched, missing] = [this.#repaired - before, this.#missing]
    if (fetched > 0 || missing > 0) {
      const level = missing > 0 ? 'warn' : 'info'
      this.#options.report(level, 'chunks that this node lacked were fetched', { fetched, missing })
    }
    if (missing > 0) return this.#walkLater()
    this.#pauseMs = WALK_PAUSE_MS
    // Unless another one was asked for meanwhile.
    if (!this.#isWalkDue) this.#walkDueMs = performance.now() + WALK_AGAIN_MS
  }

  async #lookAtNoticed(nowMs: number): Promise<void> {
    const due = this.#noticed.filter(({ dueMs }) => dueMs <= nowMs)
    this.#noticed = this.#noticed.slice(due.length)
    const fetches = new Set<Promise<void>>()
    for (const { entry } of due) {
      if (this.#isClosed) return
      if (!this.#options.peers.intake.isArriving(entry.digest)) await this.#keep(entry, fetches)
    }
    await Promise.all(fetches)
    if (this.#missing > 0 && !this.#isWalkDue) this.#walkLater()
  }

  #walkNow(): void {
    this.#isWalkDue = true
    this.#walkDueMs = 0
    this.#pauseMs = WALK_PAUSE_MS
  }

  #walkLater(): void {
    this.#isWalkDue = true
    this.#walkDueMs = performance.now() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, WALK_PAUSE_MAX_MS)
  }

  /** Begins to fetch the chunk if it is not here; waits while too many are being fetched. */
  async #keep(entry: ChunkEntry, fetches: Set<Promise<void>>): Promise<void> {
    const { digest } = entry
    if (!this.#isReplica(digest) || (await this.#options.chunks.has(digest))) return
    this.#missing++
    const fetch = this.#fetch(entry).then((isHere) => {
      if (isHere) this.#missing--
      fetches.delete(fetch)
    })
    fetches.add(fetch)
    if (fetches.size >= FETCHES_MAX) await Promise.race(fetches)
  }

  #isReplica(digest: Digest): boolean {
    return this.#options.replicasOf(digest)?.includes(this.#options.self) ?? false
  }

  /** Whether the chunk is here now, whole. */
  #fetch(entry: ChunkEntry): Promise<boolean> {
    const under = this.#fetching.get(entry.digest)
    if (under !== undefined) return under
    const fetching = this.#turns
      .take(() => this.#fetchFromAny(entry))
      .then((isHere) => isHere ?? false)
      // A disk that has failed stops the node by itself.
      .catch(() => false)
      .finally(() => this.#fetching.delete(entry.digest))
    this.#fetching.set(entry.digest, fetching)
    return fetching
  }

  async #fetchFromAny(entry: ChunkEntry): Promise<boolean> {
    const { self, replicasOf, chunks } = this.#options
    for (const from of replicasOf(entry.digest) ?? []) {
      if (from === self || this.#isClosed) continue
      const stage = chunks.stage()
      let isWhole = false
      try {
        isWhole = await this.#fetchFrom(from, entry, stage)
      } finally {
        await stage.end(isWhole ? 'kept' : 'dropped')
      }
      if (!isWhole) continue
      this.#repaired++
      return true
    }
    return false
  }

  async #fetchFrom(from: NodeId, entry: ChunkEntry, stage: ChunkStage): Promise<boolean> {
    const { digest, sizeBytes } = entry
    const { peers } = this.#options
    const hash = createHash('sha256')
    const memory = new Uint8Array(Math.min(SEGMENT_BYTES, sizeBytes))
    for (let position = 0; position < sizeBytes; position += SEGMENT_BYTES) {
      const segment = memory.subarray(0, segmentLength(sizeBytes, position))
      if (this.#isClosed) return false
      if ((await peers.read(from, digest, segment, position)) !== 'filled') return false
      hash.update(segment)
      if (!(await stage.append(segment)).ok) return false
    }
    if (hash.digest('hex') !== digest) return false
    return (await stage.seal(digest)).ok && (await stage.publish()).ok
  }
}

export type KeeperOptions = {
  readonly self: NodeId
  readonly peers: ChunkPeers
  readonly chunks: ChunkStore
  readonly replicasOf: (digest: Digest) => readonly NodeId[] | undefined
  /** All pages of manifests that this node holds. */
  readonly manifests: () => AsyncIterable<Uint8Array>
  readonly report: Report
}

/** Clients come first; four chunks are 16 MiB, and 100 ms of a fast network. */
const FETCHES_MAX = 4

/** Of those that reads ask for; the next read asks again. */
const FETCHES_WAITING_MAX = 1_024

/** How long the chunks of a manifest may take to arrive after it: they were sent before it was. */
const ARRIVAL_MS = 5_000

/** Manifests of some seconds of a busy node; more are found by a walk. */
const NOTICED_MAX = 16_384

const TICK_MS = 500

/** The replicas catch up first. A walk reads all manifests: between two that do not find everything the pause doubles. */
const WALK_PAUSE_MS = 5_000
const WALK_PAUSE_MAX_MS = 300_000

/** For a chunk that the node of the upload owed to this one when it ended, and whose manifest this one has ordered itself. */
const WALK_AGAIN_MS = 6 * 3_600_000
