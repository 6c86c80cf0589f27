/** One seed of whole nodes: clients and faults, drawn and run; what happened, or what property was violated. */
import type { NodeId } from '../../../src/base/ids.ts'
import { drawPlan, type Fault } from '../fault.ts'
import { Random } from '../random.ts'
import { SECOND } from '../world.ts'
import { Platform } from './platform.ts'

export async function simulatePlatform(options: PlatformSimulation): Promise<PlatformHistory> {
  const { seed, keep = () => true, watch } = options
  const random = new Random(seed)
  const nodes = random.split('size').pick([3, 3, 3, 5])
  const lagging = random.split('lags')
  const lags = Array.from({ length: nodes }, () => lagging.pick(LAGS_US))
  const platform = new Platform(random, { nodes, lags, ...(watch && { watch }) })
  const plan = drawPlan(random.split('plan'), nodes, 0)
    .filter(({ kind }) => !OF_MEMBERS.has(kind))
    .slice(0, FAULTS)
    .map((fault) => ({
      ...fault,
      atUs: 3 * SECOND + (fault.atUs * SECONDS) / 50,
      durationUs: 2 * fault.durationUs,
    }))
  let violation: Error | undefined
  try {
    await platform.open()
    platform.saboteur.schedule(plan.filter(keep))
    for (const atSecond of [2, 10]) haunt(platform, random.split(`haunt ${atSecond}`), atSecond)
    await platform.run(SECONDS + 4)
    await platform.close()
  } catch (error) {
    violation = error instanceof Error ? error : new Error(String(error))
  }
  const { world, counts, clients, saboteur, tables } = platform
  return {
    seed,
    plan,
    violation,
    traceHash: world.traceHash(),
    events: world.events,
    virtualSeconds: world.now / SECOND,
    faults: saboteur.occurred,
    tables: tables.length,
    ...counts,
    ...clients.counts,
    promised: clients.promised,
  }
}

export type PlatformSimulation = {
  readonly seed: number
  /** Which faults of the plan that the seed draws are to happen; all of them if absent. */
  readonly keep?: (fault: Fault, place: number) => boolean
  readonly watch?: (line: string) => void
}

export type PlatformHistory = {
  readonly seed: number
  readonly plan: readonly Fault[]
  readonly violation: Error | undefined
  readonly traceHash: string
  readonly events: number
  readonly virtualSeconds: number
  readonly faults: Platform['saboteur']['occurred']
  readonly tables: number
  readonly promised: number
} & Platform['counts'] &
  Platform['clients']['counts']

/**
 * A primary is cut off until others lead, and then reaches one of these again, and not its successor: nobody but that one can
 * tell it that its time is over.
 */
function haunt(platform: Platform, random: Random, atSecond: number): void {
  const { world, cluster } = platform
  world.schedule((atSecond + 3 * random.next()) * SECOND, () => {
    const lag = (id: NodeId) => platform.lagUsOf(id)
    const leading = [...new Set(platform.partitions.map((it) => platform.primaryOf(it)))]
    const ghost = leading.reduce((one, other) => (lag(other) > lag(one) ? other : one))
    world.trace(`${ghost} is cut off`)
    const others = cluster.roster.filter((id) => id !== ghost)
    platform.part([ghost], others, true)
    world.schedule((2 + 2 * random.next()) * SECOND, () => {
      const heirs = new Set(platform.partitions.map((it) => platform.primaryOf(it)))
      const [medium] = others.filter((id) => !heirs.has(id)).concat(others) as [NodeId]
      world.trace(`${ghost} reaches ${medium} again`)
      platform.part([ghost], [medium], false)
      world.schedule(3 * SECOND, () => platform.part([ghost], others, false))
    })
  })
}

/** Whoever notices a new table late goes on in its old role until it is fenced. */
const LAGS_US = [0, 0, 0.3 * SECOND, 3 * SECOND]

/** During which faults begin. */
const SECONDS = 16

const FAULTS = 14

const OF_MEMBERS: ReadonlySet<string> = new Set(['node-added', 'node-removed', 'disk-lost'])
