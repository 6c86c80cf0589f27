import type { NodeId, PartitionId } from '../../base/ids.ts'
import { PARTITION_COUNT, type PartitionTable } from './table.ts'

/** What a node says of the replicas on its own disk. */
export type Progress = {
  /** Of the last table that it has looked at; 0 before the first. */
  readonly tableVersion: number
  /** In which it has yet to get what the others have. */
  readonly behind: PartitionSet
}

/** A set of partitions as text: a bit for each, the first in the lowest bit of the first hexadecimal digit. Empty for none. */
export type PartitionSet = string

/** Whether a replica has yet to get what the others have. */
export type IsBehind = (partition: number, node: NodeId) => boolean

/** Of every set but the empty one. */
export const PARTITION_SET_LENGTH = PARTITION_COUNT / 4

export function partitionSet(partitions: ReadonlySet<PartitionId>): PartitionSet {
  if (partitions.size === 0) return ''
  const digits = new Uint8Array(PARTITION_SET_LENGTH)
  for (const partition of partitions) {
    digits[partition >> 2] = (digits[partition >> 2] ?? 0) | (1 << (partition & 3))
  }
  return Array.from(digits, (digit) => digit.toString(16)).join('')
}

export function contains(set: PartitionSet, partition: number): boolean {
  const digit = Number.parseInt(set[partition >> 2] ?? '0', 16)
  return ((digit >> (partition & 3)) & 1) === 1
}

/**
 * As the nodes have said it of this table. Whoever has not looked at it yet may have been given replicas by it without knowing,
 * and is behind everywhere.
 */
export function behindIn(table: PartitionTable, progress: ReadonlyMap<NodeId, Progress>): IsBehind {
  return (partition, node) => {
    const said = progress.get(node)
    return (said?.tableVersion ?? 0) < table.version || contains(said?.behind ?? '', partition)
  }
}
