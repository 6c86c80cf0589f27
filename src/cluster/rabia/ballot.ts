import type { BatchId } from './batch.ts'

/** The place of a decision in the log, from 1. */
export type SlotNumber = number

/** A round of the binary agreement within one slot, from 1. Slots and phases never mix (R8). */
export type Phase = number

/** The three exchanges of the paper's Algorithm 2, in order. A proposal has phase 0. */
export type Stage = 'proposal' | 'state' | 'vote'

/** 0 forfeits the slot, 1 is for the batch, '?' (votes only) saw no majority. */
export type Value = 0 | 1 | '?'

/**
 * What a member says in one stage of a slot, once and for ever: it is on disk before anybody hears it. `batch` is set
 * exactly when `value` is not 0: a state or vote for 1 names what it is for (R1), and '?' names what it could not
 * exclude, so that a coin of 1 has a meaning also after a restart.
 */
export type Ballot = {
  readonly stage: Stage
  readonly phase: Phase
  readonly value: Value
  readonly batch: BatchId | undefined
}

/** The place of a ballot among those of its member in a slot (`slot.ts`). */
export function roundOf(ballot: Ballot): number {
  if (ballot.stage === 'proposal') return 0
  return ballot.stage === 'state' ? 2 * ballot.phase - 1 : 2 * ballot.phase
}

/** Whether two ballots of one round say the same. */
export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.value === b.value && a.batch === b.batch
}
