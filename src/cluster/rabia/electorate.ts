import type { NodeId } from '../../base/ids.ts'

/**
 * Who votes in a slot. It is data committed by earlier slots, never a count of live connections (R9): `members` is
 * ascending and without duplicates, and `epoch` grows by one with each change.
 */
export type Electorate = { readonly epoch: number; readonly members: readonly NodeId[] }

/** An electorate of `members` in any order. */
export function electorate(epoch: number, members: readonly NodeId[]): Electorate {
  return { epoch, members: [...new Set(members)].sort() }
}

/** How many members may be silent: f, the largest with n ≥ 2f + 1. */
export function tolerated(n: number): number {
  return Math.floor((n - 1) / 2)
}

/** How many ballots a stage waits for: n − f. */
export function quorum(n: number): number {
  return n - tolerated(n)
}

/** How many equal ballots make a majority of all members: ⌊n/2⌋ + 1. */
export function majority(n: number): number {
  return Math.floor(n / 2) + 1
}
