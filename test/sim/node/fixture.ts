/** The language of the scenarios of whole nodes. */
import type { NodeId } from '../../../src/base/ids.ts'
import type { MapChange } from '../../cluster/dht/map-model.ts'
import { Random } from '../random.ts'
import { SECOND } from '../world.ts'
import type { MapOutcome } from './coordinator.ts'
import { PARTITIONS } from './map-clients.ts'
import { Platform, type PlatformOptions } from './platform.ts'

const SEEDS = [1, 2]

/** Runs `play` on some seeds, with clients at work and all checkers, and closes; what fails names its seed. */
export async function onPlatforms(
  options: PlatformOptions,
  play: (platform: Platform, random: Random) => Promise<void>,
): Promise<void> {
  for (const seed of SEEDS) {
    const random = new Random(seed)
    const platform = new Platform(random, options)
    try {
      await platform.open()
      // By then all nodes are steady.
      await platform.run(5)
      await play(platform, random.split('scenario'))
      await platform.close()
    } catch (error) {
      if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`
      throw error
    }
  }
}

/** No clients but those of the scenario. */
export const QUIET = { clients: { clients: 0 } } as const

/** Who leads the partition of the key `p`, as it is committed. */
export function primaryOf(platform: Platform): NodeId {
  return platform.primaryOf(PARTITION)
}

/** The partition of the key `p`. */
export const PARTITION = PARTITIONS[0]!

export function othersThan(platform: Platform, ...nodes: readonly NodeId[]): readonly NodeId[] {
  return platform.cluster.roster.filter((id) => !nodes.includes(id))
}

/** Puts a value, at this node and no other. */
export function put(platform: Platform, node: NodeId, value: string): Question {
  return ask(platform, node, [{ sortKey: 'x', put: value, expected: undefined }])
}

export function create(platform: Platform, node: NodeId, value: string): Question {
  return ask(platform, node, [{ sortKey: 'x', put: value, expected: null }])
}

export function read(platform: Platform, node: NodeId): Question {
  return ask(platform, node, undefined)
}

/** Whatever has been written up to now is one value; undefined for none. */
export function valueIn({ outcome }: Question): string | undefined {
  if (outcome?.kind !== 'done') throw new Error(`no answer but ${outcome?.kind}`)
  return outcome.found.find(([sortKey]) => sortKey === 'x')?.[1]
}

/** Runs until all are answered; true when they are. */
export async function answered(
  platform: Platform,
  questions: readonly Question[],
  seconds = 10,
): Promise<boolean> {
  const isOver = () => questions.every((question) => question.isOver)
  await platform.run(seconds, isOver)
  return isOver()
}

/** The longest time without an acknowledged write since then, in seconds. */
export function longestGap(platform: Platform, sinceUs: number): number {
  const times = platform.clients.writtenUs.filter((atUs) => atUs > sinceUs)
  const ends = [sinceUs, ...times, platform.world.now]
  return Math.max(...ends.slice(1).map((atUs, i) => atUs - ends[i]!)) / SECOND
}

function ask(
  platform: Platform,
  node: NodeId,
  changes: readonly MapChange[] | undefined,
): Question {
  const question: Question = { outcome: undefined, isOver: false }
  const random = platform.world.random.split(`question ${platform.world.events}`)
  const ended = (outcome: MapOutcome | undefined) => {
    question.outcome = outcome
    question.isOver = true
  }
  platform.clients.ask(random, { partitionKey: 'p', changes, node, isFaithful: true, ended })
  return question
}

/** Its outcome stays undefined when nobody has answered in time. */
export type Question = { outcome: MapOutcome | undefined; isOver: boolean }
