import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ConsensusMeter } from '../cluster/control/consensus.driver.ts'
import type { ClusterStatus } from '../cluster/membership/index.ts'
import { DROP_REASONS, type FrameCounts } from '../cluster/wire/index.ts'

/** Counts what the log does, under `aether_consensus_`. */
export function consensusMeter(registry: Registry): ConsensusMeter {
  const registers = [registry]
  const slots = new Counter({
    name: 'aether_consensus_slots_total',
    help: 'Slots of the log that this node has applied.',
    registers,
  })
  const forfeited = new Counter({
    name: 'aether_consensus_forfeited_slots_total',
    help: 'Applied slots in which the voters agreed on no batch.',
    registers,
  })
  const phases = new Histogram({
    name: 'aether_consensus_phases_per_slot',
    help: 'Phases that a slot took, of slots that this node has decided itself.',
    buckets: [1, 2, 3, 4, 6, 8, 16],
    registers,
  })
  const requests = new Histogram({
    name: 'aether_consensus_requests_per_batch',
    help: 'Requests in a batch that was decided on.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers,
  })
  const syncs = new Histogram({
    name: 'aether_consensus_sync_duration_seconds',
    help: 'From handing records to the consensus log until they were durable.',
    buckets: [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
    registers,
  })
  const snapshots = new Counter({
    name: 'aether_consensus_snapshots_total',
    help: 'Snapshots of the control state made durable, own and received ones.',
    registers,
  })
  return {
    applied(requestCount, phaseCount, isForfeited) {
      slots.inc()
      if (isForfeited) forfeited.inc()
      else requests.observe(requestCount)
      if (phaseCount > 0) phases.observe(phaseCount)
    },
    synced: (durationMs) => syncs.observe(durationMs / 1_000),
    saved: () => snapshots.inc(),
  }
}

/** Shows how far the nodes are and how well they are connected, under `aether_consensus_` and `aether_cluster_`. */
export function showCluster(registry: Registry, cluster: ShownCluster): void {
  const registers = [registry]
  new Gauge({
    name: 'aether_consensus_applied_slot',
    help: 'The last slot that this node has applied.',
    registers,
    collect() {
      this.set(cluster.status().slot)
    },
  })
  showPeers(registry, cluster.status)
  showPartitions(registry, cluster)
  new Counter({
    name: 'aether_cluster_frames_dropped_total',
    help: 'Frames between nodes that were not delivered, by the reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const reason of DROP_REASONS) this.inc({ reason }, cluster.dropped[reason])
    },
  })
}

export type ShownCluster = {
  readonly status: () => ClusterStatus
  readonly dropped: FrameCounts
  readonly partitions: { readonly led: number; readonly failovers: number }
}

/** Shows who is up and how the partitions fare, under `aether_cluster_` and `aether_partitions_`. */
function showPartitions(registry: Registry, { status, partitions }: ShownCluster): void {
  const registers = [registry]
  new Gauge({
    name: 'aether_cluster_member_up',
    help: '0 when a majority of the voters has no contact with the member, as this node sees it.',
    labelNames: ['member'],
    registers,
    collect() {
      this.reset()
      for (const { id, state } of status().members) {
        this.set({ member: id }, state === 'down' ? 0 : 1)
      }
    },
  })
  new Gauge({
    name: 'aether_partitions_led',
    help: 'Partitions that this node leads.',
    registers,
    collect() {
      this.set(partitions.led)
    },
  })
  new Gauge({
    name: 'aether_partitions_underreplicated',
    help: 'Partitions of the cluster with a replica on a member that is down.',
    registers,
    collect() {
      this.set(status().partitions?.underReplicated ?? 0)
    },
  })
  new Counter({
    name: 'aether_failovers_total',
    help: 'Members that were down and whose partitions this node has given to others; the sum over all nodes counts each once.',
    registers,
    collect() {
      this.reset()
      this.inc(partitions.failovers)
    },
  })
}

function showPeers(registry: Registry, status: () => ClusterStatus): void {
  const peers = () => {
    const { members, self } = status()
    return members.filter(({ id }) => id !== self)
  }
  new Gauge({
    name: 'aether_cluster_peer_lag_slots',
    help: 'How many slots a peer is known to be behind.',
    labelNames: ['peer'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { id, behindSlots } of peers()) {
        if (behindSlots !== undefined) this.set({ peer: id }, behindSlots)
      }
    },
  })
  new Gauge({
    name: 'aether_cluster_peer_connected',
    help: 'Whether this node reaches the peer.',
    labelNames: ['peer'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { id, isConnected } of peers()) this.set({ peer: id }, isConnected ? 1 : 0)
    },
  })
}
