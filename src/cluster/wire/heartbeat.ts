import { Packr } from 'msgpackr'
import type { NodeId } from '../../base/ids.ts'
import { err, ok, type Result } from '../../base/result.ts'
import { PARTITION_SET_LENGTH, type Progress } from '../partition/index.ts'
import type { Malformed } from './codec.ts'
import { flag, list, MalformedError, maybe, node, record, whole, word } from './field.ts'
import { type Vitals, vitals } from './vitals.ts'

/** What a node tells all others several times a second. */
export type Heartbeat = {
  /** The members that the sender hears. */
  readonly hears: readonly NodeId[]
  /** Those that have not been down for a while, as the sender has seen it; itself possibly among them. */
  readonly steady: readonly NodeId[]
  /** The sender is about to stop, and wants to lead nothing. */
  readonly isLeaving: boolean
  /** Of its replicas. */
  readonly progress: Progress
  /** Undefined until it knows them. */
  readonly vitals: Vitals | undefined
}

/** As the msgpack of a list. The bytes are the caller's. */
export function encodeHeartbeat(heartbeat: Heartbeat): Uint8Array {
  return packr.pack(fields.pack(heartbeat))
}

/** The inverse; every type and length is checked. */
export function decodeHeartbeat(bytes: Uint8Array): Result<Heartbeat, Malformed> {
  try {
    return ok(fields.unpack(packr.unpack(bytes)))
  } catch (error) {
    const reason = error instanceof MalformedError ? error.message : 'no msgpack'
    return err({ kind: 'malformed', reason })
  }
}

const packr = new Packr({ useRecords: false })

const progress = record<Progress>({
  tableVersion: whole(0),
  behind: word(0, PARTITION_SET_LENGTH),
})

const fields = record<Heartbeat>({
  hears: list(node),
  steady: list(node),
  isLeaving: flag,
  progress,
  vitals: maybe(vitals, undefined),
})
