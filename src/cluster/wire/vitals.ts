import type { NodeId } from '../../base/ids.ts'
import { type Field, flag, list, node, record, whole, word } from './field.ts'

/** What a node says of itself for its operators. No role and no quorum depends on it. */
export type Vitals = {
  /** Drawn anew by each start of the process. */
  readonly boot: string
  /** When the process was started, by its own clock; milliseconds of Unix time. */
  readonly startedMs: number
  /** It takes requests. */
  readonly isReady: boolean
  /** Of the file system that has its data. */
  readonly diskTotalBytes: number
  readonly diskFreeBytes: number
  /** Chunks of blobs that it is to have and has not, as far as it knows. */
  readonly missingChunks: number
  /** It has looked for all of them, and lacks none. */
  readonly hasAllChunks: boolean
  /** Who lacks what it leads. */
  readonly lagging: readonly Lagging[]
}

/** In how many partitions that the sender leads `node` lacks something that was ordered more than a moment ago. */
export type Lagging = { readonly node: NodeId; readonly partitions: number }

const known = record<Vitals>({
  boot: word(1, 64),
  startedMs: whole(0),
  isReady: flag,
  diskTotalBytes: whole(0),
  diskFreeBytes: whole(0),
  missingChunks: whole(0),
  hasAllChunks: flag,
  lagging: list(record<Lagging>({ node, partitions: whole(0) })),
})

const KNOWN_LENGTH = 8

/** What a newer node appends is left out: nodes of two versions are to understand each other. */
export const vitals: Field<Vitals> = {
  pack: (value) => known.pack(value),
  unpack: (packed) => known.unpack(Array.isArray(packed) ? packed.slice(0, KNOWN_LENGTH) : packed),
}
