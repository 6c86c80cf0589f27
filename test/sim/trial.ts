/** What is asked of a seed: a history long enough, without a violation, and the same one again. A failing plan is made small. */
import type { Fault } from './fault.ts'
import {
  COMPACTIONS_MIN,
  FAULTS_MIN,
  type History,
  SECONDS_MIN,
  SLOTS_MIN,
  simulate,
} from './simulation.ts'

export type Trial = {
  readonly history: History
  readonly failure: string | undefined
  /** The line that shows the failure again. */
  readonly replay: string | undefined
}

/** Runs the seed twice; with `kept`, only the faults at these places of its plan. */
export async function tryTwice(seed: number, kept?: readonly number[]): Promise<Trial> {
  const history = run(seed, kept)
  const failure = judge(history, kept === undefined) ?? compare(history, run(seed, kept))
  if (failure === undefined) return { history, failure, replay: undefined }
  const places = kept ?? history.plan.map((_, i) => i)
  const needed =
    history.violation === undefined
      ? places
      : await shrink(places, (some) => run(seed, some).violation !== undefined)
  const all = needed.length === history.plan.length
  const replay = `npm run sim -- --seed ${seed}${all ? '' : ` --faults ${needed.join(',') || 'none'}`}`
  return { history, failure, replay }
}

/** The smallest list found that still fails: without any half, quarter and so on, down to single places. */
export async function shrink(
  places: readonly number[],
  fails: (places: readonly number[]) => boolean | Promise<boolean>,
): Promise<readonly number[]> {
  let kept = places
  for (
    let size = Math.ceil(kept.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  )
    for (let from = 0; from < kept.length; ) {
      const fewer = kept.filter((_, i) => i < from || i >= from + size)
      if (await fails(fewer)) kept = fewer
      else from += size
    }
  return kept
}

function run(seed: number, kept: readonly number[] | undefined): History {
  if (kept === undefined) return simulate({ seed })
  return simulate({ seed, keep: (_: Fault, i: number) => kept.includes(i) })
}

function judge(history: History, isWhole: boolean): string | undefined {
  if (history.violation !== undefined) return history.violation.message
  const { slots, faultCount, virtualSeconds, compactions } = history
  if (slots < SLOTS_MIN) return `only ${slots} slots`
  if (virtualSeconds < SECONDS_MIN) return `only ${virtualSeconds} s`
  if (compactions < COMPACTIONS_MIN) return `only ${compactions} snapshots`
  return isWhole && faultCount < FAULTS_MIN ? `only ${faultCount} faults` : undefined
}

function compare(first: History, second: History): string | undefined {
  if (first.traceHash === second.traceHash) return undefined
  return `two runs differ: ${first.traceHash}, ${second.traceHash}`
}
