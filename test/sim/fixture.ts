/** The language of the scenarios. */
import type { NodeId } from '../../src/base/ids.ts'
import type { Ballot, Effect, LogRecord } from '../../src/cluster/rabia/index.ts'
import { File } from '../twin/disk-tree.ts'
import { logOf } from './machine.ts'
import type { LinkConditions } from './network.ts'
import { Random } from './random.ts'
import { Stage, type StageOptions } from './stage.ts'
import { MILLISECOND } from './world.ts'

export const [n1, n2, n3, n4, n5, n6, n7] = Array.from(
  { length: 7 },
  (_, i) => `n${i + 1}`,
) as NodeId[] as [NodeId, NodeId, NodeId, NodeId, NodeId, NodeId, NodeId]

const SEEDS = [1, 2]

/** Clients that keep a slot under way nearly all the time. */
const BUSY = { clients: 6, thinkUs: [20 * MILLISECOND, 200 * MILLISECOND] } as const

/** Runs `play` on some seeds, with clients at work and all checkers; what fails names its seed. */
export function onSeeds(options: StageOptions, play: (stage: Stage, random: Random) => void): void {
  for (const seed of SEEDS) {
    const random = new Random(seed)
    const stage = new Stage(random, { ...options, workload: { ...BUSY, ...options.workload } })
    try {
      stage.open()
      play(stage, random.split('scenario'))
    } catch (error) {
      if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`
      throw error
    }
  }
}

/** The node goes down now, and is started again a little later. */
export function bounce(stage: Stage, node: NodeId, how: 'kill' | 'losePower'): void {
  const machine = stage.cluster.machine(node)
  machine[how]()
  stage.world.schedule(20 * MILLISECOND, () => stage.cluster.start(node))
}

/** Changes the conditions of all links between nodes. */
export function everyLink(play: Stage, change: Partial<LinkConditions>): void {
  const { roster, network } = play.cluster
  for (const from of roster)
    for (const to of roster) if (from !== to) Object.assign(network.link(from, to), change)
}

/** Cuts the links from some nodes to others, or mends them. */
export function cut(
  play: Stage,
  from: readonly NodeId[],
  to: readonly NodeId[],
  isCut = true,
): void {
  for (const a of from) for (const b of to) play.cluster.network.link(a, b).isCut = isCut
}

/** The ballot that these records keep, if one of them does. */
export function ballotIn(records: readonly LogRecord[]): Ballot | undefined {
  return records.find((record) => record.kind === 'ballot')?.ballot
}

/** The ballot that is said here for the first time, if it is one. */
export function ballotSaid(effect: Effect): Ballot | undefined {
  if (effect.kind !== 'send' || effect.message.kind !== 'ballots') return undefined
  return effect.message.repeats ? undefined : effect.message.ballots[0]
}

/** Changes what a node that is down has on its disk. */
export function editDisk(
  stage: Stage,
  node: NodeId,
  segment: number,
  edit: (bytes: Uint8Array) => Uint8Array,
): void {
  const log = logOf(stage.cluster.machine(node))
  const before = fileOf(stage, node, segment)
  const bytes = new Uint8Array(before.sizeBytes)
  before.read(bytes, 0)
  const after = new File()
  after.write(edit(bytes), 0)
  after.sync()
  log.set(String(segment), after)
  log.sync()
}

export function fileOf(stage: Stage, node: NodeId, segment: number): File {
  const file = logOf(stage.cluster.machine(node)).entries.get(String(segment))
  if (!(file instanceof File)) throw new Error(`${node} has no segment ${segment}`)
  return file
}

/** The newest segment of a node. */
export function lastSegment(stage: Stage, node: NodeId): number {
  return Math.max(...[...logOf(stage.cluster.machine(node)).entries.keys()].map(Number))
}

/** The highest slot that all of `nodes` have applied. */
export function appliedBy(stage: Stage, nodes: readonly NodeId[]): number {
  const slots = nodes.map((node) => stage.cluster.process(node)?.status()?.slot ?? 0)
  return Math.min(...slots) - 1
}
