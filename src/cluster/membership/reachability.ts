import type { NodeId } from '../../base/ids.ts'
import type { Report } from '../report.ts'
import type { RefusalReason } from '../wire/index.ts'

/** Why peers are not reached, for the operator; of what repeats itself the first time is told. */
export class Reachability {
  readonly #report: Report
  readonly #refusals = new Map<NodeId, RefusalReason>()
  readonly #failures = new Map<NodeId, string>()

  constructor(report: Report) {
    this.#report = report
  }

  /** Peers that do not admit this node, as they last said. */
  get refusals(): ReadonlyMap<NodeId, RefusalReason> {
    return this.#refusals
  }

  reached(peer: NodeId): void {
    this.#refusals.delete(peer)
    this.#failures.delete(peer)
    this.#report('info', 'a node can be reached', { peer })
  }

  /**
   * An attempt has failed, or a connection has ended. Those that end with a refusal are told as that. Of a peer that has said
   * that it would stop it is no news.
   */
  failed(peer: NodeId, reason: string, isLeaving = false): void {
    if (isLeaving || this.#refusals.has(peer) || this.#failures.get(peer) === reason) return
    this.#failures.set(peer, reason)
    this.#report('warn', 'a node cannot be reached', { peer, reason })
  }

  refused(peer: NodeId, reason: RefusalReason, epoch: number): void {
    if (this.#refusals.get(peer) !== reason) {
      this.#report('warn', 'a node does not admit this one', { peer, reason, epoch })
    }
    this.#refusals.set(peer, reason)
  }
}
