/** What is asked of a seed of whole nodes: no violation, and the same history again. A failing plan is made small. */
import { shrink } from '../trial.ts'
import { type PlatformHistory, simulatePlatform } from './platform-simulation.ts'

export type PlatformTrial = {
  readonly history: PlatformHistory
  readonly failure: string | undefined
  /** The line that shows the failure again. */
  readonly replay: string | undefined
}

/** Runs the seed twice; with `kept`, only the faults at these places of its plan. */
export async function tryPlatformTwice(
  seed: number,
  kept?: readonly number[],
): Promise<PlatformTrial> {
  const history = await run(seed, kept)
  const failure = history.violation?.message ?? compare(history, await run(seed, kept))
  if (failure === undefined) return { history, failure, replay: undefined }
  const places = kept ?? history.plan.map((_, i) => i)
  const fails = async (some: readonly number[]) => (await run(seed, some)).violation !== undefined
  const needed = history.violation === undefined ? places : await shrink(places, fails)
  const isWhole = needed.length === history.plan.length
  const faults = isWhole ? '' : ` --faults ${needed.join(',') || 'none'}`
  return { history, failure, replay: `npm run sim -- --nodes --seed ${seed}${faults}` }
}

function run(seed: number, kept: readonly number[] | undefined): Promise<PlatformHistory> {
  if (kept === undefined) return simulatePlatform({ seed })
  return simulatePlatform({ seed, keep: (_, place) => kept.includes(place) })
}

function compare(first: PlatformHistory, second: PlatformHistory): string | undefined {
  if (first.traceHash === second.traceHash) return undefined
  return `two runs differ: ${first.traceHash}, ${second.traceHash}`
}
