import type { PlatformTrial } from './platform-trial.ts'

/** What many seeds of whole nodes came to. */
export class PlatformSummary {
  failed = 0
  seeds = 0
  readonly #sums = new Map<string, number>()
  readonly #faults = new Map<string, number>()

  add({ history, failure }: PlatformTrial): void {
    this.seeds++
    if (failure !== undefined) this.failed++
    for (const [name, count] of Object.entries(history)) {
      if (name !== 'seed' && typeof count === 'number') add(this.#sums, name, count)
    }
    for (const [kind, count] of Object.entries(history.faults)) add(this.#faults, kind, count)
  }

  /** A few lines about everything added. */
  text(): string {
    const sum = (name: string) => Math.round(this.#sums.get(name) ?? 0)
    const faults = [...this.#faults].sort(([a], [b]) => (a < b ? -1 : 1))
    return [
      `${this.seeds} seeds of whole nodes, each twice: ${this.failed} failed`,
      `${sum('tables')} partition tables, ${sum('takeovers')} takeovers, ${sum('events')} events in ${sum('virtualSeconds')} virtual seconds`,
      `${sum('ok')} writes, ${sum('conflict')} conflicts, ${sum('read')} reads, ${sum('unknown')} without an outcome, ${sum('retried')} asked again, ${sum('promised')} promises kept`,
      `faults: ${faults.map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    ].join('\n')
  }
}

function add(sums: Map<string, number>, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count)
}
