import { Random } from '../sim/random.ts'

/** What is done to a cluster; `stage.ts` has what each of them is. */
export const STEP_KINDS = [
  'kill',
  'kill-majority',
  'kill-all',
  'pause',
  'isolate',
  'split',
  'bridge',
  'one-way',
  'deaf',
  'mute',
  'delay',
  'slow',
  'reset',
  'flap',
  'rolling-restart',
  'full-disk',
  'absence',
  'empty-disk',
  'replace-dead',
  'add-and-remove',
] as const

export type StepKind = (typeof STEP_KINDS)[number]

/** Those that change who is a member. */
export const MEMBER_STEPS: ReadonlySet<StepKind> = new Set<StepKind>([
  'empty-disk',
  'replace-dead',
  'add-and-remove',
])

/** `seed` decides on everything that the kind leaves open, as on the victims. */
export type Step = { readonly kind: StepKind; readonly seed: number; readonly holdMs: number }

const HOLD_MS = { min: 1_500, max: 5_000 }

/** What happens, in this order, for as long as there is time: rounds of all kinds, each in an order of its own. */
export function* plan(seed: number): Generator<Step, never> {
  const random = new Random(seed)
  for (;;) {
    for (const kind of random.shuffled(STEP_KINDS)) {
      const holdMs = Math.round(random.skewed(HOLD_MS.min, HOLD_MS.max))
      yield { kind, seed: random.int(1, 2 ** 31), holdMs }
    }
  }
}
