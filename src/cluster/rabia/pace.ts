import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'

/** When a replica repeats itself and when it asks what it has missed. Time is counted in ticks. */
export class Pace {
  #ticks = 0
  #slotAtTick: SlotNumber = 0
  /** For how many ticks there has been something to do in this slot. */
  #stuckTicks = 0
  #hasAsked = false
  /** The highest slot that some node has reached. */
  #highest: SlotNumber = 0

  /**
   * Time has passed, the replica is at `slot`, and `isBusy` with it or not. A slot that has lasted a whole tick needs
   * repetition, less and less often: repetitions carry whole batches. An idle replica asks the others in turn.
   */
  tick(slot: SlotNumber, isBusy: boolean): 'repeat' | 'ask' | 'wait' {
    const hasWork = isBusy || this.#highest > slot
    this.#stuckTicks = hasWork && slot === this.#slotAtTick ? this.#stuckTicks + 1 : 0
    this.#slotAtTick = slot
    this.#hasAsked = false
    this.#ticks++
    if (hasWork) return isDue(this.#stuckTicks) ? 'repeat' : 'wait'
    return this.#ticks % IDLE_TICKS === 0 ? 'ask' : 'wait'
  }

  /** The one of `peers` whose turn it is to be asked. */
  turn(peers: readonly NodeId[]): readonly NodeId[] {
    const place = Math.floor(this.#ticks / IDLE_TICKS) % peers.length
    return peers.slice(place, place + 1)
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

/** Soon enough after a long outage, also when nobody notices that a connection has come back. */
const REPEAT_TICKS_MAX = 8

/** The first, second, fourth and every eighth. */
function isDue(ticks: number): boolean {
  if (ticks >= REPEAT_TICKS_MAX) return ticks % REPEAT_TICKS_MAX === 0
  return ticks === 1 || ticks === 2 || ticks === 4
}
