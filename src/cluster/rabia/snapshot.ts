import { text, utf8 } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { SlotNumber } from './ballot.ts'
import type { StateMachine } from './machine.ts'
import type { SessionTable } from './session.ts'

/**
 * Everything that the slots up to `slot` have led to, as bytes that are the same on all nodes. `slot` is the last
 * applied one; 0 is the genesis, before any slot. `digest` is that of the applied prefix.
 */
export type Snapshot = {
  readonly slot: SlotNumber
  readonly digest: string
  readonly bytes: Uint8Array
}

/** What the bytes of a snapshot say. `machine` is the text of `StateMachine.snapshot`. */
export type SnapshotContent = {
  readonly slot: SlotNumber
  readonly digest: string
  readonly sessions: SessionTable
  readonly machine: string
}

/** A change of anything in the bytes, the text of the state machine included, is a new format. */
const FORMAT = 1

/** The state before slot 1 of a cluster whose machine is `machine`. */
export function genesis(machine: StateMachine): Snapshot {
  const sessions = { floor: 0, sessions: [] }
  return encodeSnapshot({ slot: 0, digest: '', sessions, machine: machine.snapshot() })
}

/** A line of JSON, then the text of the state machine, in UTF-8. */
export function encodeSnapshot({ slot, digest, sessions, machine }: SnapshotContent): Snapshot {
  const head = JSON.stringify({ format: FORMAT, slot, digest, ...sessions })
  return { slot, digest, bytes: utf8(`${head}\n${machine}`) }
}

/** Whether it has the format that this program reads. */
export function isReadable(bytes: Uint8Array): boolean {
  return PREFIX.every((byte, i) => bytes[i] === byte)
}

/** The inverse. Throws an AetherError `data-format-newer` when a newer program made it. */
export function decodeSnapshot(bytes: Uint8Array): SnapshotContent {
  const end = bytes.indexOf(NEWLINE)
  const head = JSON.parse(text(bytes.subarray(0, end))) as Head
  if (head.format !== FORMAT) {
    throw new AetherError(
      'data-format-newer',
      `a snapshot has format ${head.format}, this program reads ${FORMAT}`,
      'start the node with the version of the program that wrote its data',
    )
  }
  const { slot, digest, floor, sessions } = head
  return { slot, digest, sessions: { floor, sessions }, machine: text(bytes.subarray(end + 1)) }
}

/** The snapshot that these bytes are. */
export function snapshotOf(bytes: Uint8Array): Snapshot {
  const { slot, digest } = decodeSnapshot(bytes)
  return { slot, digest, bytes }
}

type Head = SessionTable & {
  readonly format: number
  readonly slot: SlotNumber
  readonly digest: string
}

const PREFIX = utf8(`{"format":${FORMAT},`)

/** JSON has none outside of its own white space. */
const NEWLINE = 0x0a
