/** A cluster of real nodes in a network with faults, and what an administrator does to it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterStatus } from '../../src/cluster/membership/index.ts'
import { LIMITS } from '../../src/cluster/rabia/options.ts'
import { ClusterFixture, type ClusterNode, sendRequest } from '../fixture/cluster.ts'
import { FaultProxy } from './fault-proxy.ts'
import { SmallDisk } from './small-disk.ts'
import { ownsConnection } from './socket-owner.ts'

export type ArenaOptions = {
  readonly seed: number
  readonly founders: readonly string[]
  /** Below it everything is made, and removed by `close`. */
  readonly directory?: string
  /** Gives the last founder a small disk of its own, if this user may. */
  readonly withSmallDisk?: boolean
}

export class Arena {
  readonly cluster: ClusterFixture
  readonly proxy: FaultProxy
  readonly directory: string
  /** A member's disk that may be filled. */
  readonly smallDisk: { readonly node: string; readonly disk: SmallDisk } | undefined
  /** Who should be a member now, ascending. */
  members: readonly string[]

  private constructor(
    parts: Pick<Arena, 'cluster' | 'proxy' | 'directory' | 'smallDisk'>,
    members: readonly string[],
  ) {
    this.cluster = parts.cluster
    this.proxy = parts.proxy
    this.directory = parts.directory
    this.smallDisk = parts.smallDisk
    this.members = members
  }

  /** Configures the founders behind the proxy; none of them runs yet. */
  static async open(options: ArenaOptions): Promise<Arena> {
    const { seed, founders, directory = tmpdir(), withSmallDisk = false } = options
    const own = mkdtempSync(join(directory, 'aether-arena-'))
    let cluster: ClusterFixture | undefined
    const proxy = new FaultProxy({
      seed,
      dialer: (from, to) =>
        cluster?.running().find((node) => ownsConnection(node.pid, from, to))?.id,
    })
    const route = (node: string, port: number) => proxy.open(node, port)
    cluster = await ClusterFixture.found(founders, { directory: own, route })
    const last = cluster.node(founders.at(-1) ?? '')
    const disk = withSmallDisk ? SmallDisk.mount(last.data) : undefined
    const smallDisk = disk && { node: last.id, disk }
    return new Arena({ cluster, proxy, directory: own, smallDisk }, founders.toSorted())
  }

  node(id: string): ClusterNode {
    return this.cluster.node(id)
  }

  nodes(): ClusterNode[] {
    return this.members.map((id) => this.node(id))
  }

  /** Starts those that do not run, and waits until they are ready. */
  async start(ids: readonly string[] = this.members): Promise<void> {
    const stopped = ids.map((id) => this.node(id)).filter((node) => !node.isRunning)
    await Promise.all(stopped.map((node) => node.start()))
    await Promise.all(ids.map((id) => this.node(id).ready()))
    if (this.cluster.credentials['Authorization'] === undefined) await this.cluster.authorize()
  }

  async status(id: string): Promise<ClusterStatus> {
    const { status, body } = await sendRequest(`${this.node(id).origin}/api/v1/cluster`, {
      headers: this.cluster.credentials,
    })
    if (status !== 200) throw new Error(`${id} answers ${status}: ${body}`)
    return JSON.parse(body) as ClusterStatus
  }

  /** Polls what `id` knows until it is as wanted; rejects with it when that takes too long. */
  async until(
    id: string,
    isWanted: (status: ClusterStatus) => boolean,
    timeoutMs = SETTLE_MS,
  ): Promise<ClusterStatus> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const status = await this.status(id).catch(() => undefined)
      if (status !== undefined && isWanted(status)) return status
      if (performance.now() > deadlineMs)
        throw new Error(`${id} is not as wanted after ${timeoutMs} ms: ${JSON.stringify(status)}`)
      await sleep(POLL_MS)
    }
  }

  /** Makes a node that runs and waits a member, and waits until it votes (or learns, when five vote already). */
  async admit(id: string, through: string): Promise<void> {
    // `through` may not have applied yet that the node before it, of the same name, was removed.
    await this.until(through, ({ members, waiting }) => {
      return waiting.some((node) => node.id === id) && members.every((node) => node.id !== id)
    })
    await this.#change('POST', '', through, JSON.stringify({ id }))
    this.members = [...this.members, id].toSorted()
    const votersMax = 5
    await this.until(through, ({ members }) => {
      const voters = members.filter((member) => member.role === 'voter')
      const isVoter = voters.some((member) => member.id === id)
      return isVoter || (voters.length === votersMax && members.some((member) => member.id === id))
    })
  }

  /** Takes a member out; if it runs, its process is expected to end. */
  async remove(id: string, through: string): Promise<void> {
    await this.#change('DELETE', `/${id}`, through)
    this.members = this.members.filter((member) => member !== id)
  }

  /** Resolves when all members run, see each other and have applied the same, with the slot. */
  async converge(timeoutMs = SETTLE_MS): Promise<number> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const all = await Promise.all(
        this.members.map((id) => this.status(id).catch((cause: unknown) => String(cause))),
      )
      const slots = new Set(
        all.map((status) => (typeof status === 'string' ? status : status.slot)),
      )
      const isWell = all.every((status) => typeof status !== 'string' && this.#isWell(status))
      const [slot] = slots
      if (isWell && slots.size === 1 && typeof slot === 'number') return slot
      if (performance.now() > deadlineMs)
        throw new Error(
          `the nodes do not converge in ${timeoutMs} ms:\n${JSON.stringify(all, null, 1)}`,
        )
      await sleep(POLL_MS)
    }
  }

  /**
   * Writes through `id`, outside of any history, until no node keeps any more of what is decided now: who misses it gets a
   * snapshot. Few large values do it faster than many small ones.
   */
  async outdate(id: string): Promise<void> {
    const { origin } = this.node(id)
    const goal = (await this.status(id)).slot + Math.ceil(KEPT_UNITS / LARGE.length)
    const deadlineMs = performance.now() + OUTDATE_MS
    while ((await this.status(id)).slot < goal) {
      if (performance.now() > deadlineMs) throw new Error('the slots to outdate take too long')
      const writes = Array.from({ length: 32 }, (_, key) =>
        sendRequest(`${origin}/api/v1/control/user/large/${key}`, {
          method: 'PUT',
          headers: this.cluster.credentials,
          body: LARGE,
        }).catch(() => undefined),
      )
      await Promise.all(writes)
    }
  }

  /** Sum over the running nodes of a metric, all its labels together. */
  async metric(name: string): Promise<number> {
    const texts = await Promise.all(
      this.cluster
        .running()
        .map(({ origin }) =>
          sendRequest(`${origin}/metrics`, { headers: this.cluster.credentials }),
        ),
    )
    return texts
      .flatMap(({ body }) => [...body.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'gm'))])
      .reduce((sum, [, value]) => sum + Number(value), 0)
  }

  /** Ends that nobody has asked for, and the words of who ended. */
  crashes(): string[] {
    return [...this.cluster.nodes.values()].flatMap((node) =>
      node.crashes.map(
        ({ code, signal }) => `${node.id} ended with ${signal ?? code}:\n${node.logTail()}`,
      ),
    )
  }

  async close(): Promise<void> {
    await this.cluster.close()
    await this.proxy.close()
    this.smallDisk?.disk.unmount()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #isWell({ hasQuorum, members, waiting }: ClusterStatus): boolean {
    const ids = members.map((member) => member.id)
    return (
      hasQuorum &&
      waiting.length === 0 &&
      members.every((member) => member.isConnected) &&
      ids.toSorted().join() === this.members.join()
    )
  }

  /** Again while it is not known whether it is done or somebody else was faster: a change is conditional. */
  async #change(method: string, path: string, through: string, body?: string): Promise<void> {
    const url = `${this.node(through).origin}/api/v1/cluster/members${path}`
    const deadlineMs = performance.now() + SETTLE_MS
    for (let isRetry = false; ; isRetry = true) {
      const answer = await sendRequest(url, {
        method,
        timeoutMs: SETTLE_MS,
        headers: { ...this.cluster.credentials, 'Content-Type': 'application/json' },
        ...(body !== undefined && { body }),
      })
      const kind =
        answer.status < 300 ? undefined : (JSON.parse(answer.body) as { kind: string }).kind
      const isDone = isRetry && (kind === 'already-member' || kind === 'not-a-member')
      if (kind === undefined || isDone) return
      if (!PASSING.has(kind) || performance.now() > deadlineMs)
        throw new Error(`${method} ${url}: ${answer.status} ${answer.body}`)
      await sleep(POLL_MS)
    }
  }
}

/** Refusals that may be no more a moment later. */
const PASSING = new Set(['unavailable', 'outcome-unknown', 'other-change', 'would-lose-quorum'])

/** Far above what anything takes, so that a busy machine fails nothing. */
const SETTLE_MS = 45_000

/** The same for some thousand large writes beside whatever load there is. */
const OUTDATE_MS = 150_000

const POLL_MS = 50

/** One fills a batch, and so a slot. */
const LARGE = 'x'.repeat(60_000)

/** What a node keeps of decided commands for those who lag behind. */
const KEPT_UNITS = LIMITS.decisionUnits
