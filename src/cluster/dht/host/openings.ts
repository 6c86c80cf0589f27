import type { NodeId, PartitionId } from '../../../base/ids.ts'
import type { Replica, ReplicaMessage } from '../replica/index.ts'

/** The partitions that are being opened, and what others have said to them meanwhile. */
export class Openings {
  readonly #open: Opener
  readonly #opening = new Map<PartitionId, Opening>()

  constructor(open: Opener) {
    this.#open = open
  }

  /** Begins it, or joins in. */
  open(partition: PartitionId): Promise<Replica> {
    return this.#of(partition).replica
  }

  /** Keeps the message until the replica is open; begins to open it. */
  hold(partition: PartitionId, held: Held): Promise<Replica> {
    const opening = this.#of(partition)
    if (opening.held.length < HELD_MAX) opening.held.push(held)
    return opening.replica
  }

  /** Resolves when all have come to an end. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#opening.values()].map(({ replica }) => replica))
  }

  #of(partition: PartitionId): Opening {
    const known = this.#opening.get(partition)
    if (known !== undefined) return known
    const held: Held[] = []
    const replica = this.#open(partition, held).finally(() => this.#opening.delete(partition))
    const opening = { replica, held }
    this.#opening.set(partition, opening)
    return opening
  }
}

/** Takes what is `held` at the end. */
export type Opener = (partition: PartitionId, held: readonly Held[]) => Promise<Replica>

export type Held = { readonly from: NodeId; readonly message: ReplicaMessage }

type Opening = { readonly replica: Promise<Replica>; readonly held: Held[] }

/** Of one partition; what is lost is said again. */
const HELD_MAX = 16
