import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { assert } from '../base/assert.ts'
import type { NodeId, RequestId } from '../base/ids.ts'
import type { ControlEntry, ControlStore, OutcomeUnknown, Unavailable } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'

/**
 * Wishes that a node restart, as control state: any node takes one, and the node concerned reads it. A wish names the process
 * that is to end by its boot, so that it is granted once, however often it is made or read.
 */
export class RestartWishes {
  /** Resolves when this process is to restart. */
  readonly granted: Promise<void>
  readonly #options: RestartOptions
  readonly #key: string
  readonly #grant: () => void
  #changes: AsyncIterator<unknown> | undefined
  #isReady = false
  #isClosed = false

  constructor(options: RestartOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#options = options
    this.#key = keyOf(options.self)
    this.granted = promise
    this.#grant = resolve
  }

  /** Asks the process `boot` of `node` to restart; ok when that is committed. */
  async wish(node: NodeId, boot: string): Promise<Result<void, Unavailable | OutcomeUnknown>> {
    const { control, newRequestId } = this.#options
    const value = JSON.stringify({ format: FORMAT, boot })
    const operations = [{ kind: 'put' as const, key: keyOf(node), value }]
    const written = await control.write(operations, { requestId: newRequestId() })
    if (written.ok) return ok(undefined)
    assert(written.error.kind !== 'conflict', 'a write without conditions is refused for none')
    return err(written.error)
  }

  /** Reads the wishes that concern this node, those included that were made before, until `close`. */
  async follow(): Promise<void> {
    this.#watch()
    await this.#look()
    while (!this.#isClosed) {
      try {
        const change = await this.#changes?.next()
        if (change === undefined || change.done === true) return
      } catch {
        // It fell behind what the history keeps, and begins again from now.
        this.#watch()
      }
      await this.#look()
    }
  }

  /** This node takes requests: what asked an earlier process of it to restart has come true, and is removed. */
  ready(): void {
    this.#isReady = true
    void this.#look()
  }

  /** Nothing is granted any more. */
  close(): void {
    this.#isClosed = true
    void this.#changes?.return?.()
  }

  /** Begins before a look, so that no change falls between the two. */
  #watch(): void {
    this.#changes = this.#options.control.watch(this.#key)[Symbol.asyncIterator]()
  }

  async #look(): Promise<void> {
    const { control, boot, worthAsking } = this.#options
    while (!this.#isClosed) {
      await worthAsking()
      if (this.#isClosed) return
      const read = await control.get(this.#key)
      if (!read.ok) {
        await sleep(RETRY_MS)
        continue
      }
      if (read.value === undefined) return
      if (bootOf(read.value.value) === boot) this.#grant()
      else if (this.#isReady) await this.#remove(read.value)
      return
    }
  }

  /** If somebody has made another wish meanwhile, that one stays. Best effort: it does no harm, and the next start removes it. */
  async #remove({ revision }: ControlEntry): Promise<void> {
    const { control, newRequestId } = this.#options
    const key = this.#key
    await control.write([{ kind: 'delete', key }], {
      preconditions: [{ key, revision }],
      requestId: newRequestId(),
    })
  }
}

export type RestartOptions = {
  readonly control: ControlStore
  readonly self: NodeId
  /** Of this process. */
  readonly boot: string
  readonly newRequestId: () => RequestId
  /** Resolves when the control state may answer; at once when nothing speaks against it. */
  readonly worthAsking: () => Promise<void>
}

const FORMAT = 1

/** After an answer that did not come. */
const RETRY_MS = 100

const Wish = z.object({ format: z.literal(FORMAT), boot: z.string() })

function keyOf(node: NodeId): string {
  return `cluster/restart/${node}`
}

/** Undefined for what this version does not understand, which names no process. */
function bootOf(value: string): string | undefined {
  try {
    return Wish.safeParse(JSON.parse(value)).data?.boot
  } catch {
    return undefined
  }
}
