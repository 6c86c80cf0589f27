import { deserialize, serialize } from 'node:v8'
import { compareBytes } from '../../src/base/bytes.ts'
import { crc32 } from '../../src/base/hash.ts'
import type { EngineEntry, EngineOperation, EngineRange } from '../../src/storage/engine.ts'
import type { DiskFile } from '../../src/storage/file-system.ts'
import type { LevelStore } from '../../src/storage/level-engine.ts'
import type { DiskTwin } from './disk.ts'

const LOG_BYTES_MAX = 64 * 1_024 * 1_024

/**
 * LevelDB's behaviour on a disk twin: one log per opening, synced only when asked, its name not synced at all; recovery
 * silently drops the rest of a log after the first damaged record.
 */
export async function openLevelTwin(disk: DiskTwin, directory: string): Promise<LevelStore> {
  const entries: EngineEntry[] = []
  const names = (await disk.list(directory)).filter((name) => name.startsWith('log-'))
  const numbers = names.map((name) => Number(name.slice(4))).sort((a, b) => a - b)
  for (const number of numbers) await replay(disk, `${directory}/log-${number}`, entries)
  const log = await disk.open(`${directory}/log-${(numbers.at(-1) ?? 0) + 1}`, 'create')
  return new LevelTwin(log, entries)
}

class LevelTwin implements LevelStore {
  readonly #log: DiskFile
  readonly #entries: EngineEntry[]
  #sizeBytes = 0

  constructor(log: DiskFile, entries: EngineEntry[]) {
    this.#log = log
    this.#entries = entries
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const { index, isFound } = find(this.#entries, key)
    return isFound ? this.#entries[index]?.value : undefined
  }

  async scan({ gte, lt, limit, reverse }: EngineRange): Promise<EngineEntry[]> {
    const found = this.#entries.slice(find(this.#entries, gte).index, find(this.#entries, lt).index)
    if (reverse) found.reverse()
    return found.slice(0, limit)
  }

  async write(
    operations: readonly EngineOperation[],
    { sync }: { readonly sync: boolean },
  ): Promise<void> {
    const body = serialize(operations)
    const header = Buffer.alloc(8)
    header.writeUInt32BE(crc32(body), 0)
    header.writeUInt32BE(body.length, 4)
    const position = this.#sizeBytes
    this.#sizeBytes += header.length + body.length
    await this.#log.write(Buffer.concat([header, body]), position)
    if (sync) await this.#log.datasync()
    apply(this.#entries, operations)
  }

  /** Reads are synchronous and writes are applied when they resolve, so every state read is a snapshot. */
  snapshot(): undefined {}

  release(): void {}

  close(): Promise<void> {
    return this.#log.close()
  }
}

async function replay(disk: DiskTwin, path: string, entries: EngineEntry[]): Promise<void> {
  const file = await disk.open(path, 'read')
  const buffer = Buffer.alloc(LOG_BYTES_MAX)
  const log = buffer.subarray(0, await file.read(buffer, 0))
  await file.close()
  for (let offset = 0; offset + 8 <= log.length; ) {
    const end = offset + 8 + log.readUInt32BE(offset + 4)
    const body = log.subarray(offset + 8, end)
    if (end > log.length || crc32(body) !== log.readUInt32BE(offset)) return
    if (body.length > 0) apply(entries, deserialize(body))
    else return
    offset = end
  }
}

function apply(entries: EngineEntry[], operations: readonly EngineOperation[]): void {
  for (const operation of operations) {
    const { index, isFound } = find(entries, operation.key)
    const replaced = isFound ? 1 : 0
    if (operation.kind === 'delete') entries.splice(index, replaced)
    else entries.splice(index, replaced, { key: operation.key, value: operation.value })
  }
}

/** Where `key` is among the sorted entries, or would be. */
function find(
  entries: readonly EngineEntry[],
  key: Uint8Array,
): { index: number; isFound: boolean } {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareBytes((entries[middle] as EngineEntry).key, key)
    if (order === 0) return { index: middle, isFound: true }
    if (order < 0) low = middle + 1
    else high = middle
  }
  return { index: low, isFound: false }
}
