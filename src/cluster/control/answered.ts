import type { RequestId } from '../../base/ids.ts'
import { digestText } from '../../base/text-digest.ts'
import type { Transition } from './state.ts'

/** The retained transitions by their request ids, in buckets: each id is new, so a `Map` would have to internalize them all. */
export class Answered {
  #buckets: Transition[][] = []

  constructor() {
    this.clear()
  }

  find(requestId: RequestId): Transition | undefined {
    for (const transition of this.#bucketOf(requestId)) {
      if (transition.requestId === requestId) return transition
    }
    return undefined
  }

  add(transition: Transition): void {
    this.#bucketOf(transition.requestId).push(transition)
  }

  /** Of all that are here it was added first. */
  removeOldest({ requestId }: Transition): void {
    this.#bucketOf(requestId).shift()
  }

  clear(): void {
    this.#buckets = Array.from({ length: BUCKETS }, () => [])
  }

  #bucketOf(requestId: RequestId): Transition[] {
    return this.#buckets[digestText(requestId) % BUCKETS] as Transition[]
  }
}

/** As many as transitions are retained: most buckets have one or none. */
const BUCKETS = 1_024
