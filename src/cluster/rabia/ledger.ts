import { hex, utf8 } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { SlotNumber } from './ballot.ts'
import type { Batch, Request } from './batch.ts'
import type { Outcome } from './effect.ts'
import type { Electorate } from './electorate.ts'
import { History } from './history.ts'
import type { StateMachine } from './machine.ts'
import { Sessions } from './session.ts'

/** The decided prefix of the log and the state it has led to. Slots enter in order, each once (R7). */
export class Ledger {
  readonly history: History
  readonly sessions: Sessions
  readonly #machine: StateMachine
  #slot: SlotNumber = 1
  #electorate: Electorate
  #digest = ''
  #stalled: string | undefined

  constructor(machine: StateMachine, limits: LedgerLimits) {
    this.history = new History(limits)
    this.sessions = new Sessions(limits.sessions)
    this.#machine = machine
    this.#electorate = machine.electorate()
  }

  /** The slot after the last applied one. */
  get slot(): SlotNumber {
    return this.#slot
  }

  /** Who votes in `slot`. */
  get electorate(): Electorate {
    return this.#electorate
  }

  /** Equal digests: equal decisions with equal outcomes in all slots so far. */
  get digest(): string {
    return this.#digest
  }

  /** Why nothing more can be applied by this program, if so. */
  get stalled(): string | undefined {
    return this.#stalled
  }

  /** Applies the decision of `slot` and moves on, or stalls in front of a command this program does not know. */
  commit(batch: Batch | undefined): readonly Settled[] {
    this.history.add(batch)
    const settled: Settled[] = []
    let account = `${this.#digest} ${this.#slot} ${batch?.id}`
    for (const request of batch?.requests ?? []) {
      const place = { stamp: batch?.stamp ?? 0, slot: this.#slot }
      const outcome = this.sessions.execute(request, place, () =>
        this.#machine.apply(request.command, this.#slot),
      )
      if (outcome.kind === 'stalled') {
        this.#stalled = outcome.reason
        return settled
      }
      settled.push({ request, outcome })
      account += outcome.kind === 'applied' ? `\n=${outcome.result}` : `\n${outcome.kind}`
    }
    this.#digest = hex(sha256(utf8(account)))
    this.#slot++
    this.#electorate = this.#machine.electorate()
    return settled
  }
}

export type LedgerLimits = {
  readonly sessions: number
  readonly decisions: number
  readonly decisionUnits: number
}

export type Settled = { readonly request: Request; readonly outcome: Outcome }
