import type { NodeId } from '../base/ids.ts'
import type { Report } from '../cluster/membership/index.ts'
import type { PartitionTable } from '../cluster/partition/index.ts'
import type { ReplicationHealth } from './replication-metrics.ts'

/** Tells operators when this node serves the partitions that a table has made it lead: until then their clients wait. */
export class TakeoverLog {
  readonly #options: TakeoverLogOptions
  #epochs: readonly number[] = []
  #gained = 0
  #startMs = 0
  #isSlow = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: TakeoverLogOptions) {
    this.#options = options
  }

  /** The table is this one now. */
  follow({ rows }: PartitionTable): void {
    const { self } = this.#options
    const isShared = (at: number) => rows[at]?.primary === self && rows[at].replicas.length > 1
    const epochs = rows.map(({ epoch }, at) => (isShared(at) ? epoch : 0))
    const gained = epochs.filter((epoch, at) => epoch > (this.#epochs[at] ?? 0)).length
    this.#epochs = epochs
    if (gained === 0) return
    if (this.#timer === undefined) {
      this.#gained = 0
      this.#startMs = performance.now()
      this.#isSlow = false
    }
    this.#gained += gained
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { health, report } = this.#options
    const { led, takingOver } = health()
    const tookMs = Math.round(performance.now() - this.#startMs)
    const leads = this.#epochs.filter((epoch) => epoch > 0).length
    if (takingOver === 0 && led >= leads) {
      clearInterval(this.#timer)
      this.#timer = undefined
      report('info', SERVED, { takenOver: this.#gained, tookMs, leads })
    } else if (!this.#isSlow && tookMs >= SLOW_MS) {
      this.#isSlow = true
      report('warn', NOT_SERVED, { takingOver, tookMs })
    }
  }
}

export type TakeoverLogOptions = {
  readonly self: NodeId
  readonly health: () => Pick<ReplicationHealth['replicas'], 'led' | 'takingOver'>
  readonly report: Report
}

const SERVED = 'this node has taken over partitions and serves them'
const NOT_SERVED = 'this node has yet to take over partitions: too few of their replicas answer'

const LOOK_MS = 20

/** Far more than a takeover needs when a majority answers. */
const SLOW_MS = 5_000
