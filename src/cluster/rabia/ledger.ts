import { assert } from '../../base/assert.ts'
import { hex, utf8 } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { SlotNumber } from './ballot.ts'
import type { Batch, Request } from './batch.ts'
import type { Outcome } from './effect.ts'
import type { Electorate } from './electorate.ts'
import { History } from './history.ts'
import type { StateMachine } from './machine.ts'
import { Sessions } from './session.ts'
import { decodeSnapshot, encodeSnapshot, type Snapshot } from './snapshot.ts'

/** The decided prefix of the log and the state it has led to. Slots enter in order, each once (R7). */
export class Ledger {
  readonly sessions: Sessions
  readonly #machine: StateMachine
  readonly #limits: LedgerLimits
  #history: History
  #slot: SlotNumber
  #electorate: Electorate
  #digest = ''
  #stalled: string | undefined

  constructor(machine: StateMachine, limits: LedgerLimits) {
    this.sessions = new Sessions(limits.sessions)
    this.#machine = machine
    this.#limits = limits
    this.#electorate = machine.electorate()
    this.#slot = this.#electorate.members.length > 0 ? 1 : 0
    this.#history = new History(this.#slot, limits)
  }

  /** The last decisions. */
  get history(): History {
    return this.#history
  }

  /** The slot after the last applied one; 0 when there is not even the state before slot 1. */
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

  /** The state after the last applied slot. */
  snapshot(): Snapshot {
    return encodeSnapshot({
      slot: this.#slot - 1,
      digest: this.#digest,
      sessions: this.sessions.snapshot(),
      machine: this.#machine.snapshot(),
    })
  }

  /** Jumps to the state of a durable snapshot, which is not older than this one. */
  restore(snapshot: Snapshot): void {
    assert(snapshot.slot >= this.#slot - 1, 'the state never goes back')
    const { slot, digest, sessions, machine } = decodeSnapshot(snapshot.bytes)
    this.#machine.restore(machine)
    this.sessions.restore(sessions)
    this.#slot = slot + 1
    this.#digest = digest
    this.#electorate = this.#machine.electorate()
    this.#history = new History(this.#slot, this.#limits)
    this.#history.cover(slot)
  }

  /** Applies the decision of `slot` and moves on, or stalls in front of a command this program does not know. */
  commit(batch: Batch | undefined): readonly Settled[] {
    assert(this.#stalled === undefined, 'nothing is applied after a command that is not known')
    this.#history.add(batch)
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
