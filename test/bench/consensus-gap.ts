import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender, Member } from './consensus-cluster.ts'
import { VALUE_BYTES } from './consensus-load.ts'

/** Of each surviving member: enough to have something under way at any time, few enough not to be a load. */
const CLIENTS = 8

const WARM_MS = 1_000

/** Several times what an election takes. */
const WATCHED_MS = 6_000

/** A client asks anew after that long: else all might wait for answers that were lost, while new requests are answered. */
const PATIENCE_MS = 500

/**
 * Kills a member (the leader, if there is one, else the given one) and returns for how long no client of the others saw a
 * write committed; then brings the member back.
 */
export async function longestGapMs(contender: Contender, victimNumber: number): Promise<number> {
  const { members } = contender
  const victim = (await contender.leader()) ?? members[victimNumber % members.length]
  if (victim === undefined) throw new Error('there is nobody to kill')
  const survivors = members.filter((member) => member !== victim)
  const commits: number[] = []
  const stop = new AbortController()
  const clients = survivors.flatMap((member) =>
    Array.from({ length: CLIENTS }, (_, client) =>
      write(contender, member, { client, commits, signal: stop.signal }),
    ),
  )
  await sleep(WARM_MS)
  const killedMs = performance.now()
  await victim.kill()
  await sleep(WATCHED_MS)
  const endMs = performance.now()
  stop.abort()
  await Promise.all(clients)
  await victim.restart()
  return longestPause(commits, killedMs, endMs)
}

/** The longest time without a commit that touches the time from `from` to `to`. */
export function longestPause(commits: readonly number[], from: number, to: number): number {
  const sorted = commits.toSorted((a, b) => a - b)
  const before = sorted.findLast((at) => at <= from) ?? from
  const marks = [before, ...sorted.filter((at) => at > from && at <= to), to]
  return Math.max(...marks.slice(1).map((at, index) => at - (marks[index] ?? at)))
}

async function write(
  contender: Contender,
  member: Member,
  { client, commits, signal }: { client: number; commits: number[]; signal: AbortSignal },
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const value = 'x'.repeat(VALUE_BYTES)
  while (!signal.aborted) {
    const isCommitted = await contender
      .put(member, `gap-${client}`, value, { agent, timeoutMs: PATIENCE_MS })
      .catch(() => false)
    if (isCommitted) commits.push(performance.now())
    // A refusal comes at once, and asking again at once would only take the processor from who elects.
    else await sleep(5)
  }
  agent.destroy()
}
