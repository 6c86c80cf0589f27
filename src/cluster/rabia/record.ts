import { concat, text, utf8 } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { Ballot, SlotNumber } from './ballot.ts'
import type { Batch, BatchId } from './batch.ts'
import { encodeBatch } from './batch-codec.ts'

/**
 * What a node keeps of the protocol. A `ballot` is durable before it is sent; its `batch` is the body of a proposal.
 * A `decision` may be lost with everything after it (the ballots decide again); without a batch the slot was forfeited,
 * and its `body` is left out when the own proposal of the slot has it.
 */
export type LogRecord =
  | {
      readonly kind: 'ballot'
      readonly epoch: number
      readonly slot: SlotNumber
      readonly ballot: Ballot
      readonly batch: Batch | undefined
    }
  | {
      readonly kind: 'decision'
      readonly slot: SlotNumber
      readonly batch: BatchId | undefined
      readonly body: Batch | undefined
    }

/** The first byte of every encoded record; a reader refuses another. */
const FORMAT = 1

/** One record as bytes: the format number and JSON in UTF-8. */
export function encodeRecord(record: LogRecord): Uint8Array {
  const { head, body } = divided(record)
  const start = Uint8Array.of(FORMAT)
  if (body === undefined) return concat([start, utf8(JSON.stringify(head))])
  // The body comes last and as it is: it is by far the most of the record, and others need the same bytes.
  const opening = JSON.stringify(head).slice(0, -1)
  return concat([start, utf8(`${opening},"${body.name}":`), encodeBatch(body.batch), END])
}

/** The inverse. The bytes have passed the log's checksum, so that a strange one was written by a newer program. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  if (bytes[0] !== FORMAT) {
    throw new AetherError(
      'data-format-newer',
      `a consensus log record has format ${bytes[0]}, this program reads ${FORMAT}`,
      'start the node with the version of the program that wrote its data',
    )
  }
  return JSON.parse(text(bytes.subarray(1))) as LogRecord
}

function divided(record: LogRecord): {
  readonly head: object
  readonly body: { readonly name: string; readonly batch: Batch } | undefined
} {
  if (record.kind === 'ballot') {
    const { batch, ...head } = record
    return { head, body: batch && { name: 'batch', batch } }
  }
  const { body: batch, ...head } = record
  return { head, body: batch && { name: 'body', batch } }
}

const END = utf8('}')
