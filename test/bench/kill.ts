import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender, Member } from './consensus-cluster.ts'
import { VALUE_BYTES } from './consensus-load.ts'

/** How long clients work before a member is killed, and afterwards. */
export type KillTimes = { readonly warmMs: number; readonly watchedMs: number }

export type Killed<Seen> = {
  readonly seen: Seen
  readonly killedMs: number
  readonly endMs: number
}

/** Kills a member while `clients` work, until their signal, and brings it back when they have ended. */
export async function killUnder<Seen>(
  victim: Member,
  { warmMs, watchedMs }: KillTimes,
  clients: (signal: AbortSignal) => Promise<Seen>,
): Promise<Killed<Seen>> {
  const stop = new AbortController()
  const working = clients(stop.signal)
  await sleep(warmMs)
  const killedMs = performance.now()
  await victim.kill()
  await sleep(watchedMs)
  const endMs = performance.now()
  stop.abort()
  const seen = await working
  await victim.restart()
  return { seen, killedMs, endMs }
}

export type Writer = {
  readonly key: string
  /** It asks anew after that long. */
  readonly patienceMs: number
  /** Before it asks again. */
  readonly pauseMs: { readonly afterCommit: number; readonly afterRefusal: number }
}

/** A client that writes one value after the other until the signal; resolves with the times of the commits. */
export async function write(
  contender: Contender,
  member: Member,
  { key, patienceMs, pauseMs }: Writer,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const value = 'x'.repeat(VALUE_BYTES)
  const commits: number[] = []
  while (!signal.aborted) {
    const isCommitted = await contender
      .put(member, key, value, { agent, timeoutMs: patienceMs })
      .catch(() => false)
    if (isCommitted) commits.push(performance.now())
    const restMs = isCommitted ? pauseMs.afterCommit : pauseMs.afterRefusal
    if (restMs > 0) await sleep(restMs)
  }
  agent.destroy()
  return commits
}

/** The longest time without a commit that touches the time from `killedMs` to `endMs`. */
export function longestPauseMs(
  commits: readonly number[],
  { killedMs, endMs }: Pick<Killed<unknown>, 'killedMs' | 'endMs'>,
): number {
  const sorted = commits.toSorted((a, b) => a - b)
  const before = sorted.findLast((at) => at <= killedMs) ?? killedMs
  const marks = [before, ...sorted.filter((at) => at > killedMs && at <= endMs), endMs]
  return Math.max(...marks.slice(1).map((at, index) => at - (marks[index] ?? at)))
}
