import type { Brand, NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'

/** Names one batch and its content for ever: `origin/boot/seq`. */
export type BatchId = Brand<string, 'BatchId'>

/**
 * A command on behalf of a client. `client` and `seq` make its effect happen once, however often it is sent: a client
 * has one request open at a time, counts them up from 1 and keeps the number for retries. Both texts are well-formed: half a
 * surrogate pair would be another text on other nodes.
 */
export type Request = {
  readonly client: string
  readonly seq: number
  readonly command: string
}

/**
 * What one slot decides on: requests gathered by the node `origin`. `boot` is different for every start of that node,
 * so that an id never names two contents. `stamp` is the slot the origin worked on when it sealed the batch; queues are
 * ordered by (stamp, origin, seq), a hint that never affects safety (R11).
 */
export type Batch = {
  readonly id: BatchId
  readonly origin: NodeId
  readonly seq: number
  readonly stamp: SlotNumber
  readonly requests: readonly Request[]
}

/** Of a bundle. One of each voter; their names together are no longer than a name may be. */
export const PARTS_MAX = 5

/** The id of the batch that `origin` seals as its `seq`th since it started as `boot`. */
export function batchId(origin: NodeId, boot: string, seq: number): BatchId {
  return `${origin}/${boot}/${seq}` as BatchId
}

/**
 * Batches that are decided together, as one: the same on every node that has the same `parts`. Of one part it is that part. It
 * is never queued: its parts are.
 */
export function bundle(parts: readonly [Batch, ...Batch[]]): Batch {
  const [first] = parts
  if (parts.length === 1) return first
  const whole = {
    id: parts.map(({ id }) => id).join(JOINT) as BatchId,
    origin: first.origin,
    seq: parts.at(-1)?.seq ?? first.seq,
    // As if all were as old as the oldest, which is never too young for anything forgotten (R12).
    stamp: Math.min(...parts.map(({ stamp }) => stamp)),
    requests: parts.flatMap(({ requests }) => requests),
  }
  bundled.set(whole, parts)
  return whole
}

/** What a batch was bundled of; itself, when nothing was. */
export function bundledIn(batch: Batch): readonly Batch[] {
  return bundled.get(batch) ?? [batch]
}

/** The ids of what was bundled under `id`; itself, when nothing was. */
export function partsOf(id: BatchId): readonly BatchId[] {
  return id.split(JOINT) as BatchId[]
}

/** No name of a node has it. */
const JOINT = '+'

const bundled = new WeakMap<Batch, readonly Batch[]>()
