import type { NodeId } from '../../base/ids.ts'
import type { Electorate } from './electorate.ts'
import type { Ledger } from './ledger.ts'
import type { Witness } from './message.ts'
import type { RabiaOptions } from './options.ts'
import type { Outbox } from './outbox.ts'
import { type Position, Recall } from './recall.ts'

/** Whether this node votes in the current slot, and who else does. */
export class Franchise {
  readonly #options: RabiaOptions
  readonly #ledger: Ledger
  readonly #out: Outbox
  readonly #recall: Recall
  #electorate: Electorate | undefined
  #isVoter = false
  #hasStarted = false

  constructor(options: RabiaOptions, ledger: Ledger, out: Outbox) {
    this.#options = options
    this.#ledger = ledger
    this.#out = out
    this.#recall = new Recall(options.self, options.boot)
    this.update()
  }

  /** Whether it is a member of the electorate. */
  get isVoter(): boolean {
    return this.#isVoter
  }

  /** Whether enough members have told what they have heard of it, and none anything that its log does not have. */
  get isRecalled(): boolean {
    return this.#recall.isDone(this.#ledger.electorate)
  }

  /** Whether it may say anything. */
  get mayVote(): boolean {
    return this.#isVoter && this.isRecalled
  }

  /** Whether it has a vote that it may not use yet. */
  get isWaiting(): boolean {
    return this.#isVoter && !this.isRecalled
  }

  /** The log has been read, and leaves the node at `position`. */
  start(position: Position): void {
    this.#hasStarted = true
    if (this.#isVoter) this.#recall.start(position)
  }

  /** The node says something new. */
  speak(): void {
    this.#recall.speak()
  }

  /** The ledger has moved: the electorate may be another one, and the peers with it. */
  update(): void {
    const { self, contacts = [], isSelf } = this.#options
    const { electorate } = this.#ledger
    if (electorate === this.#electorate) return
    this.#electorate = electorate
    this.#isVoter = electorate.members.includes(self) && (isSelf?.() ?? true)
    // All that vote in the first slots, where a node that joins may begin, may be gone for long.
    const known = this.#isVoter ? electorate.members : [...electorate.members, ...contacts]
    this.#out.peers = [...new Set(known)].filter((node) => node !== self)
    if (this.#hasStarted) this.ask(this.#out.peers)
  }

  /** Asks those of `peers` that have not said it yet what they have heard of this node (R15). */
  ask(peers: readonly NodeId[]): void {
    if (!this.#isVoter) return
    const { boot } = this.#options
    this.#out.send(this.#recall.unanswered(peers), { kind: 'recall', boot })
  }

  /** Takes an answer for a node that is at `position`. */
  hear(from: NodeId, witness: Witness, position: Position): void {
    // A stalled node has not read its log to the end, and another incarnation has another log.
    if (this.#ledger.stalled !== undefined || !this.#isVoter) return
    if (this.#recall.hear(from, witness, position)) return
    this.#out.push({ kind: 'fatal', reason: 'rolled-back' })
  }
}
