import { BinaryReader } from '../../../base/binary.ts'
import { text } from '../../../base/bytes.ts'
import type { PartitionId } from '../../../base/ids.ts'
import type { EngineOperation } from '../../../storage/index.ts'
import { decodeEntry } from '../entry.ts'
import { ENTRY } from '../key.ts'

/** An entry as another node's write has left it here; without a value it is gone. */
export type AppliedEntry = {
  readonly space: string
  readonly partitionKey: string
  readonly sortKey: string
  readonly value: Uint8Array | undefined
}

/** Durable and visible from now on, of whatever space; perhaps not committed yet. */
export type AppliedListener = (partition: PartitionId, entries: readonly AppliedEntry[]) => void

/** The entries among the operations of a commit. */
export function appliedEntries(operations: readonly EngineOperation[]): readonly AppliedEntry[] {
  const entries: AppliedEntry[] = []
  for (const operation of operations) {
    const { kind, key } = operation
    if (key[0] !== ENTRY) continue
    const reader = new BinaryReader(key.subarray(KEY_HEAD_BYTES))
    const space = reader.sizedText()
    const partitionKey = reader.sizedText()
    const sortKey = text(reader.rest())
    const value = kind === 'put' ? decodeEntry(operation.value).value : undefined
    entries.push({ space, partitionKey, sortKey, value })
  }
  return entries
}

/** The kind and the partition. */
const KEY_HEAD_BYTES = 3
