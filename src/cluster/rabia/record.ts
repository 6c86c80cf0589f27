import { assert } from '../../base/assert.ts'
import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import { concat, text } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { Ballot, SlotNumber } from './ballot.ts'
import type { Batch, BatchId } from './batch.ts'
import { decodeBatch, encodeBatch } from './batch-codec.ts'

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

/** The first byte of every encoded record; a reader refuses others than these. */
const FORMAT = 2

/** One record in JSON, bodies included, as earlier programs wrote it. */
const JSON_FORMAT = 1

/** One record as bytes: the format, what it says in sized JSON, and its body as `encodeBatch` has it, if it has one. */
export function encodeRecord(record: LogRecord): Uint8Array {
  const { head, body } = divided(record)
  const start = encodeBinary((writer) => writer.uint8(FORMAT).sizedText(JSON.stringify(head)))
  return body === undefined ? start : concat([start, encodeBatch(body)])
}

/** The inverse. The bytes have passed the log's checksum, so that strange ones were written by a newer program. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  switch (bytes[0]) {
    case FORMAT:
      return decodeParts(bytes)
    case JSON_FORMAT:
      return JSON.parse(text(bytes.subarray(1))) as LogRecord
    default:
      throw new AetherError(
        'data-format-newer',
        `a consensus log record has format ${bytes[0]}, this program reads up to ${FORMAT}`,
        'start the node with the version of the program that wrote its data',
      )
  }
}

function decodeParts(bytes: Uint8Array): LogRecord {
  const reader = new BinaryReader(bytes.subarray(1))
  const head = JSON.parse(reader.sizedText()) as LogRecord
  if (reader.isAtEnd) return head
  // The reader of the log lends its bytes; those of a batch are kept.
  const body = decodeBatch(new Uint8Array(reader.rest()))
  assert(body !== undefined, 'the log holds what was written')
  return head.kind === 'ballot' ? { ...head, batch: body } : { ...head, body }
}

function divided(record: LogRecord): {
  readonly head: object
  readonly body: Batch | undefined
} {
  if (record.kind === 'ballot') {
    const { batch: body, ...head } = record
    return { head, body }
  }
  const { body, ...head } = record
  return { head, body }
}
