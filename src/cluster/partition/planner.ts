/**
 * Which nodes hold a partition. Pure: equal members, in whatever order, and an equal current placement give equal plans.
 *
 * 1. Each partition has an order of preference over all nodes, from a ring of consistent hashing: a node that comes or goes does
 *    not change how the others follow each other.
 * 2. Replicas go to as many zones as there are, first of all. A node without a zone is a zone of its own.
 * 3. No node holds, and none leads, more than `SLACK` times the mean, as far as the zones permit.
 * 4. From a current placement, only what is too much for a node is moved away from it, and what a node held that is gone.
 */
import HashRing from 'hashring'
import { assert } from '../../base/assert.ts'
import { utf8 } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { NodeId } from '../../base/ids.ts'
import { PARTITION_COUNT, type Placement } from './table.ts'

/** A node that may hold partitions. Nodes of one zone are likely to fail together. */
export type Candidate = { readonly id: NodeId; readonly zone: string | undefined }

export type PlanOptions = {
  /** At least one. */
  readonly members: readonly Candidate[]
  /** Replicas a partition; with fewer members each of them has one. */
  readonly factor: number
  /** What is to be changed as little as possible. */
  readonly current?: Placement
}

/** The replicas of every partition, in its order of preference but for the first, which is to lead it. */
export function plan(options: PlanOptions): Placement {
  assert(options.members.length > 0 && options.factor >= 1, 'a plan for nobody')
  const draft = new Draft(options)
  draft.fill()
  draft.relieve()
  return draft.lead(options.current)
}

/** How much more than the mean a node may have: half of the tenth that is promised, so that a few moves too few do no harm. */
const SLACK = 1.05

class Draft {
  readonly #ids: readonly NodeId[]
  readonly #zones: ReadonlyMap<NodeId, string>
  readonly #size: number
  readonly #capacity: number
  /** Of each partition all nodes. */
  readonly #preferences: Placement
  readonly #sets: NodeId[][]
  readonly #loads: Map<NodeId, number>

  constructor({ members, factor, current = [] }: PlanOptions) {
    const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
    this.#ids = sorted.map(({ id }) => id)
    this.#zones = new Map(sorted.map(({ id, zone }) => [id, zone ?? `/${id}`]))
    this.#size = Math.min(factor, members.length)
    this.#capacity = capacityOf((PARTITION_COUNT * this.#size) / members.length)
    this.#preferences = preferencesOf(this.#ids)
    this.#sets = this.#preferences.map((_, partition) =>
      (current[partition] ?? []).filter((id) => this.#zones.has(id)).slice(0, this.#size),
    )
    this.#loads = new Map(this.#ids.map((id) => [id, 0]))
    for (const id of this.#sets.flat()) this.#count(id, 1)
  }

  /** Gives every partition as many replicas as it has to have. */
  fill(): void {
    for (const [partition, set] of this.#sets.entries()) {
      while (set.length < this.#size) {
        const outside = this.#preference(partition).filter((id) => !set.includes(id))
        const free = outside.filter((id) => this.#isFree(id))
        const elsewhere = (ids: readonly NodeId[]) =>
          ids.find((id) => this.#zonesOf([...set, id]) > this.#zonesOf(set))
        const next = elsewhere(free) ?? elsewhere(outside) ?? free[0] ?? outside[0]
        assert(next !== undefined, 'fewer members than replicas')
        set.push(next)
        this.#count(next, 1)
      }
    }
  }

  /** Moves replicas from nodes that have too many to such as have room, the least preferred first. */
  relieve(): void {
    for (const from of this.#ids) {
      const moves = this.#loadOf(from) > this.#capacity ? this.#movesFrom(from) : []
      const moved = new Set<number>()
      for (const { partition, to } of moves) {
        if (this.#loadOf(from) <= this.#capacity) break
        if (moved.has(partition) || !this.#isFree(to)) continue
        moved.add(partition)
        this.#sets[partition] = replaced(this.#set(partition), from, to)
        this.#count(from, -1)
        this.#count(to, 1)
      }
    }
  }

  /** Puts the replica first that is to lead: the one that leads now if it can stay, else the most preferred. */
  lead(current: Placement = []): Placement {
    const leaders = this.#sets.map((set, partition) => {
      const now = current[partition]?.[0]
      const ordered = this.#ordered(partition, set)
      return now !== undefined && set.includes(now) ? now : (ordered[0] as NodeId)
    })
    balance(leaders, this.#sets, this.#ids)
    return this.#sets.map((set, partition) => {
      const first = leaders[partition] as NodeId
      return [first, ...this.#ordered(partition, set).filter((id) => id !== first)]
    })
  }

  /** All that could go from a node, those first that come closest to the preferences. */
  #movesFrom(from: NodeId): readonly { readonly partition: number; readonly to: NodeId }[] {
    const moves = this.#sets.flatMap((set, partition) => {
      if (!set.includes(from)) return []
      const preference = this.#preference(partition)
      const isAllowed = (to: NodeId) =>
        !set.includes(to) && this.#zonesOf(replaced(set, from, to)) >= this.#zonesOf(set)
      return preference
        .map((to, rank) => ({ partition, to, cost: rank - preference.indexOf(from) }))
        .filter(({ to }) => isAllowed(to))
    })
    return moves.sort((a, b) => a.cost - b.cost || a.partition - b.partition)
  }

  #ordered(partition: number, set: readonly NodeId[]): readonly NodeId[] {
    return this.#preference(partition).filter((id) => set.includes(id))
  }

  #preference(partition: number): readonly NodeId[] {
    return this.#preferences[partition] as readonly NodeId[]
  }

  #set(partition: number): readonly NodeId[] {
    return this.#sets[partition] as readonly NodeId[]
  }

  #zonesOf(set: readonly NodeId[]): number {
    return new Set(set.map((id) => this.#zones.get(id))).size
  }

  #loadOf(id: NodeId): number {
    return this.#loads.get(id) as number
  }

  #isFree(id: NodeId): boolean {
    return this.#loadOf(id) < this.#capacity
  }

  #count(id: NodeId, change: 1 | -1): void {
    this.#loads.set(id, this.#loadOf(id) + change)
  }
}

/** Of each partition all nodes, as they follow it on the ring. */
function preferencesOf(ids: readonly NodeId[]): Placement {
  const ring = new HashRing(ids, (text) => sha256(utf8(text)))
  return Array.from(
    { length: PARTITION_COUNT },
    (_, partition) => ring.range(`partition ${partition}`, ids.length) as NodeId[],
  )
}

/** Changes `leaders` until none leads too many, with as few changes as possible. */
function balance(leaders: NodeId[], sets: Placement, ids: readonly NodeId[]): void {
  const capacity = capacityOf(PARTITION_COUNT / ids.length)
  const counts = new Map(ids.map((id) => [id, 0]))
  const count = (id: NodeId, change: 1 | -1) => counts.set(id, (counts.get(id) ?? 0) + change)
  for (const leader of leaders) count(leader, 1)
  for (const from of ids) {
    while ((counts.get(from) ?? 0) > capacity) {
      const chain = chainFrom(from, leaders, sets, (id) => (counts.get(id) ?? 0) < capacity)
      if (chain === undefined) break
      for (const { partition, to } of chain) leaders[partition] = to
      count(from, -1)
      count(chain.at(-1)?.to as NodeId, 1)
    }
  }
}

/** The shortest chain of changes by which `from` leads one less and a node that has room one more. */
function chainFrom(
  from: NodeId,
  leaders: readonly NodeId[],
  sets: Placement,
  hasRoom: (id: NodeId) => boolean,
): readonly Change[] | undefined {
  const chains = new Map<NodeId, readonly Change[]>([[from, []]])
  for (const [id, chain] of chains) {
    for (const [partition, set] of sets.entries()) {
      if (leaders[partition] !== id) continue
      for (const to of set) {
        if (chains.has(to)) continue
        const longer = [...chain, { partition, to }]
        if (hasRoom(to)) return longer
        chains.set(to, longer)
      }
    }
  }
  return undefined
}

type Change = { readonly partition: number; readonly to: NodeId }

function capacityOf(mean: number): number {
  return Math.max(Math.ceil(mean), Math.floor(mean * SLACK))
}

function replaced(set: readonly NodeId[], from: NodeId, to: NodeId): NodeId[] {
  return set.map((id) => (id === from ? to : id))
}
