import { explore } from './replica-explorer.ts'

const [nodes, from, to, events, consistency, origin] = process.argv.slice(2)
const sum: Record<string, number> = {}
let bad = 0
for (let seed = Number(from); seed <= Number(to); seed++) {
  try {
    const r = explore({
      nodes: Number(nodes),
      seed,
      events: Number(events),
      consistency: (consistency ?? 'strong') as 'strong',
      hasOrigin: origin === '1',
    })
    for (const [k, v] of Object.entries({ ...r, ...r.counts }))
      if (typeof v === 'number') sum[k] = (sum[k] ?? 0) + v
  } catch (e) {
    console.log(
      seed,
      bad++ < 2 ? (e as Error).stack?.split('\n').slice(0, 6).join('\n') : String(e).slice(0, 150),
    )
  }
}
console.log(sum)
