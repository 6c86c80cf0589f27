import { z } from 'zod'
import type { NodeId, RequestId } from '../base/ids.ts'
import type { ControlEntry, OutcomeUnknown, Unavailable } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ControlFollower, type FollowerOptions } from './control-follower.ts'

/**
 * The wish that a node restart, as control state: whichever node is asked writes it, and the node concerned reads it. There is
 * one at a time, until that node is back. It names the process that is to end by its boot, so that it is granted once, however
 * often it is made or read.
 */
export class RestartWishes {
  /** Resolves when this process is to restart. */
  readonly granted: Promise<void>
  readonly #options: RestartOptions
  readonly #follower: ControlFollower
  readonly #grant: () => void
  #isReady = false

  constructor(options: RestartOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#options = options
    this.#follower = new ControlFollower(options)
    this.granted = promise
    this.#grant = resolve
  }

  /**
   * Asks the process `boot` of `node`, one of the `members`, to restart; ok when that is committed. Refused while another member
   * has yet to come back from its restart.
   */
  async wish(
    node: NodeId,
    boot: string,
    members: readonly NodeId[],
  ): Promise<Result<void, OtherRestart | Unavailable | OutcomeUnknown>> {
    const { control, newRequestId } = this.#options
    for (;;) {
      const found = await control.get(KEY)
      if (!found.ok) return found
      const pending = wishOf(found.value)
      if (pending?.node === node && pending.boot === boot) return ok(undefined)
      const other = members.find((id) => id !== node && id === pending?.node)
      if (other !== undefined) return err({ kind: 'other-restart', node: other })
      const value = JSON.stringify({ format: FORMAT, node, boot })
      const written = await control.write([{ kind: 'put', key: KEY, value }], {
        preconditions: [{ key: KEY, revision: found.value?.revision ?? 'absent' }],
        requestId: newRequestId(),
      })
      if (written.ok) return ok(undefined)
      if (written.error.kind !== 'conflict') return err(written.error)
      // Another wish was made or has come true meanwhile: whether it stands in the way is to be seen.
    }
  }

  /** Reads the wishes that concern this node until `close`; resolves when those are known that were made before. */
  follow(): Promise<void> {
    return this.#follower.follow(KEY, () => this.#look())
  }

  /** This node can take requests: what asked an earlier process of it to restart has come true. Resolves when it is removed. */
  async ready(): Promise<void> {
    this.#isReady = true
    await this.#look()
  }

  /** Nothing is granted any more. */
  close(): void {
    this.#follower.close()
  }

  async #look(): Promise<void> {
    const { self, boot } = this.#options
    const read = await this.#follower.answer((control) => control.get(KEY))
    if (!read?.ok) return
    const wish = wishOf(read.value)
    if (read.value === undefined || wish?.node !== self) return
    if (wish.boot === boot) this.#grant()
    else if (this.#isReady) await this.#remove(read.value)
  }

  /** If somebody has made another wish meanwhile, that one stays. */
  async #remove({ revision }: ControlEntry): Promise<void> {
    const requestId = this.#options.newRequestId()
    const preconditions = [{ key: KEY, revision }]
    await this.#follower.answer((control) =>
      control.write([{ kind: 'delete', key: KEY }], { preconditions, requestId }),
    )
  }
}

export type RestartOptions = FollowerOptions & {
  readonly self: NodeId
  /** Of this process. */
  readonly boot: string
  readonly newRequestId: () => RequestId
}

/** `node` has been asked to restart and is not back yet. */
export type OtherRestart = { readonly kind: 'other-restart'; readonly node: NodeId }

const KEY = 'cluster/restart'

const FORMAT = 1

const Wish = z.object({ format: z.literal(FORMAT), node: z.string(), boot: z.string() })

/** Undefined for what this version does not understand, which names no process. */
function wishOf(entry: ControlEntry | undefined): z.infer<typeof Wish> | undefined {
  if (entry === undefined) return undefined
  try {
    return Wish.safeParse(JSON.parse(entry.value)).data
  } catch {
    return undefined
  }
}
