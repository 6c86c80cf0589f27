import type { NodeId } from '../../base/ids.ts'
import type { MembershipSnapshot } from '../control/index.ts'
import {
  behindIn,
  type PartitionTable,
  partitionsLed,
  type Standing,
  underReplicated,
} from '../partition/index.ts'
import type { Vitals } from '../wire/index.ts'
import type { ClusterStatus, MemberStatus, MemberVitals, PartitionStatus } from './admin.ts'
import { missingQuorum } from './change.ts'
import type { MemberHealth } from './detector.ts'
import { progressOf } from './standing.ts'
import { type Observations, votersOf } from './view.ts'
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
    partitions:
      table === undefined ? undefined : partitionStatus(table, votersOf(committed).length, health),
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

function memberStatuses({ committed, observed, health, table }: Known): readonly MemberStatus[] {
  const { self, connected, applied } = observed
  const latest = Math.max(0, ...applied.values())
  const isBehind = table === undefined ? () => false : behindIn(table, progressOf(health))
  return committed.members.map(({ id, address, role }) => {
    const slot = applied.get(id)
    const member = health.find((each) => each.id === id)
    const held = partitionsOf(id, table)
    return {
      id,
      address,
      role,
      state: member?.state ?? 'up',
      isConnected: id === self || connected.has(id),
      behindSlots: slot === undefined ? undefined : latest - slot,
      replicas: held.length,
      replicasBehind: Math.max(
        held.filter((partition) => isBehind(partition, id)).length,
        lagging(id, health),
      ),
      vitals: member?.vitals === undefined ? undefined : shown(member.vitals),
    }
  })
}

/** Of which it is to hold a replica. */
function partitionsOf(id: NodeId, table: PartitionTable | undefined): readonly number[] {
  const rows = table?.rows ?? []
  return rows.flatMap(({ replicas }, partition) => (replicas.includes(id) ? [partition] : []))
}

/**
 * How many replicas of the node lack something by the word of those who lead them. Both this and its own word may be right: a node
 * does not know of writes that it has not heard of, nor a primary of replicas that it does not lead.
 */
function lagging(id: NodeId, health: readonly MemberHealth[]): number {
  return health
    .filter(({ state }) => state !== 'down')
    .flatMap(({ vitals }) => vitals?.lagging ?? [])
    .filter(({ node }) => node === id)
    .reduce((sum, { partitions }) => sum + partitions, 0)
}

function shown({ lagging: _, ...vitals }: Vitals): MemberVitals {
  return vitals
}

function partitionStatus(
  table: PartitionTable,
  voters: number,
  health: readonly MemberHealth[],
): PartitionStatus {
  const standings = new Map(
    health.map(({ id, state }): [NodeId, Standing] => [id, state === 'down' ? 'down' : 'present']),
  )
  const isBehind = behindIn(table, progressOf(health))
  const led = [...partitionsLed(table)].map(([node, partitions]) => ({ node, partitions }))
  return {
    tableVersion: table.version,
    total: table.rows.length,
    underReplicated: underReplicated(table, Math.min(table.factor, voters), standings, isBehind),
    led,
  }
}
