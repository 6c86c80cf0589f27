/** One seed: a cluster, its clients and its faults, drawn and run; what happened, or what property was violated. */
import { LIMITS } from '../../src/cluster/rabia/options.ts'
import { Checker, PropertyViolation } from './checker.ts'
import { Cluster } from './cluster.ts'
import { drawPlan, type Fault, Saboteur } from './fault.ts'
import { checkLinearizability } from './linearizability.ts'
import { Random } from './random.ts'
import { registerModel } from './register.ts'
import { Workload } from './workload.ts'
import { MILLISECOND, SECOND, World } from './world.ts'

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
  readonly phasesMax: number
  readonly virtualSeconds: number
  readonly operations: number
  readonly faults: Saboteur['occurred']
  readonly faultCount: number
  readonly violation: PropertyViolation | Error | undefined
}

/** What a history has at least. */
export const SLOTS_MIN = 200
export const FAULTS_MIN = 20
export const SECONDS_MIN = 60

/** By then a cluster without faults has ended every operation and every node has caught up. */
const HEALING_US = 10 * SECOND

/** A history that is not long enough by then makes no progress. */
const SECONDS_MAX = 180

export function simulate(options: SimulationOptions): History {
  const random = new Random(options.seed)
  const world = new World(random, options.watch)
  const nodes = random.split('size').pick([1, 2, 3, 3, 3, 3, 4, 5, 5])
  const cluster = new Cluster(world, nodes)
  const checker = new Checker(cluster, LIMITS)
  const saboteur = new Saboteur(cluster)
  const workload = new Workload(cluster, {
    clients: 4,
    keys: 5,
    thinkUs: [200 * MILLISECOND, 1_600 * MILLISECOND],
  })
  const plan = drawPlan(random.split('plan'), nodes)
  let violation: History['violation']
  try {
    const kept = plan.filter(options.keep ?? (() => true))
    run({ world, cluster, checker, saboteur, workload, plan: kept })
  } catch (error) {
    violation = error as Error
  }
  return {
    seed: options.seed,
    nodes,
    plan,
    traceHash: world.traceHash(),
    events: world.events,
    slots: checker.slots,
    forfeited: checker.forfeited,
    phasesMax: checker.phasesMax,
    virtualSeconds: world.now / SECOND,
    operations: workload.history.length,
    faults: saboteur.occurred,
    faultCount: saboteur.count,
    violation,
  }
}

type Stage = {
  readonly world: World
  readonly cluster: Cluster
  readonly checker: Checker
  readonly saboteur: Saboteur
  readonly workload: Workload
  readonly plan: readonly Fault[]
}

function run({ world, cluster, checker, saboteur, workload, plan }: Stage): void {
  for (const machine of cluster.machines) machine.start()
  workload.start()
  saboteur.schedule(plan)
  const isLong = () => world.now >= SECONDS_MIN * SECOND && checker.slots >= SLOTS_MIN
  sampleMemory(world, checker)
  world.runUntil(SECONDS_MAX * SECOND, isLong)
  if (!isLong()) throw new PropertyViolation('progress', `only ${checker.slots} slots`)
  saboteur.heal()
  workload.stop()
  const isDone = () => workload.open === 0 && cluster.isLevel()
  world.runUntil(world.now + HEALING_US, isDone)
  if (!isDone()) {
    const states = cluster.roster.map((node) => cluster.process(node)?.status()?.slot ?? 'down')
    const what = `${workload.open} operations open, nodes at ${states.join(', ')}`
    throw new PropertyViolation('progress', `${HEALING_US / SECOND} s after healing: ${what}`)
  }
  const verdict = checkLinearizability(registerModel, workload.history)
  if (verdict.kind !== 'linearizable')
    throw new PropertyViolation('linearizability', `${verdict.kind} on ${verdict.partition}`)
}

function sampleMemory(world: World, checker: Checker): void {
  world.schedule(SECOND, () => {
    checker.checkMemory()
    sampleMemory(world, checker)
  })
}
