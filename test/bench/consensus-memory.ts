/** Memory of the nodes over minutes of writes: samples, a verdict, and a plot for the documentation. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender } from './consensus-cluster.ts'
import { load } from './consensus-load.ts'
import { residentBytesOf } from './process.ts'

export type Sample = { readonly atS: number; readonly residentBytes: readonly number[] }

export type MemoryReport = {
  readonly samples: readonly Sample[]
  readonly writes: number
  readonly growth: number
  readonly passed: boolean
}

const CLIENTS = 128
const SAMPLE_MS = 1_000

/** Each load generator keeps what it has measured until it ends. */
const ROUND_S = 30

/** The median of the last fifth of the time may exceed that of the second fifth by this factor: a leak does far more. */
const GROWTH_MAX = 1.2

export async function measureMemory(contender: Contender, minutes: number): Promise<MemoryReport> {
  const startMs = performance.now()
  const elapsedS = () => (performance.now() - startMs) / 1_000
  const samples: Sample[] = []
  let isDone = false
  const sampling = (async () => {
    while (!isDone) {
      const residentBytes = contender.members.map((member) => residentBytesOf(member.pid()))
      samples.push({ atS: elapsedS(), residentBytes })
      await sleep(SAMPLE_MS)
    }
  })()
  let writes = 0
  try {
    for (let round = 0; elapsedS() < minutes * 60; round++) {
      const durationS = Math.max(1, Math.min(ROUND_S, Math.round(minutes * 60 - elapsedS())))
      const result = await load(contender, { clients: CLIENTS, durationS, mark: `soak${round}` })
      writes += result.perSecond * durationS
    }
  } finally {
    isDone = true
    await sampling
  }
  const growth = growthOf(samples)
  return { samples, writes: Math.round(writes), growth, passed: growth <= GROWTH_MAX }
}

/** Of the node that grows most. */
export function growthOf(samples: readonly Sample[]): number {
  const fifth = (number: number) =>
    samples.slice(
      Math.floor((samples.length * number) / 5),
      Math.floor((samples.length * (number + 1)) / 5),
    )
  const nodes = samples[0]?.residentBytes.length ?? 0
  const of = (part: readonly Sample[], node: number) =>
    part.map((sample) => sample.residentBytes[node] ?? 0).toSorted((a, b) => a - b)[
      part.length >> 1
    ] ?? Number.NaN
  return Math.max(
    ...Array.from({ length: nodes }, (_, node) => of(fifth(4), node) / of(fifth(1), node)),
  )
}

const WIDTH = 860
const HEIGHT = 320
const LEFT = 60
const RIGHT = 20
const TOP = 46
const BOTTOM = 40

/** Distinguishable for the colour-blind too. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00']

/** A line per node over time; a text file that browsers and GitHub show. */
export function renderMemory({ samples, writes }: MemoryReport): string {
  const endS = samples.at(-1)?.atS ?? 1
  const most = Math.max(...samples.flatMap((sample) => sample.residentBytes)) / 1e6
  const topMb = Math.ceil(most / 50) * 50
  const x = (atS: number) => LEFT + ((WIDTH - LEFT - RIGHT) * atS) / endS
  const y = (mb: number) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * mb) / topMb
  const lines = (samples[0]?.residentBytes ?? []).map((_, node) => {
    const points = samples.map(
      ({ atS, residentBytes }) =>
        `${x(atS).toFixed(1)},${y((residentBytes[node] ?? 0) / 1e6).toFixed(1)}`,
    )
    const colour = COLOURS[node % COLOURS.length]
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.join(' ')}"/>\n` +
      `<text x="${LEFT + 10 + node * 60}" y="${TOP - 8}" fill="${colour}">node ${node + 1}</text>`
    )
  })
  const levels = Array.from({ length: topMb / 50 + 1 }, (_, at) => at * 50).map(
    (mb) =>
      `<path stroke="#ddd" d="M${LEFT} ${y(mb)}H${WIDTH - RIGHT}"/>` +
      `<text x="${LEFT - 6}" y="${y(mb) + 4}" text-anchor="end">${mb}</text>`,
  )
  const minutes = Array.from({ length: Math.floor(endS / 60) + 1 }, (_, at) => at).map(
    (minute) =>
      `<text x="${x(minute * 60)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${minute}</text>`,
  )
  const title = `Resident memory in MB over minutes: 3 nodes, ${CLIENTS} clients, ${writes.toLocaleString('en')} writes`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>Resident memory of three nodes under load</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="18" font-size="14">${title}</text>`,
    ...levels,
    ...minutes,
    ...lines,
    '</svg>\n',
  ].join('\n')
}
