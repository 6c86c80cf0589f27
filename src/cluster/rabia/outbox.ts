import type { NodeId } from '../../base/ids.ts'
import type { Effect } from './effect.ts'
import type { Message } from './message.ts'

/** The effects of one step, in order. */
export class Outbox {
  /** Whom a broadcast reaches. */
  peers: readonly NodeId[] = []
  #effects: Effect[] = []

  push(...effects: readonly Effect[]): void {
    for (const effect of effects) this.#effects.push(effect)
  }

  send(to: readonly NodeId[], message: Message): void {
    if (to.length > 0) this.#effects.push({ kind: 'send', to, message })
  }

  broadcast(message: Message): void {
    this.send(this.peers, message)
  }

  /** Everything since the last call. */
  drain(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
