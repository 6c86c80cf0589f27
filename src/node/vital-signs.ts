import { randomBytes } from 'node:crypto'
import type { NodeId } from '../base/ids.ts'
import type { Vitals } from '../cluster/wire/index.ts'
import type { ReplicationHealth } from './replication-metrics.ts'

/** Measures this node once a second, and says what it found: all nodes show it to their operators. */
export class VitalSigns {
  /** Names this process. */
  readonly boot = randomBytes(8).toString('hex')
  readonly #options: VitalSignsOptions
  readonly #startedMs = Math.round(Date.now() - process.uptime() * 1_000)
  #space = { freeBytes: 0, totalBytes: 0 }
  #timer: NodeJS.Timeout | undefined
  #seconds = 0

  constructor(options: VitalSignsOptions) {
    this.#options = options
  }

  /** Resolves when it has been said for the first time. */
  async start(): Promise<void> {
    await this.#measure()
    this.say()
    this.#timer = setInterval(() => {
      if (this.#seconds++ % DISK_SECONDS === 0) void this.#measure()
      this.say()
    }, INTERVAL_MS)
    this.#timer.unref()
  }

  /** Something has changed that the others are to know at once. */
  say(): void {
    const { isReady, chunks, lagging, say } = this.#options
    const { missing, isSettled } = chunks()
    say({
      boot: this.boot,
      startedMs: this.#startedMs,
      isReady: isReady(),
      diskTotalBytes: this.#space.totalBytes,
      diskFreeBytes: this.#space.freeBytes,
      missingChunks: missing,
      hasAllChunks: isSettled,
      lagging: [...lagging()].map(([node, partitions]) => ({ node, partitions })),
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A file system that does not answer keeps its last numbers: whoever writes to it has more to say about that. */
  async #measure(): Promise<void> {
    this.#space = await this.#options.freeSpace().catch(() => this.#space)
  }
}

export type VitalSignsOptions = {
  readonly isReady: () => boolean
  readonly freeSpace: () => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  readonly chunks: () => ReplicationHealth['chunks']
  readonly lagging: () => ReadonlyMap<NodeId, number>
  readonly say: (vitals: Vitals) => void
}

const INTERVAL_MS = 1_000

/** A disk fills in minutes. */
const DISK_SECONDS = 5
