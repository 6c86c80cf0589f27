/**
 * The control state in an engine. Its keys begin with a byte that no other part of the node uses.
 *
 *     entry        10 01 key          → format, revision in 6 bytes, value
 *     transition   10 02 revision     → format, sized request id, change count in 2 bytes, changes
 *
 * A change is 0 and the sized key for a deletion, or 1, the sized key and the sized value.
 */
import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import { text } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { RequestId } from '../../base/ids.ts'
import type { ControlChange, Revision } from '../../base/port.ts'
import type { EngineEntry, EngineOperation } from '../../storage/index.ts'
import type { StoredEntry, Transition } from './state.ts'

const CONTROL = 0x10
const ENTRY = 0x01
const TRANSITION = 0x02
const FORMAT = 1

/** Where the entries lie. */
export const ENTRY_RANGE = rangeOf(ENTRY)

/** Where the transitions lie, in the order of their revisions. */
export const TRANSITION_RANGE = rangeOf(TRANSITION)

/** What makes a transition durable, as one commit: it takes away the `forgotten` ones. */
export function encodeTransition(
  transition: Transition,
  forgotten: readonly Revision[],
): EngineOperation[] {
  return [
    ...transition.changes.map(entryOperation),
    {
      kind: 'put',
      key: transitionKey(transition.revision),
      value: encodeBinary((writer) => {
        writer.uint8(FORMAT).sizedText(transition.requestId).uint16(transition.changes.length)
        for (const { key, value } of transition.changes) {
          writer.uint8(value === undefined ? 0 : 1).sizedText(key)
          if (value !== undefined) writer.sizedText(value)
        }
      }),
    },
    ...forgotten.map((revision) => ({ kind: 'delete' as const, key: transitionKey(revision) })),
  ]
}

/** Throws `data-format-newer` when a newer Aether wrote it. */
export function decodeEntry({ key, value }: EngineEntry): StoredEntry {
  const reader = readerOf(value)
  const revision = reader.uint48()
  return [text(key.subarray(2)), { revision, value: text(reader.rest()) }]
}

/** Throws `data-format-newer` when a newer Aether wrote it. */
export function decodeTransition({ key, value }: EngineEntry): Transition {
  const revision = new BinaryReader(key.subarray(2)).uint48()
  const reader = readerOf(value)
  const requestId = reader.sizedText() as RequestId
  const changes = Array.from({ length: reader.uint16() }, () => {
    const isPut = reader.uint8() === 1
    return { key: reader.sizedText(), value: isPut ? reader.sizedText() : undefined, revision }
  })
  return { revision, requestId, changes }
}

function entryOperation({ key: name, value, revision }: ControlChange): EngineOperation {
  const key = encodeBinary((writer) => writer.uint8(CONTROL).uint8(ENTRY).text(name))
  if (value === undefined) return { kind: 'delete', key }
  const bytes = encodeBinary((writer) => writer.uint8(FORMAT).uint48(revision).text(value))
  return { kind: 'put', key, value: bytes }
}

function transitionKey(revision: Revision): Uint8Array {
  return encodeBinary((writer) => writer.uint8(CONTROL).uint8(TRANSITION).uint48(revision))
}

function rangeOf(kind: number): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: Uint8Array.of(CONTROL, kind), lt: Uint8Array.of(CONTROL, kind + 1) }
}

function readerOf(value: Uint8Array): BinaryReader {
  const reader = new BinaryReader(value)
  const format = reader.uint8()
  if (format === FORMAT) return reader
  throw new AetherError(
    'data-format-newer',
    `control state of format ${format}, where this version of Aether knows format ${FORMAT}`,
    'start the version of Aether that wrote this data directory, or a later one',
  )
}
