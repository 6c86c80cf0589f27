import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import {
  contains,
  type PartitionTable,
  partitionsLed,
  type Standing,
  underReplicated,
} from '../partition/index.ts'
import type { ClusterStatus, MemberStatus, PartitionStatus } from './admin.ts'
import { missingQuorum } from './change.ts'
import type { MemberHealth } from './detector.ts'
import { progressOf } from './standing.ts'
import type { Observations } from './view.ts'
import type { Applicant } from './waiting.ts'

/** What a node knows of its cluster, put together for whoever asks. */
export function clusterStatus(known: Known): ClusterStatus {
  const { cluster, committed, observed, table, health } = known
  return {
    cluster,
    self: observed.self,
    epoch: committed.epoch,
    slot: observed.applied.get(observed.self) ?? 0,
    hasQuorum: missingQuorum(committed, observed) === undefined,
    members: memberStatuses(known),
    waiting: known.applicants.map(({ id, address }) => ({ id, address })),
    partitions: table === undefined ? undefined : partitionStatus(table, health),
  }
}

export type Known = {
  readonly cluster: string
  readonly committed: MembershipSnapshot
  readonly observed: Observations
  readonly applicants: readonly Applicant[]
  readonly health: readonly MemberHealth[]
  readonly table: PartitionTable | undefined
}

function memberStatuses({ committed, observed, health }: Known): readonly MemberStatus[] {
  const { self, connected, applied } = observed
  const latest = Math.max(0, ...applied.values())
  return committed.members.map(({ id, address, role }) => {
    const slot = applied.get(id)
    return {
      id,
      address,
      role,
      state: health.find((each) => each.id === id)?.state ?? 'up',
      isConnected: id === self || connected.has(id),
      behindSlots: slot === undefined ? undefined : latest - slot,
    }
  })
}

function partitionStatus(table: PartitionTable, health: readonly MemberHealth[]): PartitionStatus {
  const standings = new Map(
    health.map(({ id, state }): [NodeId, Standing] => [id, state === 'down' ? 'down' : 'present']),
  )
  const progress = progressOf(health)
  // Who has yet to look at the newest table is not taken for one that lacks something.
  const isBehind = (partition: number, id: NodeId) =>
    contains(progress.get(id)?.behind ?? '', partition)
  const led = [...partitionsLed(table)].map(([node, partitions]) => ({ node, partitions }))
  return {
    tableVersion: table.version,
    total: table.rows.length,
    underReplicated: underReplicated(table, standings, isBehind),
    led,
  }
}
