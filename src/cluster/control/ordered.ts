import { assert } from '../../base/assert.ts'
import { utf8 } from '../../base/bytes.ts'
import type { NodeId } from '../../base/ids.ts'
import type { ControlConflict, Revision } from '../../base/port.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '../../storage/index.ts'
import type { ControlCommand } from './command.ts'
import type { MembershipChange, MembershipRefusal } from './members.ts'

/**
 * A command of the replicated control state, as the log orders it.
 *
 * - `write`: of the key-value store.
 * - `add`, `promote`, `remove`, `bind`, `move`: a change of the members, in effect from the next slot on.
 * - `announce`: the program on `node` knows all commands up to format `knows`.
 * - `enable`: from here on commands up to format `upTo` take effect, if all voters have announced that they know them.
 */
export type OrderedCommand =
  | ({ readonly kind: 'write' } & ControlCommand)
  | MembershipChange
  | { readonly kind: 'announce'; readonly node: NodeId; readonly knows: number }
  | { readonly kind: 'enable'; readonly upTo: number }

/** What came of it. Part of the digest of a slot, hence the same words in all versions of the program. */
export type OrderedResult =
  | { readonly kind: 'written'; readonly revision: Revision }
  | { readonly kind: 'done' }
  | ControlConflict
  | {
      readonly kind: 'refused'
      readonly why:
        | 'format-not-enabled'
        | 'format-not-known-by-all'
        | 'state-full'
        | MembershipRefusal
    }

/** The highest format of commands that this program knows. A change of what a command does is a new format. */
export const COMMAND_FORMAT = 1

/** The text that `apply` takes. One that is too large for the log is a bug of the caller. */
export function encodeOrdered(command: OrderedCommand): string {
  const text = JSON.stringify({ format: COMMAND_FORMAT, ...command })
  assert(fitsIntoRecord(text), 'a write of more than the log can hold as one record')
  return text
}

export function encodeResult(result: OrderedResult): string {
  return JSON.stringify(result)
}

export function decodeResult(text: string): OrderedResult {
  return JSON.parse(text) as OrderedResult
}

/** Leaves room for what else a record holds: a few names, each shorter than a key. */
const COMMAND_BYTES_MAX = FRAME_PAYLOAD_BYTES_MAX - 64 * 1_024

/** A UTF-16 unit takes at most so many bytes in UTF-8. */
const UTF8_BYTES_MAX = 3

function fitsIntoRecord(text: string): boolean {
  if (text.length * UTF8_BYTES_MAX <= COMMAND_BYTES_MAX) return true
  return utf8(text).length <= COMMAND_BYTES_MAX
}
