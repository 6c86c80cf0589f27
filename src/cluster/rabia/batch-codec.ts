import { Packr } from 'msgpackr'
import { concat } from '../../base/bytes.ts'
import type { NodeId } from '../../base/ids.ts'
import { KEY_BYTES_MAX } from '../../base/port.ts'
import { type Batch, type BatchId, bundle, bundledIn, PARTS_MAX, type Request } from './batch.ts'

/**
 * A batch as bytes, which its origin makes once: the same go over the wire, into the log and into the history of every node. A
 * bundle is its parts one after the other. Nobody may change them.
 */
export function encodeBatch(batch: Batch): Uint8Array {
  const known = encoded.get(batch)
  if (known !== undefined) return known
  const parts = bundledIn(batch)
  const bytes = parts.length > 1 ? concat(parts.map(encodeBatch)) : encodePart(batch)
  encoded.set(batch, bytes)
  return bytes
}

/** The inverse, or undefined for bytes that are no batch. They are kept, as those of what is returned. */
export function decodeBatch(bytes: Uint8Array): Batch | undefined {
  const parts: (Batch | undefined)[] = []
  try {
    packr.unpackMultiple(bytes, (packed, start, end) => {
      const part = partOf(packed)
      if (part !== undefined) encoded.set(part, bytes.subarray(start, end))
      parts.push(part)
      return parts.length <= PARTS_MAX
    })
  } catch {
    return undefined
  }
  const [first, ...rest] = parts.filter((part) => part !== undefined)
  if (first === undefined || rest.length < parts.length - 1) return undefined
  if (parts.length > PARTS_MAX) return undefined
  const batch = bundle([first, ...rest])
  encoded.set(batch, bytes)
  return batch
}

/** Lists, numbers and texts are all that is used of msgpack. */
const packr = new Packr({ useRecords: false })

const encoded = new WeakMap<Batch, Uint8Array>()

/** Node ids are shorter; so is the name of a batch, made of one, its boot and a count. */
const NAME_UNITS_MAX = 512

/** One list of what a batch has, its requests one after the other. */
function encodePart({ id, origin, seq, stamp, requests }: Batch): Uint8Array {
  const flat: (string | number)[] = []
  for (const request of requests) flat.push(request.client, request.seq, request.command)
  // A copy of its size: what is packed lies in a memory that all packers share, and that grows with the largest message.
  return new Uint8Array(packr.pack([id, origin, seq, stamp, flat]))
}

/** Of what another program has packed: every type, range and length is checked. */
function partOf(packed: unknown): Batch | undefined {
  if (!Array.isArray(packed) || packed.length !== 5) return undefined
  const [id, origin, seq, stamp, flat] = packed
  if (!isText(id, NAME_UNITS_MAX) || !isText(origin, NAME_UNITS_MAX)) return undefined
  if (!isCount(seq) || !isCount(stamp) || !Array.isArray(flat)) return undefined
  // A bundle that was read from a record of an earlier program is packed like one batch, and passes.
  if (!id.startsWith(`${origin}/`) || !id.endsWith(`/${seq}`)) return undefined
  const requests = requestsOf(flat)
  return requests && { id: id as BatchId, origin: origin as NodeId, seq, stamp, requests }
}

function requestsOf(flat: readonly unknown[]): Request[] | undefined {
  if (flat.length % REQUEST_PARTS !== 0) return undefined
  const requests: Request[] = []
  for (let at = 0; at < flat.length; at += REQUEST_PARTS) {
    const client = flat[at]
    const seq = flat[at + 1]
    const command = flat[at + 2]
    if (!isText(client, KEY_BYTES_MAX) || typeof command !== 'string') return undefined
    if (!isCount(seq) || seq === 0) return undefined
    requests.push({ client, seq, command })
  }
  return requests
}

/** Client, number, command. */
const REQUEST_PARTS = 3

function isText(value: unknown, unitsMax: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= unitsMax
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
