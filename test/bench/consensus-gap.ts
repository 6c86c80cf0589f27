import type { Contender } from './consensus-cluster.ts'
import { killUnder, longestPauseMs, write } from './kill.ts'

/** Of each surviving member: enough to have something under way at any time, few enough not to be a load. */
const CLIENTS = 8

/** Several times what an election takes. */
const TIMES = { warmMs: 1_000, watchedMs: 6_000 }

/** Else all might wait for answers that were lost, while new requests are answered. */
const PATIENCE_MS = 500

/** A refusal comes at once, and asking again at once would only take the processor from who elects. */
const PAUSE_MS = { afterCommit: 0, afterRefusal: 5 }

/**
 * Kills a member (the leader, if there is one, else the given one) and returns for how long no client of the others saw a
 * write committed; then brings the member back.
 */
export async function longestGapMs(contender: Contender, victimNumber: number): Promise<number> {
  const { members } = contender
  const victim = (await contender.leader()) ?? members[victimNumber % members.length]
  if (victim === undefined) throw new Error('there is nobody to kill')
  const survivors = members.filter((member) => member !== victim)
  const killed = await killUnder(victim, TIMES, (signal) =>
    Promise.all(
      survivors.flatMap((member) =>
        Array.from({ length: CLIENTS }, (_, client) => {
          const writer = { key: `gap-${client}`, patienceMs: PATIENCE_MS, pauseMs: PAUSE_MS }
          return write(contender, member, writer, signal)
        }),
      ),
    ),
  )
  return longestPauseMs(killed.seen.flat(), killed)
}
