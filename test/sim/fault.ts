/** What goes wrong in a simulation: faults as plain data, how a plan of them is drawn, and how each is done and undone. */
import type { NodeId } from '../../src/base/ids.ts'
import type { Cluster, Observer } from './cluster.ts'
import { FAIR, type LinkConditions } from './network.ts'
import type { Operator } from './operator.ts'
import { Random } from './random.ts'
import { MILLISECOND, SECOND } from './world.ts'

/** Begins at `atUs` and is over `durationUs` later. What else it needs is drawn from `draw`. */
export type Fault = {
  readonly kind: FaultKind
  readonly atUs: number
  readonly durationUs: number
  readonly draw: number
}

export type FaultKind = keyof typeof KINDS

/** Faults in a plan. Some change nothing, a kill of what is down for instance, so there are more than a history must have. */
const PLAN_FAULTS = 36
const LONELY_PLAN_FAULTS = 64
const FIRST_FAULT_US = SECOND
const LAST_FAULT_US = 50 * SECOND

/** The plan of a seed. Each fault is drawn on its own, so that leaving some out does not change the others. */
export function drawPlan(random: Random, founders: number, spares: number): readonly Fault[] {
  const all = Object.keys(KINDS) as FaultKind[]
  const lonely = all.filter((kind) => NEEDS_NO_PEER.has(kind))
  // One that is alone most of the time has no links that could fail.
  const kinds = founders > 2 ? all : founders + spares > 1 ? [...lonely, ...lonely, ...all] : lonely
  const count = founders > 2 ? PLAN_FAULTS : LONELY_PLAN_FAULTS
  return Array.from({ length: count }, (_, i) => {
    const own = random.split(`fault ${i}`)
    return {
      kind: own.pick(kinds),
      atUs: own.int(FIRST_FAULT_US, LAST_FAULT_US),
      durationUs: own.skewed(100 * MILLISECOND, 5 * SECOND),
      draw: own.int(0, 2 ** 31),
    }
  })
}

/** Makes the faults of a plan happen, and counts those that did. */
export class Saboteur implements Observer {
  readonly occurred: Partial<Record<FaultKind, number>> = {}
  readonly #cluster: Cluster
  readonly #operator: Operator

  constructor(cluster: Cluster, operator: Operator) {
    this.#cluster = cluster
    this.#operator = operator
    cluster.observers.push(this)
  }

  get count(): number {
    return Object.values(this.occurred).reduce((sum, count) => sum + count, 0)
  }

  /** Each fault at its time. */
  schedule(plan: readonly Fault[]): void {
    for (const fault of plan)
      this.#cluster.world.schedule(fault.atUs, () => {
        this.#cluster.world.trace(`fault ${fault.kind} for ${fault.durationUs}`)
        const random = new Random(fault.draw)
        const scene = { ...fault, cluster: this.#cluster, operator: this.#operator, random }
        const undo = KINDS[fault.kind](scene)
        if (undo === undefined) return
        if (fault.kind !== 'disk-fails') this.#count(fault.kind)
        this.#cluster.world.schedule(fault.durationUs, undo)
      })
  }

  /** A supervisor starts the node again; a node killed by a fault waits for the fault's end. */
  stopped(node: NodeId, cause: 'disk-failed' | 'no-space'): void {
    if (cause === 'disk-failed') this.#count('disk-fails')
    this.#cluster.world.schedule(SECOND, () => this.#cluster.start(node))
  }

  /** A supervisor starts the node again, since others may still need what it knows. */
  retired(node: NodeId): void {
    this.#cluster.world.schedule(SECOND, () => this.#cluster.start(node))
  }

  /** Everything is as it should be again, and every node runs. */
  heal(): void {
    const { machines } = this.#cluster
    for (const from of machines)
      for (const to of machines) if (from !== to) restore(this.#cluster, from.name, to.name)
    for (const machine of machines) {
      Object.assign(machine.disk, HEALTHY)
      machine.clockRate = 1
      machine.resume()
      this.#cluster.start(machine.name as NodeId)
    }
  }

  #count(kind: FaultKind): void {
    this.occurred[kind] = (this.occurred[kind] ?? 0) + 1
  }
}

type Scene = Fault & {
  readonly cluster: Cluster
  readonly operator: Operator
  readonly random: Random
}

/** Does it, and gives what undoes it; undefined when there was nothing to do. */
type Begin = (scene: Scene) => (() => void) | undefined

const HEALTHY = {
  slowness: 1,
  capacityBytes: Number.POSITIVE_INFINITY,
  isBroken: false,
  isLying: false,
}

const KINDS = {
  kill: (scene) => down(scene, [anyNode(scene)], false),
  'power-loss': (scene) => down(scene, [anyNode(scene)], true),
  'power-loss-everywhere': (scene) => down(scene, scene.cluster.roster, true),
  pause(scene) {
    const machine = scene.cluster.machine(anyNode(scene))
    if (machine.state !== 'up') return undefined
    machine.pause()
    return () => machine.resume()
  },
  'clock-jump'(scene) {
    const machine = scene.cluster.machine(anyNode(scene))
    machine.wallOffsetUs += scene.random.pick([-1, 1]) * scene.random.skewed(SECOND, YEARS_10_US)
    // Whoever keeps time by the wall clock sees its timers fire all at once.
    for (let i = 0; i < 20; i++) machine.input({ kind: 'tick' })
    return () => {}
  },
  'clock-drift'(scene) {
    const machine = scene.cluster.machine(anyNode(scene))
    machine.clockRate = scene.random.pick([0.5, 0.99, 1.01, 2])
    return () => {
      machine.clockRate = 1
    }
  },
  'slow-disk'(scene) {
    const { disk } = scene.cluster.machine(anyNode(scene))
    disk.slowness = scene.random.skewed(20, 2_000)
    return () => {
      disk.slowness = 1
    }
  },
  'full-disk'(scene) {
    const machine = scene.cluster.machine(anyNode(scene))
    machine.disk.capacityBytes = machine.root.sizeBytes() + scene.random.int(0, 60_000)
    return () => {
      machine.disk.capacityBytes = Number.POSITIVE_INFINITY
    }
  },
  'disk-fails'(scene) {
    const { disk } = scene.cluster.machine(anyNode(scene))
    disk.isBroken = true
    return () => {
      disk.isBroken = false
    }
  },
  partition: (scene) => cut(scene, acrossSides(scene)),
  'one-way': (scene) => cut(scene, anyLink(scene)),
  deaf: (scene) => cut(scene, linksTo(scene, anyNode(scene))),
  mute: (scene) => cut(scene, linksFrom(scene, anyNode(scene))),
  bridge: (scene) => cut(scene, acrossSides(scene, anyNode(scene))),
  flapping(scene) {
    const [link] = anyLink(scene)
    if (link === undefined) return undefined
    const [from, to] = link
    const every = scene.random.int(20, 500) * MILLISECOND
    for (let at = 0; at < scene.durationUs; at += 2 * every) {
      scene.cluster.world.schedule(at, () => cutPair(scene.cluster, from, to, true))
      scene.cluster.world.schedule(at + every, () => cutPair(scene.cluster, from, to, false))
    }
    return () => cutPair(scene.cluster, from, to, false)
  },
  loss: (scene) => conditions(scene, { loss: scene.random.pick([0.02, 0.1, 0.5]) }),
  duplication: (scene) => conditions(scene, { duplication: scene.random.pick([0.1, 1]) }),
  disorder: (scene) => conditions(scene, { disorder: scene.random.pick([0.1, 0.5, 1]) }),
  'slow-links': (scene) => conditions(scene, { slowness: scene.random.skewed(10, 500) }),
  'uneven-links'(scene) {
    const links = allLinks(scene)
    for (const [from, to] of links)
      scene.cluster.network.link(from, to).slowness = scene.random.skewed(1, 50)
    return () => restoreAll(scene, links)
  },
  clog: (scene) => clog(scene, linksFrom(scene, anyNode(scene))),
  swizzle: (scene) => {
    const some = allLinks(scene).filter(() => scene.random.chance(0.4))
    return some.length === 0 ? undefined : clog(scene, some)
  },
  resets(scene) {
    const links = allLinks(scene)
    if (links.length === 0) return undefined
    for (let i = 0; i < 10; i++) {
      const [a, b] = scene.random.pick(links)
      scene.cluster.world.schedule(scene.random.int(0, scene.durationUs), () =>
        scene.cluster.reset(a, b),
      )
    }
    return () => {}
  },
  'node-added': ({ cluster, operator, random }) => {
    const { spares } = cluster
    if (spares.length === 0 || !operator.join(random.pick(spares))) return undefined
    return () => {}
  },
  'node-removed': ({ cluster, operator, random }) => {
    // A cluster that is large in the beginning keeps links that can fail.
    if (operator.voters.length <= Math.min(2, cluster.founders.length - 1)) return undefined
    return operator.leave(random.pick(operator.members)) ? () => {} : undefined
  },
  'disk-lost': ({ operator, random }) =>
    operator.lose(random.pick(operator.members)) ? () => {} : undefined,
} satisfies Record<string, Begin>

const YEARS_10_US = 10 * 365 * 86_400 * SECOND

const NEEDS_NO_PEER: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'kill',
  'power-loss',
  'pause',
  'clock-jump',
  'clock-drift',
  'slow-disk',
  'full-disk',
  'disk-fails',
  'node-added',
  'node-removed',
])

type Link = readonly [from: NodeId, to: NodeId]

function anyNode({ cluster, random }: Scene): NodeId {
  return random.pick(cluster.roster)
}

/** One link, or none when there is none. */
function anyLink(scene: Scene): readonly Link[] {
  return scene.random.shuffled(allLinks(scene)).slice(0, 1)
}

function allLinks({ cluster: { roster } }: Scene): readonly Link[] {
  return roster.flatMap((from) => roster.filter((to) => to !== from).map((to): Link => [from, to]))
}

function linksFrom(scene: Scene, node: NodeId): readonly Link[] {
  return allLinks(scene).filter(([from]) => from === node)
}

function linksTo(scene: Scene, node: NodeId): readonly Link[] {
  return allLinks(scene).filter(([, to]) => to === node)
}

/** The links between two sides that every node but `bridge` is on one of. */
function acrossSides(scene: Scene, bridge?: NodeId): readonly Link[] {
  const others = scene.random.shuffled(scene.cluster.roster.filter((node) => node !== bridge))
  const left = new Set(others.slice(0, scene.random.int(1, Math.max(1, others.length - 1))))
  return allLinks(scene).filter(
    ([from, to]) => from !== bridge && to !== bridge && left.has(from) !== left.has(to),
  )
}

function down(scene: Scene, nodes: readonly NodeId[], isPowerLoss: boolean) {
  const machines = nodes.map((node) => scene.cluster.machine(node))
  const hit = machines.filter((machine) => machine.state !== 'down')
  for (const machine of hit) {
    if (isPowerLoss) machine.losePower()
    else machine.kill()
  }
  if (hit.length === 0) return undefined
  return () => {
    for (const machine of hit)
      scene.cluster.world.schedule(scene.random.int(0, 500) * MILLISECOND, () =>
        scene.cluster.start(machine.name as NodeId),
      )
  }
}

function cut(scene: Scene, links: readonly Link[]) {
  for (const [from, to] of links) scene.cluster.network.link(from, to).isCut = true
  return links.length === 0 ? undefined : () => restoreAll(scene, links)
}

function cutPair(cluster: Cluster, a: NodeId, b: NodeId, isCut: boolean): void {
  cluster.network.link(a, b).isCut = isCut
  cluster.network.link(b, a).isCut = isCut
}

function conditions(scene: Scene, change: Partial<LinkConditions>) {
  const links = scene.random.chance(0.5) ? allLinks(scene) : anyLink(scene)
  for (const [from, to] of links) Object.assign(scene.cluster.network.link(from, to), change)
  return links.length === 0 ? undefined : () => restoreAll(scene, links)
}

/** Clogs the links one by one, and unclogs them in another order. */
function clog(scene: Scene, links: readonly Link[]) {
  const { network, world } = scene.cluster
  for (const [from, to] of links)
    world.schedule(scene.random.int(0, 200) * MILLISECOND, () => {
      network.link(from, to).isClogged = true
    })
  return () => {
    for (const [from, to] of links)
      world.schedule(scene.random.int(200, 600) * MILLISECOND, () => network.unclog(from, to))
  }
}

function restoreAll(scene: Scene, links: readonly Link[]): void {
  for (const [from, to] of links) restore(scene.cluster, from, to)
}

function restore(cluster: Cluster, from: string, to: string): void {
  cluster.network.unclog(from, to)
  Object.assign(cluster.network.link(from, to), FAIR)
}
