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

/** Alternating runs of both clusters with so many clients. */
export type LoadPairs = {
  readonly clients: number
  readonly pairs: readonly { readonly aether: LoadResult; readonly etcd: LoadResult }[]
}

/** Milliseconds without a commit after a member was killed, round by round. */
export type GapPairs = readonly { readonly aether: number; readonly etcd: number }[]

/** A ratio of ours to etcd's that has to be reached, or not exceeded. */
type Bar = {
  readonly title: string
  readonly ratio: Spread
  readonly limit: string
  readonly passed: boolean
}

export type ConsensusReport = {
  readonly loads: readonly LoadPairs[]
  readonly gaps: GapPairs
  readonly bars: readonly Bar[]
}

export function consensusReport(loads: readonly LoadPairs[], gaps: GapPairs): ConsensusReport {
  const bars: Bar[] = []
  for (const { clients, pairs } of loads) {
    if (clients === 128) {
      const ratio = spreadOf(pairs.map((pair) => pair.aether.perSecond / pair.etcd.perSecond))
      bars.push(atLeast('Throughput, 128 clients', ratio, 2))
    }
    if (clients === 1) {
      const ratio = spreadOf(pairs.map((pair) => pair.aether.p50Ms / pair.etcd.p50Ms))
      bars.push(atMost('p50, 1 client', ratio, 2))
    }
  }
  if (gaps.length > 0) {
    const ratio = spreadOf(gaps.map((pair) => pair.aether / pair.etcd))
    bars.push(atMost('Longest gap after kill -9', ratio, 0.2))
  }
  return { loads, gaps, bars }
}

/** Markdown tables, fit for a README; figures are medians, ratios are ours to etcd's. */
export function renderConsensus({ loads, gaps, bars }: ConsensusReport): string {
  const rows = loads.map(({ clients, pairs }) => {
    const both = (key: keyof LoadResult) => [
      round(spreadOf(pairs.map((pair) => pair.aether[key])).median),
      round(spreadOf(pairs.map((pair) => pair.etcd[key])).median),
    ]
    const ratio = spreadOf(pairs.map((pair) => pair.aether.perSecond / pair.etcd.perSecond))
    const cells = [...both('perSecond'), ratioText(ratio), ...both('p50Ms'), ...both('p99Ms')]
    return [`${clients}`, ...cells, both('memberCpu').join(' / ')]
  })
  const tables: string[] = []
  if (rows.length > 0) {
    const heads = [
      ...['clients', 'Aether writes/s', 'etcd', 'ratio', 'Aether p50 ms', 'etcd'],
      ...['Aether p99 ms', 'etcd', 'cores used'],
    ]
    tables.push(table(heads, rows))
  }
  if (gaps.length > 0) {
    const ours = spreadOf(gaps.map((pair) => pair.aether))
    const theirs = spreadOf(gaps.map((pair) => pair.etcd))
    const cells = [ours, theirs].map(durationText)
    tables.push(table(['', 'Aether', 'etcd'], [['No commit after kill -9 of a member', ...cells]]))
  }
  const verdicts = bars.map((bar) => [
    bar.title,
    ratioText(bar.ratio),
    bar.limit,
    verdict(bar.passed),
  ])
  if (verdicts.length > 0) tables.push(table(['', 'ratio to etcd', 'bar', ''], verdicts))
  return tables.join('\n')
}

function atLeast(title: string, ratio: Spread, limit: number): Bar {
  return { title, ratio, limit: `≥ ${times(limit)}`, passed: asPrinted(ratio) >= limit }
}

function atMost(title: string, ratio: Spread, limit: number): Bar {
  return { title, ratio, limit: `≤ ${times(limit)}`, passed: asPrinted(ratio) <= limit }
}
