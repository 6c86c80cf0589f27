import type { NodeId } from '../../base/ids.ts'
import type { Effect } from './effect.ts'
import type { Message } from './message.ts'

/** The effects of one step, in order. */
export class Outbox {
  /** Whom a broadcast reaches. */
  peers: readonly NodeId[] = []
  #effects: Effect[] = []
  #held: Message[] = []

  push(...effects: readonly Effect[]): void {
    for (const effect of effects) this.#effects.push(effect)
  }

  send(to: readonly NodeId[], message: Message): void {
    if (to.length > 0) this.#effects.push({ kind: 'send', to, message })
  }

  broadcast(message: Message): void {
    this.release()
    this.send(this.peers, message)
  }

  /** Broadcasts the message right before the next one, for it is needed no earlier: together they cost little more than one. */
  hold(message: Message): void {
    this.#held.push(message)
  }

  /** Broadcasts what is held now. */
  release(): void {
    const held = this.#held
    this.#held = []
    for (const message of held) this.send(this.peers, message)
  }

  /** Everything since the last call. */
  drain(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
