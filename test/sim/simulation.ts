/** One seed: a cluster, its clients and its faults, drawn and run; what happened, or what property was violated. */

import { drawPlan, type Fault, type Saboteur } from './fault.ts'
import { PropertyViolation } from './property.ts'
import { Random } from './random.ts'
import { Stage } from './stage.ts'
import { SECOND } from './world.ts'

export type SimulationOptions = {
  readonly seed: number
  /** Which faults of the plan that the seed draws are to happen; all of them if absent. */
  readonly keep?: (fault: Fault, place: number) => boolean
  readonly watch?: (line: string) => void
}

export type History = {
  readonly seed: number
  readonly nodes: number
  readonly plan: readonly Fault[]
  readonly traceHash: string
  readonly events: number
  readonly slots: number
  readonly forfeited: number
  readonly prolonged: number
  readonly phasesMax: number
  /** Snapshots that nodes made, states that they took over from others, and changes of the members. */
  readonly compactions: number
  readonly adoptions: number
  readonly changes: number
  readonly virtualSeconds: number
  readonly operations: number
  readonly faults: Saboteur['occurred']
  readonly faultCount: number
  readonly violation: Error | undefined
}

/** What a history has at least. */
export const SLOTS_MIN = 200
export const FAULTS_MIN = 20
export const SECONDS_MIN = 60
export const COMPACTIONS_MIN = 3

/** A history that is not long enough by then makes no progress. */
const SECONDS_MAX = 180

export function simulate({ seed, keep = () => true, watch }: SimulationOptions): History {
  const random = new Random(seed)
  const size = random.split('size')
  const nodes = size.pick([1, 2, 3, 3, 3, 3, 4, 5, 5])
  const spares = size.pick([0, 1, 1, 2, 2, 3])
  const limits = { decisions: size.pick([16, 32, 64]) }
  const plan = drawPlan(random.split('plan'), nodes, spares)
  const stage = new Stage(random, { nodes, spares, limits, ...(watch && { watch }) })
  const violation = play(stage, plan.filter(keep))
  const { world, checker, saboteur, workload } = stage
  return {
    seed,
    nodes,
    plan,
    traceHash: world.traceHash(),
    events: world.events,
    slots: checker.slots,
    forfeited: checker.forfeited,
    prolonged: checker.prolonged.size,
    phasesMax: checker.phasesMax,
    compactions: checker.compactions,
    adoptions: checker.adoptions,
    changes: checker.changes,
    virtualSeconds: world.now / SECOND,
    operations: workload.history.length,
    faults: saboteur.occurred,
    faultCount: saboteur.count,
    violation,
  }
}

/** Also a bug that throws, in the code or in the simulator, is a violation with a seed that shows it again. */
function play(stage: Stage, plan: readonly Fault[]): Error | undefined {
  const { world, checker } = stage
  const isLong = () => world.now >= SECONDS_MIN * SECOND && checker.slots >= SLOTS_MIN
  try {
    stage.open()
    stage.saboteur.schedule(plan)
    stage.run(SECONDS_MAX, isLong)
    if (!isLong()) throw new PropertyViolation('progress', `only ${checker.slots} slots`)
    stage.close()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
