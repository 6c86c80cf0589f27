import { deserialize, serialize } from 'node:v8'
import { compareBytes } from '../../src/base/bytes.ts'
import { crc32 } from '../../src/base/hash.ts'
import type { EngineEntry, EngineOperation, EngineRange } from '../../src/storage/engine.ts'
import type { LevelStore } from '../../src/storage/level-engine.ts'
import { type DiskTwin, sourceSite, type TwinFile } from './disk.ts'

/**
 * LevelDB's behaviour on a disk twin. Opening writes what it recovered to a synced table `table-<n>` and begins a log
 * `log-<n>`, without syncing their names. A log is synced only when asked; recovery silently drops what follows the first
 * damaged record.
 */
export async function openLevelTwin(disk: DiskTwin, directory: string): Promise<LevelStore> {
  const numbers = (await disk.list(directory)).map((name) => Number(name.split('-')[1]))
  const entries = await recover(disk, directory, numbers)
  const number = Math.max(0, ...numbers) + 1
  const table = await disk.open(`${directory}/table-${number}`, 'create')
  await table.write(frame(entries), 0)
  await table.datasync('LevelDB itself')
  await table.close()
  const log = await disk.open(`${directory}/log-${number}`, 'create')
  return new LevelTwin(log, entries)
}

class LevelTwin implements LevelStore {
  readonly #log: TwinFile
  readonly #entries: EngineEntry[]
  #sizeBytes = 0

  constructor(log: TwinFile, entries: EngineEntry[]) {
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
    const site = sourceSite()
    const record = frame(operations)
    const position = this.#sizeBytes
    this.#sizeBytes += record.length
    await this.#log.write(record, position)
    if (sync) await this.#log.datasync(site)
    apply(this.#entries, operations)
  }

  /** Reads are synchronous and writes are applied when they resolve, so every state read is a snapshot. */
  snapshot(): undefined {}

  release(): void {}

  close(): Promise<void> {
    return this.#log.close()
  }
}

/** The newest whole table and the logs since. */
async function recover(
  disk: DiskTwin,
  directory: string,
  numbers: readonly number[],
): Promise<EngineEntry[]> {
  let entries: EngineEntry[] = []
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    for await (const table of frames(disk, `${directory}/table-${number}`)) {
      entries = table as EngineEntry[]
    }
    for await (const record of frames(disk, `${directory}/log-${number}`)) {
      apply(entries, record as EngineOperation[])
    }
  }
  return entries
}

/** A record under its checksum: CRC-32 (4), length (4), body. */
function frame(content: unknown): Buffer {
  const body = serialize(content)
  const header = Buffer.alloc(8)
  header.writeUInt32BE(crc32(body), 0)
  header.writeUInt32BE(body.length, 4)
  return Buffer.concat([header, body])
}

async function* frames(disk: DiskTwin, path: string): AsyncGenerator<unknown> {
  if (!(await disk.exists(path))) return
  const file = await disk.open(path, 'read')
  const bytes = Buffer.alloc(file.sizeBytes)
  await file.read(bytes, 0)
  await file.close()
  for (let offset = 0; offset + 8 <= bytes.length; ) {
    const end = offset + 8 + bytes.readUInt32BE(offset + 4)
    const body = bytes.subarray(offset + 8, end)
    const isWhole = end <= bytes.length && crc32(body) === bytes.readUInt32BE(offset)
    if (!isWhole || body.length === 0) return
    yield deserialize(body)
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
