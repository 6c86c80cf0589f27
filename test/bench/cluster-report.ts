import type { Pair } from './bench.ts'
import type { Death } from './cluster-death.ts'
import type { HttpSample, Workload } from './cluster-http.ts'
import type { LoadResult } from './consensus-load.ts'
import {
  asPrinted,
  durationText,
  ratioText,
  round,
  type Spread,
  spreadOf,
  table,
  times,
  verdict,
} from './report.ts'

/** Of alternating pairs: what our three nodes do for a second of processor time, and what they are held against. */
export type CostRow = {
  readonly title: string
  readonly against: string
  readonly bar: number
  readonly passed: boolean
  readonly ours: Figures
  readonly theirs: Figures
  readonly perCpuSecond: Spread
  /** Of the rates: depends on how many cores each side found free. */
  readonly perSecond: Spread
}

/** Medians over the runs. */
type Figures = { readonly perCpuSecond: number; readonly perSecond: number }

export type DeathRow = {
  readonly rounds: readonly Death[]
  readonly gap: Spread
  readonly reads: number
  readonly failedReads: number
  readonly passed: boolean
}

/** Three nodes beside one. */
export function httpRow({ title, bar }: Workload, pairs: readonly Pair<HttpSample>[]): CostRow {
  return costRow({ title, against: 'one node', bar }, pairs)
}

/** Three nodes beside three members of etcd. */
export function mapRow(pairs: readonly Pair<LoadResult>[]): CostRow {
  const figures = ({ perSecond, memberCpu }: LoadResult): Figures => ({
    perSecond,
    perCpuSecond: perSecond / memberCpu,
  })
  const title = 'map writes of 256 bytes, W = 2 of 3, 128 clients'
  return costRow(
    { title, against: 'etcd', bar: MAP_BAR },
    pairs.map(({ ours, theirs }) => ({ ours: figures(ours), theirs: figures(theirs) })),
  )
}

export function deathRow(rounds: readonly Death[]): DeathRow {
  const gap = spreadOf(rounds.map((each) => each.longestGapMs))
  const reads = rounds.reduce((sum, each) => sum + each.reads, 0)
  const failedReads = rounds.reduce((sum, each) => sum + each.failedReads, 0)
  const passed = gap.max <= GAP_MS_MAX && failedReads === 0
  return { rounds, gap, reads, failedReads, passed }
}

/** Markdown tables, fit for a README. */
export function renderCluster(rows: readonly CostRow[], death: DeathRow | undefined): string {
  const tables: string[] = []
  if (rows.length > 0) {
    const heads = ['requests per CPU-second', 'three nodes', 'against', 'ratio', 'bar', '']
    const cells = rows.map((row) => [
      row.title,
      round(row.ours.perCpuSecond),
      `${round(row.theirs.perCpuSecond)} (${row.against})`,
      ratioText(row.perCpuSecond),
      `≥ ${times(row.bar)}`,
      verdict(row.passed),
    ])
    tables.push(table(heads, cells))
    const rates = rows.map((row) => [
      row.title,
      `${round(row.ours.perSecond)}/s`,
      `${round(row.theirs.perSecond)}/s (${row.against})`,
      ratioText(row.perSecond),
    ])
    tables.push(table(['as fast as this machine goes', 'three nodes', 'against', 'ratio'], rates))
  }
  if (death !== undefined) {
    const { gap, reads, failedReads } = death
    tables.push(
      table(
        ['after kill -9 of one node', '', 'bar', ''],
        [
          [
            'longest time a client went without a successful write',
            durationText(gap),
            `≤ ${GAP_MS_MAX} ms`,
            verdict(gap.max <= GAP_MS_MAX),
          ],
          [
            'reads that failed on two nodes',
            `${failedReads} of ${reads}`,
            '0',
            verdict(failedReads === 0),
          ],
        ],
      ),
    )
  }
  return tables.join('\n')
}

/** Map writes to etcd's. */
const MAP_BAR = 2

const GAP_MS_MAX = 3_000

function costRow(
  head: Pick<CostRow, 'title' | 'against' | 'bar'>,
  pairs: readonly Pair<Figures>[],
): CostRow {
  const ratio = (key: keyof Figures) =>
    spreadOf(pairs.map(({ ours, theirs }) => ours[key] / theirs[key]))
  const figures = (side: 'ours' | 'theirs'): Figures => ({
    perCpuSecond: spreadOf(pairs.map((pair) => pair[side].perCpuSecond)).median,
    perSecond: spreadOf(pairs.map((pair) => pair[side].perSecond)).median,
  })
  const perCpuSecond = ratio('perCpuSecond')
  return {
    ...head,
    passed: asPrinted(perCpuSecond) >= head.bar,
    ours: figures('ours'),
    theirs: figures('theirs'),
    perCpuSecond,
    perSecond: ratio('perSecond'),
  }
}
