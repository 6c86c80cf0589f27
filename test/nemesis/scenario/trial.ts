import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { Random } from '../../sim/random.ts'
import { Arena } from '../arena.ts'
import { checkHistory } from '../history.ts'
import { Workload } from '../workload.ts'

export type Trial = {
  readonly arena: Arena
  readonly workload: Workload
  /** Resolves when so many more writes than now have been acknowledged. */
  commits(count: number): Promise<void>
  /** Large writes that are no part of the history, until nobody keeps any more of what is decided now. */
  outdate(through: string): Promise<void>
}

/**
 * Runs `scenario` on new nodes under load. Afterwards all members have to converge, every key to be read through each of
 * them, the history to be linearizable, and no process to have ended by itself.
 */
export async function trial(
  founders: readonly string[],
  scenario: (trial: Trial) => Promise<void>,
): Promise<void> {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const arena = await Arena.open({ seed, founders })
  const workload = new Workload({
    random: new Random(seed).split('workload'),
    clients: CLIENTS,
    name: 'trial',
    nodes: () => arena.nodes(),
    credentials: () => arena.cluster.credentials,
  })
  try {
    await arena.start()
    workload.start()
    const commits = (count: number) => untilCommits(workload, workload.commits.length + count)
    await commits(20)
    await scenario({ arena, workload, commits, outdate: (id) => arena.outdate(id) })
    await commits(20)
    await workload.stop()
    await arena.converge()
    expect(await workload.readAll(arena.nodes())).toBe(0)
    expect(arena.crashes()).toEqual([])
    expect(workload.outcomes.strange).toEqual([])
    expect(checkHistory(workload.history).kind).toBe('linearizable')
  } catch (cause) {
    for (const node of arena.cluster.nodes.values())
      console.log(`${node.id}: ${node.logTail(1_500)}`)
    throw cause
  } finally {
    workload.close()
    await workload.stop()
    await arena.close()
  }
}

const CLIENTS = 6

const PROGRESS_MS = 30_000

async function untilCommits(workload: Workload, count: number): Promise<void> {
  const deadlineMs = performance.now() + PROGRESS_MS
  while (workload.commits.length < count) {
    if (performance.now() > deadlineMs) throw new Error('clients get nothing written any more')
    await sleep(20)
  }
}
