import type { SlotNumber } from './ballot.ts'

/** When a replica repeats itself and when it asks what it has missed. Time is counted in ticks. */
export class Pace {
  #ticks = 0
  #slotAtTick: SlotNumber = 0
  #hasAsked = false
  /** The highest slot that some node has reached. */
  #highest: SlotNumber = 0

  /**
   * Time has passed, the replica is at `slot`, and `isBusy` with it or not. A slot that has lasted a whole tick needs
   * repetition; an idle replica asks the others in turn.
   */
  tick(slot: SlotNumber, isBusy: boolean): 'repeat' | 'ask' | 'wait' {
    const isStuck = slot === this.#slotAtTick
    this.#slotAtTick = slot
    this.#hasAsked = false
    this.#ticks++
    if (isBusy || this.#highest > slot) return isStuck ? 'repeat' : 'wait'
    return this.#ticks % IDLE_TICKS === 0 ? 'ask' : 'wait'
  }

  /** Whose turn it is to be asked, of `count`. */
  turn(count: number): number {
    return (this.#ticks / IDLE_TICKS) % count
  }

  /** Somebody has reached `slot`. */
  reached(slot: SlotNumber): void {
    this.#highest = Math.max(this.#highest, slot)
  }

  /** Somebody has reached `slot`; returns whether a replica at `own` asks it at once, once per tick. */
  hearOf(slot: SlotNumber, own: SlotNumber): boolean {
    this.reached(slot)
    // The next slot is no sign of a gap: its first ballots overtake the last ones of this slot.
    if (slot <= own + 1 || this.#hasAsked) return false
    this.#hasAsked = true
    return true
  }
}

/** Often enough for a silent gap to close in a second, seldom enough to cost nothing. */
const IDLE_TICKS = 16
