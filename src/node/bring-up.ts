import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestId } from '../base/ids.ts'
import type { Authenticator } from './auth.ts'
import type { Cluster } from './cluster.ts'
import { RestartWishes } from './restart.ts'
import type { HostedSlice } from './slice-host.ts'
import { TokenBook } from './tokens.ts'

export type BringUpParts = {
  readonly cluster: Pick<Cluster, 'control' | 'members' | 'obstacle' | 'shortfall'>
  readonly authenticator: Authenticator
  readonly slice: HostedSlice
  readonly newRequestId: () => RequestId
  /** Of this process. */
  readonly boot: string
}

/** What a node can do only once the control state answers, and hence the others: know the tokens, run its slices. */
export class BringUp {
  /** Followed from the moment at which the control state answers. */
  readonly restarts: RestartWishes
  readonly #parts: BringUpParts
  readonly #tokens: TokenBook
  #sliceStart: Promise<void> | undefined
  #isStopped = false

  constructor(parts: BringUpParts) {
    this.#parts = parts
    const { cluster, authenticator, newRequestId, boot } = parts
    const worthAsking = () => this.#until(() => cluster.obstacle() === undefined)
    this.#tokens = new TokenBook({
      control: cluster.control,
      newRequestId,
      use: (tokens) => authenticator.use(tokens),
      worthAsking,
    })
    this.restarts = new RestartWishes({
      control: cluster.control,
      self: cluster.members.status().self,
      boot,
      newRequestId,
      worthAsking,
    })
  }

  /**
   * Resolves when the node serves, with the administrator's token if this node has made it; pending for good when it was
   * stopped before. Rejects when a slice does not start.
   */
  async run(): Promise<{ readonly freshToken: string | undefined }> {
    void this.restarts.follow()
    await this.#tokens.open()
    if (!this.#isStopped) {
      this.#sliceStart = this.#parts.slice.start()
      await this.#sliceStart
    }
    await this.#until(() => this.#parts.cluster.shortfall() === undefined)
    await this.restarts.ready()
    // Last of all: a node that fails to start must not use up the only chance to see the token.
    const freshToken = await this.#tokens.claim()
    if (this.#isStopped) return new Promise(() => {})
    return { freshToken }
  }

  /** Begins nothing more; resolves when no slice is being started. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#tokens.close()
    this.restarts.close()
    await this.#sliceStart?.catch(() => {})
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!this.#isStopped && !holds()) await sleep(POLL_MS)
  }
}

/** Shorter than anybody waits for a node to be ready, and nothing beside what it waits for. */
const POLL_MS = 20
