/** Numbers in [0, 1) that depend on `seed` alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `sizeBytes` bytes that depend on `seed` alone. */
export function seededBytes(seed: number, sizeBytes: number): Uint8Array {
  const random = seededRandom(seed)
  const words = new Uint32Array(Math.ceil(sizeBytes / 4))
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32
  return new Uint8Array(words.buffer, 0, sizeBytes)
}
