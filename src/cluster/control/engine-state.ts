/**
 * The control state as single nodes kept it in their engine before there was a log: only read, and then removed, when such
 * a node first starts with a log. Its keys begin with a byte that no other part of the node uses.
 *
 *     entry        10 01 key          → format, revision in 6 bytes, value
 *     transition   10 02 revision     → format, sized request id, change count in 2 bytes, changes
 *
 * A change is 0 and the sized key for a deletion, or 1, the sized key and the sized value.
 */
import { BinaryReader } from '../../base/binary.ts'
import { concat, text } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { RequestId } from '../../base/ids.ts'
import type { Engine, EngineEntry } from '../../storage/index.ts'
import type { ControlStateSnapshot, StoredEntry, Transition } from './state.ts'

/** The control state in `engine`; undefined when there is none. Rejects with `data-format-newer` when it is of no use. */
export async function readEngineState(engine: Engine): Promise<ControlStateSnapshot | undefined> {
  const entries = await readAll(engine, ENTRY_RANGE)
  const history = await readAll(engine, TRANSITION_RANGE)
  if (entries.length + history.length === 0) return undefined
  return { entries: entries.map(decodeEntry), history: history.map(decodeTransition) }
}

/** Removes it for good; what is left after a crash is removed by the next call. */
export async function removeEngineState(engine: Engine): Promise<void> {
  for (const range of [ENTRY_RANGE, TRANSITION_RANGE]) {
    for (;;) {
      const page = await engine.scan({ ...range, limit: PAGE_ENTRIES })
      if (page.length === 0) break
      const removed = await engine.commit(page.map(({ key }) => ({ kind: 'delete', key })))
      // It stays where nobody reads it, and goes at a start with more room.
      if (!removed.ok) return
    }
  }
}

const CONTROL = 0x10
const ENTRY_RANGE = rangeOf(0x01)
const TRANSITION_RANGE = rangeOf(0x02)
const FORMAT = 1

/** In this many steps what is in the engine is read; a page of the largest values is still small. */
const PAGE_ENTRIES = 64

async function readAll(engine: Engine, { gte, lt }: Range): Promise<EngineEntry[]> {
  const all: EngineEntry[] = []
  for (let from = gte; ; ) {
    const page = await engine.scan({ gte: from, lt, limit: PAGE_ENTRIES })
    all.push(...page)
    const last = page.at(-1)
    if (last === undefined) return all
    from = concat([last.key, Uint8Array.of(0)])
  }
}

function decodeEntry({ key, value }: EngineEntry): StoredEntry {
  const reader = readerOf(value)
  const revision = reader.uint48()
  return [text(key.subarray(2)), { revision, value: text(reader.rest()) }]
}

function decodeTransition({ key, value }: EngineEntry): Transition {
  const revision = new BinaryReader(key.subarray(2)).uint48()
  const reader = readerOf(value)
  const requestId = reader.sizedText() as RequestId
  const changes = Array.from({ length: reader.uint16() }, () => {
    const isPut = reader.uint8() === 1
    return { key: reader.sizedText(), value: isPut ? reader.sizedText() : undefined, revision }
  })
  return { revision, requestId, changes }
}

type Range = { readonly gte: Uint8Array; readonly lt: Uint8Array }

function rangeOf(kind: number): Range {
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
