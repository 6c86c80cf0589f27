/** A cluster with clients and checkers, ready for faults: what a simulation draws from its seed and a scenario sets up by hand. */
import type { NodeId } from '../../src/base/ids.ts'
import type { RabiaLimits } from '../../src/cluster/rabia/index.ts'
import { LIMITS } from '../../src/cluster/rabia/options.ts'
import { Checker } from './checker.ts'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { Saboteur } from './fault.ts'
import { checkLinearizability } from './linearizability.ts'
import { Operator } from './operator.ts'
import { PropertyViolation } from './property.ts'
import type { Random } from './random.ts'
import { registerModel } from './register.ts'
import { Workload, type WorkloadOptions } from './workload.ts'
import { MILLISECOND, SECOND, World } from './world.ts'

export type StageOptions = {
  /** Who forms the cluster, and who may join it. */
  readonly nodes: number
  readonly spares?: number
  readonly limits?: Partial<RabiaLimits>
  readonly workload?: Partial<WorkloadOptions>
  readonly newReplica?: ClusterOptions['newReplica']
  readonly watch?: (line: string) => void
}

/** By then a cluster without faults has ended every operation and change of its members, and every node has caught up. */
const HEALING_US = 30 * SECOND

/** Small, so that logs are compacted and nodes that were away catch up by snapshot. */
const SMALL_LIMITS = { decisions: 48 }

export class Stage {
  readonly world: World
  readonly cluster: Cluster
  readonly checker: Checker
  readonly operator: Operator
  readonly saboteur: Saboteur
  readonly workload: Workload

  constructor(random: Random, options: StageOptions) {
    const { nodes, spares = 0, newReplica, workload, watch } = options
    const limits = { ...SMALL_LIMITS, ...options.limits }
    this.world = new World(random, watch)
    this.cluster = new Cluster(this.world, {
      nodes,
      spares,
      limits,
      ...(newReplica && { newReplica }),
    })
    this.checker = new Checker(this.cluster, { ...LIMITS, ...limits })
    this.operator = new Operator(this.cluster)
    this.saboteur = new Saboteur(this.cluster, this.operator)
    this.workload = new Workload(this.cluster, { ...WORKLOAD, ...workload })
  }

  /** Every node starts, and the clients begin. */
  open(): void {
    for (const node of this.cluster.roster) this.cluster.start(node)
    this.operator.watch()
    this.workload.start()
    this.#sampleMemory()
  }

  /** So many virtual seconds pass, or fewer when `isOver` answers true. */
  run(seconds: number, isOver?: () => boolean): void {
    this.world.runUntil(this.world.now + seconds * SECOND, isOver)
  }

  /** Everything is healed and the clients come to an end: within a bounded time all have their answers and all `nodes` agree. */
  close(nodes?: readonly NodeId[]): void {
    this.saboteur.heal()
    this.workload.stop()
    const { workload, operator, cluster } = this
    const isDone = () =>
      workload.open === 0 && operator.isIdle && cluster.isLevel(nodes ?? operator.members)
    this.world.runUntil(this.world.now + HEALING_US, isDone)
    if (!isDone()) {
      const slots = cluster.roster.map((node) => cluster.process(node)?.status()?.slot ?? 'down')
      const what = `${workload.open} operations open, nodes at ${slots.join(', ')}`
      throw new PropertyViolation('progress', `${HEALING_US / SECOND} s after healing: ${what}`)
    }
    this.checker.checkDisk(nodes ?? operator.members)
    this.checkHistory()
  }

  /** What the clients saw is linearizable. */
  checkHistory(): void {
    const verdict = checkLinearizability(registerModel, this.workload.history)
    if (verdict.kind !== 'linearizable')
      throw new PropertyViolation('linearizability', `${verdict.kind} on ${verdict.partition}`)
  }

  #sampleMemory(): void {
    this.world.schedule(SECOND, () => {
      this.checker.checkMemory()
      this.#sampleMemory()
    })
  }
}

const WORKLOAD: WorkloadOptions = {
  clients: 4,
  keys: 5,
  thinkUs: [250 * MILLISECOND, 1_900 * MILLISECOND],
}
