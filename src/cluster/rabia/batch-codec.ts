import { text, utf8 } from '../../base/bytes.ts'
import type { Batch } from './batch.ts'

/**
 * A batch as JSON in UTF-8. What was made of a batch before is returned again: the log and the history of a node share it, and
 * nobody may change it.
 */
export function encodeBatch(batch: Batch): Uint8Array {
  const known = encoded.get(batch)
  if (known !== undefined) return known
  const bytes = utf8(JSON.stringify(batch))
  encoded.set(batch, bytes)
  return bytes
}

/** The inverse: a batch of its own each time. */
export function decodeBatch(bytes: Uint8Array): Batch {
  return JSON.parse(text(bytes)) as Batch
}

const encoded = new WeakMap<Batch, Uint8Array>()
