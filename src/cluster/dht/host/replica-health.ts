import type { NodeId } from '../../../base/ids.ts'
import type { Result } from '../../../base/result.ts'
import type { Replica, ReplicaMessage, Role } from '../replica/index.ts'

/** The replicas of a node at one moment, and what has happened since it was started. */
export type ReplicaHealth = {
  /** Partitions that this node serves, or is taking over. */
  readonly led: number
  readonly takingOver: number
  /** Replicas here that lack something, as they know themselves. */
  readonly behind: number
  /** By node, partitions led here of which that node lacks something ordered more than a moment ago. */
  readonly lagging: ReadonlyMap<NodeId, number>
  /** Partitions that this node has taken over. */
  readonly takeovers: number
  /** Requests of an earlier epoch that this node has refused. */
  readonly fenced: number
  /** Requests that this node could not answer because too few replicas did. */
  readonly quorumRefusals: number
}

/** What has happened. */
export class HealthCounts {
  #takeovers = 0
  #fenced = 0
  #quorumRefusals = 0

  sent({ kind }: ReplicaMessage): void {
    if (kind === 'fenced') this.#fenced++
  }

  replied(result: Result<unknown, { readonly kind: string }>): void {
    if (result.ok) return
    const { kind } = result.error
    if (kind === 'unavailable' || kind === 'outcome-unknown') this.#quorumRefusals++
  }

  changed(before: Role, now: Role): void {
    if (before === 'taking-over' && now === 'primary') this.#takeovers++
  }

  health(replicas: Iterable<Observed | undefined>): ReplicaHealth {
    const lagging = new Map<NodeId, number>()
    let led = 0
    let takingOver = 0
    let behind = 0
    for (const observed of replicas) {
      if (observed === undefined) continue
      const { replica, role } = observed
      const { isComplete, isFetching } = replica.status()
      if (role === 'primary') led++
      if (role === 'taking-over') takingOver++
      if (!isComplete || isFetching) behind++
      for (const node of replica.lagging()) lagging.set(node, (lagging.get(node) ?? 0) + 1)
    }
    const counts = { takeovers: this.#takeovers, fenced: this.#fenced }
    return { led, takingOver, behind, lagging, ...counts, quorumRefusals: this.#quorumRefusals }
  }
}

/** A replica and what it does. */
type Observed = { readonly replica: Replica; readonly role: Role }
