import type { BinaryReader, BinaryWriter } from '../../base/binary.ts'
import type { Version } from '../../base/port.ts'

/** The order of versions: by epoch, then by seq. Negative, zero or positive. */
export function compareVersions(a: Version, b: Version): number {
  return a.epoch - b.epoch || a.seq - b.seq
}

export function laterOf(a: Version, b: Version): Version {
  return compareVersions(a, b) < 0 ? b : a
}

export function isSameVersion(a: Version, b: Version): boolean {
  return a.epoch === b.epoch && a.seq === b.seq
}

/** The version of a partition that was never written. */
export const VERSION_NONE: Version = { epoch: 0, seq: 0 }

/** In 10 bytes: epoch and seq. */
export function writeVersion(writer: BinaryWriter, { epoch, seq }: Version): BinaryWriter {
  return writer.uint32(epoch).uint48(seq)
}

/** What `writeVersion` wrote. */
export function readVersion(reader: BinaryReader): Version {
  return { epoch: reader.uint32(), seq: reader.uint48() }
}
