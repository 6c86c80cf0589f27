import type { Trial } from './trial.ts'

/** What many seeds came to. */
export class Summary {
  failed = 0
  seeds = 0
  #slots = 0
  #forfeited = 0
  #prolonged = 0
  #compactions = 0
  #adoptions = 0
  #changes = 0
  #operations = 0
  #events = 0
  #virtualSeconds = 0
  #phasesMax = 0
  readonly #faults = new Map<string, number>()

  add({ history, failure }: Trial): void {
    this.seeds++
    this.#slots += history.slots
    this.#forfeited += history.forfeited
    this.#prolonged += history.prolonged
    this.#compactions += history.compactions
    this.#adoptions += history.adoptions
    this.#changes += history.changes
    this.#operations += history.operations
    this.#events += history.events
    this.#virtualSeconds += history.virtualSeconds
    this.#phasesMax = Math.max(this.#phasesMax, history.phasesMax)
    for (const [kind, count] of Object.entries(history.faults))
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count)
    if (failure !== undefined) this.failed++
  }

  /** A few lines about everything added, which took `seconds`, and `coreSeconds` of all cores together. */
  text(seconds: number, coreSeconds: number): string {
    const faults = [...this.#faults].sort(([a], [b]) => (a < b ? -1 : 1))
    const usPerSlot = (coreSeconds * 1e6) / (2 * this.#slots)
    return [
      `${this.seeds} seeds, each twice, in ${seconds.toFixed(1)} s: ${this.failed} failed`,
      `${this.#slots} slots (${this.#forfeited} forfeited, ${this.#prolonged} with a second phase, at most ${this.#phasesMax}), ${this.#operations} operations`,
      `${this.#compactions} snapshots made, ${this.#adoptions} taken over, ${this.#changes} changes of the members`,
      `${(this.#virtualSeconds / 3_600).toFixed(1)} virtual hours, ${this.#events} events, ${usPerSlot.toFixed(0)} µs of a core per slot, ${((coreSeconds * 500) / this.seeds).toFixed(0)} ms per history`,
      `faults: ${faults.map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    ].join('\n')
  }
}
