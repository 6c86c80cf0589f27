import type { NodeId } from '../../base/ids.ts'
import type { ControlConflict, Revision } from '../../base/port.ts'
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
      readonly why: 'format-not-enabled' | 'format-not-known-by-all' | MembershipRefusal
    }

/** The highest format of commands that this program knows. A change of what a command does is a new format. */
export const COMMAND_FORMAT = 1

export function encodeOrdered(command: OrderedCommand): string {
  return JSON.stringify({ format: COMMAND_FORMAT, ...command })
}

export function encodeResult(result: OrderedResult): string {
  return JSON.stringify(result)
}

export function decodeResult(text: string): OrderedResult {
  return JSON.parse(text) as OrderedResult
}
