import type { Comparison, Pair } from './comparison.ts'
import type { Footprint } from './footprint.ts'

export type ComparisonRow = {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly bar: number
  readonly passed: boolean
  readonly ratio: Spread
  readonly aether: Figures
  readonly nginx: Figures
  readonly pairs: readonly Pair[]
}

export type Spread = { readonly median: number; readonly min: number; readonly max: number }

/** Medians over the runs. */
type Figures = {
  readonly rate: number
  readonly p99Ms: number
  readonly serverCpu: number
  readonly loadCpu: number
}

export type FootprintRow = Footprint & { readonly passed: boolean }

export function comparisonRow(comparison: Comparison, pairs: readonly Pair[]): ComparisonRow {
  const ratio = spreadOf(pairs.map((pair) => pair.ratio))
  const { name, title, unit, bar } = comparison
  return {
    name,
    title,
    unit,
    bar,
    passed: asPrinted(ratio) >= bar,
    ratio,
    aether: figuresOf(pairs, 'aether'),
    nginx: figuresOf(pairs, 'nginx'),
    pairs,
  }
}

export function footprintRow(footprint: Footprint): FootprintRow {
  return { ...footprint, passed: footprint.value < footprint.limit }
}

/** Two Markdown tables, fit for a README. A processor use of 100 % names the program that was the limit. */
export function renderTables(
  comparisons: readonly ComparisonRow[],
  footprints: readonly FootprintRow[],
): string {
  const rates = comparisons.map((row) => [
    row.title,
    `${round(row.aether.rate)} ${row.unit}`,
    `${round(row.nginx.rate)} ${row.unit}`,
    ratioText(row.ratio),
    `≥ ${times(row.bar)}`,
    verdict(row.passed),
    `${percent(row.aether.serverCpu)} / ${percent(row.nginx.serverCpu)}`,
    `${percent(row.aether.loadCpu)} / ${percent(row.nginx.loadCpu)}`,
  ])
  const limits = footprints.map((row) => [
    row.title,
    `${round(row.value)} ${row.unit}`,
    `< ${round(row.limit)} ${row.unit}`,
    verdict(row.passed),
  ])
  const tables: string[] = []
  if (rates.length > 0) {
    const heads = ['', 'Aether', 'nginx', 'ratio', 'bar', '', 'server CPU', 'client CPU']
    tables.push(table(heads, rates))
  }
  if (limits.length > 0) tables.push(table(['', 'Aether', 'limit', ''], limits))
  return tables.join('\n')
}

/** As Markdown. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, at) =>
    Math.max(3, head.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`
  return line(heads) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('')
}

function figuresOf(pairs: readonly Pair[], side: 'aether' | 'nginx'): Figures {
  const median = (key: keyof Figures) => spreadOf(pairs.map((pair) => pair[side][key])).median
  return {
    rate: median('rate'),
    p99Ms: median('p99Ms'),
    serverCpu: median('serverCpu'),
    loadCpu: median('loadCpu'),
  }
}

/** The number of pairs is odd, so the median is one that was measured. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  return { median: at(sorted.length >> 1), min: at(0), max: at(sorted.length - 1) }
}

export function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
}

/** The median, and between what the ratios lie. */
export function ratioText({ median, min, max }: Spread): string {
  return `${times(median)} (${times(min)}–${times(max)})`
}

/** The median, and between what the times lie. */
export function durationText({ median, min, max }: Spread): string {
  return `${round(median)} ms (${round(min)}–${round(max)})`
}

/** The median of ratios, to be held against a bar: a third digit would only be noise. */
export function asPrinted({ median }: Spread): number {
  return Number(median.toFixed(2))
}

export function verdict(passed: boolean): string {
  return passed ? 'pass' : 'MISSED'
}

export function times(ratio: number): string {
  return `${ratio.toFixed(2)}×`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
