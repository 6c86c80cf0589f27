import type { RequestId } from '../../base/ids.ts'
import type { Transition } from './state.ts'

/**
 * The retained transitions by their request ids. Not a `Map` of texts: V8 internalizes each text that a `Map` is asked for, and an
 * id is new with every write.
 */
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
    return this.#buckets[hashOf(requestId) % BUCKETS] as Transition[]
  }
}

/** As many as transitions are retained: most buckets have one or none. */
const BUCKETS = 1_024

/** Ids differ in their last units, if they are random or counted. */
const HASHED_UNITS = 16

/** FNV-1a (draft-eastlake-fnv) of the last units, each taken as one. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = Math.max(0, text.length - HASHED_UNITS); at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash >>> 0
}
