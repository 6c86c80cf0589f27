/**
 * FNV-1a (draft-eastlake-fnv) in 32 bits, over UTF-16 units, each taken as one; continues from `start`. For texts that are not worth a
 * `Map`: V8 internalizes each one that a `Map` is asked for. Whoever chooses a text can choose its digest.
 */
export function digestText(text: string, start = OFFSET): number {
  let digest = start
  for (let at = 0; at < text.length; at++) {
    digest = Math.imul(digest ^ text.charCodeAt(at), PRIME)
  }
  return digest >>> 0
}

const OFFSET = 0x811c9dc5
const PRIME = 0x01000193
