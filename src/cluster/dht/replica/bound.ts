import { RECORDS_RETAINED } from './history.ts'

/** What bounds a replica's memory, its messages and its patience. Smaller ones make tests meet them often. */
export type ReplicaBounds = {
  /** Writes whose records are kept. */
  readonly retained: number
  /**
   * Writes that wait for other replicas, per partition: fewer than are kept, so that whatever a
   * replica may have to give up lies within what it knows.
   */
  readonly inFlight: number
  /** Of records and entries in a page of a transfer, unless one record and what it wrote are more. */
  readonly pageBytes: number
  /** Entries read at a time, if they are no more than a page. */
  readonly scanEntries: number
  /** After so many ticks a client is told that the outcome is not known. */
  readonly outcomeTicks: number
  /** After so many ticks without an answer something is asked again, or of somebody else. */
  readonly repeatTicks: number
}

/** For ticks of about 100 ms. */
export const BOUNDS: ReplicaBounds = {
  retained: RECORDS_RETAINED,
  inFlight: RECORDS_RETAINED / 2,
  pageBytes: 4 * 1_024 * 1_024,
  scanEntries: 128,
  outcomeTicks: 50,
  repeatTicks: 5,
}

/** Keys in one question of a fetch, and the entries that answer them: with the largest write they fit a page. */
export const PULLED_BYTES_MAX = 4 * 1_024 * 1_024

/** Of records and entries in any page: with what msgpack adds they fit a frame, and what does not fit one would never arrive. */
export const PAGE_BYTES_MAX = 8.5 * 1_024 * 1_024
