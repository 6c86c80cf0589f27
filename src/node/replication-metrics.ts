import { Counter, Gauge, type Registry } from 'prom-client'
import type { NodeId } from '../base/ids.ts'

/** How the copies fare that this node holds and leads; counts since the start of the process. */
export type ReplicationHealth = {
  readonly replicas: {
    /** Partitions that this node serves as their primary, and those that it has yet to. */
    readonly led: number
    readonly takingOver: number
    /** By node, in how many partitions led here it lacks something that was ordered more than a moment ago. */
    readonly lagging: ReadonlyMap<NodeId, number>
    /** Partitions taken over. */
    readonly takeovers: number
    /** Requests of former primaries that were refused. */
    readonly fenced: number
    /** Requests of clients that found no quorum in time. */
    readonly quorumRefusals: number
  }
  readonly chunks: {
    /** That this node is to have and has not, as far as it knows. */
    readonly missing: number
    /** That were missing or damaged here and were fetched from another node. */
    readonly repaired: number
    /** It has looked for those that it is to have, and lacks none. */
    readonly isSettled: boolean
  }
}

/** Shows it under `aether_`. */
export function showReplication(registry: Registry, health: () => ReplicationHealth): void {
  const registers = [registry]
  new Gauge({
    name: 'aether_replicas_lagging',
    help: 'Partitions led by this node of which the member lacks something that was ordered more than a moment ago.',
    labelNames: ['member'],
    registers,
    collect() {
      this.reset()
      for (const [member, partitions] of health().replicas.lagging) this.set({ member }, partitions)
    },
  })
  gauge(
    'aether_partitions_taking_over',
    'Partitions led by this node that it does not serve yet.',
    {
      registers,
      now: () => health().replicas.takingOver,
    },
  )
  gauge('aether_chunks_missing', 'Chunks of blobs that this node is to have and has not.', {
    registers,
    now: () => health().chunks.missing,
  })
  counter('aether_takeovers_total', 'Partitions that this node has taken over from another.', {
    registers,
    now: () => health().replicas.takeovers,
  })
  counter(
    'aether_fenced_requests_total',
    'Requests of former primaries that this node has refused.',
    { registers, now: () => health().replicas.fenced },
  )
  counter(
    'aether_quorum_refusals_total',
    'Requests that this node, as a primary, could not answer for sure because too few replicas answered it.',
    { registers, now: () => health().replicas.quorumRefusals },
  )
  counter(
    'aether_chunks_repaired_total',
    'Chunks of blobs that were missing or damaged here and were fetched from another node.',
    { registers, now: () => health().chunks.repaired },
  )
}

type Shown = { readonly registers: Registry[]; readonly now: () => number }

function gauge(name: string, help: string, { registers, now }: Shown): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(now())
    },
  })
}

function counter(name: string, help: string, { registers, now }: Shown): void {
  new Counter({
    name,
    help,
    registers,
    collect() {
      this.reset()
      this.inc(now())
    },
  })
}
