/**
 * An array of zeros for bytes that are done with in a moment, such as those on their way to the disk or to another node. Most
 * are pieces of a larger memory, which costs far less than one of their own each; whoever keeps one for long keeps that too.
 */
export function transientBytes(sizeBytes: number): Uint8Array {
  if (sizeBytes <= SMALL_BYTES || sizeBytes > LARGE_BYTES) return new Uint8Array(sizeBytes)
  if (used + sizeBytes > MEMORY_BYTES) {
    memory = new ArrayBuffer(MEMORY_BYTES)
    used = 0
  }
  const bytes = new Uint8Array(memory, used, sizeBytes)
  used += sizeBytes
  return bytes
}

/** V8 has arrays of this size beside its other objects, where they cost least. */
const SMALL_BYTES = 64

/** From here on the bytes themselves cost more than their memory. */
const LARGE_BYTES = 4 * 1_024

/** Some dozens of rows and messages; few enough that it does not matter who keeps one a little longer. */
const MEMORY_BYTES = 32 * 1_024

let memory = new ArrayBuffer(MEMORY_BYTES)
/** Never handed out again. */
let used = 0
