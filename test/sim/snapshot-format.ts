/** The bytes of a snapshot as those of a file. */
import { concat, hex } from '../../src/base/bytes.ts'
import { AetherError } from '../../src/base/fault.ts'
import { sha256 } from '../../src/base/hash.ts'
import { decodeSnapshot, type Snapshot } from '../../src/cluster/rabia/index.ts'

const DIGEST_BYTES = 32

export function sealSnapshot({ bytes }: Snapshot): Uint8Array {
  return concat([sha256(bytes), bytes])
}

/** Throws `data-damaged` when it is not what was sealed. */
export function unsealSnapshot(file: Uint8Array): Snapshot {
  const bytes = file.slice(DIGEST_BYTES)
  if (hex(sha256(bytes)) !== hex(file.subarray(0, DIGEST_BYTES)))
    throw new AetherError('data-damaged', 'the snapshot is not what was saved', 'add the node anew')
  const { slot, digest } = decodeSnapshot(bytes)
  return { slot, digest, bytes }
}
