import { BinaryReader, encodeBinary } from '../../base/binary.ts'
import { AetherError } from '../../base/fault.ts'
import type { Version } from '../../base/port.ts'

/**
 * What the engine holds under an entry's key. A deleted entry stays as a tombstone: its version
 * without a value.
 */
export type Entry = { readonly version: Version; readonly value: Uint8Array | undefined }

/** Layout: format, live (1) or deleted (0), epoch in 4 bytes, seq in 6, the value's bytes. */
export function encodeEntry({ version, value }: Entry): Uint8Array {
  return encodeBinary((writer) => {
    writer.uint8(FORMAT).uint8(value === undefined ? 0 : 1)
    writer.uint32(version.epoch).uint48(version.seq)
    if (value !== undefined) writer.bytes(value)
  })
}

/** The value is a view of `bytes`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const reader = new BinaryReader(bytes)
  assertFormat(reader.uint8(), FORMAT)
  const live = reader.uint8() === 1
  const version = { epoch: reader.uint32(), seq: reader.uint48() }
  return { version, value: live ? reader.rest() : undefined }
}

/** Refuses what a newer Aether wrote, rather than to guess at it. */
export function assertFormat(found: number, known: number): void {
  if (found === known) return
  throw new AetherError(
    'data-format-newer',
    `data of format ${found}, where this version of Aether knows format ${known}`,
    'start the version of Aether that wrote this data directory, or a later one',
  )
}

const FORMAT = 1
