import type { Contender, Member } from './consensus-cluster.ts'
import { cpuMsOf } from './process.ts'
import { startWrk, type WrkTotals } from './wrk.ts'

/** As the issue that this proves has it: most values of a control plane are small. */
export const VALUE_BYTES = 256

/** So many keys a load generator; a control plane rewrites what it has more than it grows. */
const KEYS = 1_000

export type LoadOptions = {
  readonly clients: number
  readonly durationS: number
  /** Marks the values of this run. */
  readonly mark: string
}

export type LoadResult = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of all members together, in cores. */
  readonly memberCpu: number
}

/**
 * Clients that write as fast as they are answered, spread over the members. A single one is where it is answered soonest:
 * at the leader, if there is one. Throws when a request was not answered well, since then the rate means nothing.
 */
export async function load(contender: Contender, options: LoadOptions): Promise<LoadResult> {
  const { members } = contender
  const shares =
    options.clients < members.length
      ? [{ member: (await contender.leader()) ?? members[0], clients: options.clients }]
      : members.map((member, at) => ({
          member,
          clients: share(options.clients, members.length, at),
        }))
  const cpuBeforeMs = cpuMs(members)
  const runs = await Promise.all(
    shares.map(({ member, clients }, at) =>
      write(contender, member as Member, { ...options, clients, part: at }),
    ),
  )
  const memberCpu = (cpuMs(members) - cpuBeforeMs) / 1_000 / options.durationS
  await verify(contender, options.mark)
  const latencies = runs.flatMap((run) => run.latencies ?? [])
  return {
    perSecond: runs.reduce((sum, run) => sum + run.requests / (run.durationUs / 1e6), 0),
    p50Ms: percentile(latencies, 0.5) / 1e3,
    p99Ms: percentile(latencies, 0.99) / 1e3,
    memberCpu,
  }
}

function write(
  { name, script, headers }: Contender,
  member: Member,
  { clients, durationS, mark, part }: LoadOptions & { readonly part: number },
): Promise<WrkTotals> {
  const args = [mark, `${part}`, `${KEYS}`, `${VALUE_BYTES}`, ...script.args]
  const at = { url: member.origin, connections: clients, durationS }
  return startWrk({ name, script: script.name, args, headers, ...at }).totals
}

/** A fast wrong answer must not count: what was written is what every member now has. */
async function verify(contender: Contender, mark: string): Promise<void> {
  for (const member of contender.members) {
    const value = await contender.get(member, '0-0')
    if (value?.startsWith(`${mark};`) && value.length === VALUE_BYTES) continue
    throw new Error(`${contender.name} has not what was written, but ${value ?? 'nothing'}`)
  }
}

function percentile(
  counts: readonly (readonly [us: number, count: number])[],
  part: number,
): number {
  const sorted = counts.toSorted(([a], [b]) => a - b)
  let rest = part * sorted.reduce((sum, [, count]) => sum + count, 0)
  for (const [us, count] of sorted) {
    rest -= count
    if (rest <= 0) return us
  }
  return Number.NaN
}

function share(total: number, parts: number, at: number): number {
  return Math.floor(total / parts) + (at < total % parts ? 1 : 0)
}

function cpuMs(members: readonly Member[]): number {
  return members.reduce((sum, member) => sum + cpuMsOf(member.pid()), 0)
}
