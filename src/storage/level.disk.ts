import { Level } from 'level'
import { AetherError } from '../base/fault.ts'
import type { EngineEntry, EngineOperation, EngineRange } from './engine.ts'
import { errorCode } from './file-system.ts'
import type { LevelStore } from './level-engine.ts'

/** LevelDB's table in memory, twice at most: large enough that flushes are rare, small beside the memory budget. */
const WRITE_BUFFER_BYTES = 8 * 1_024 * 1_024

/** Uncompressed blocks kept in memory by LevelDB. */
const BLOCK_CACHE_BYTES = 16 * 1_024 * 1_024

/** What one step of a scan brings over from LevelDB; its default of 16 KiB costs a thread hop per few records. */
const SCAN_STEP_BYTES = 256 * 1_024

/**
 * Opens LevelDB in `directory`, which it locks. Rejects with `data-directory-in-use` when another process has it, with
 * `data-damaged` when LevelDB cannot make sense of it, with `disk-failed` otherwise.
 */
export async function openLevelStore(directory: string): Promise<LevelStore<Snapshot>> {
  const database: Database = new Level(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: BLOCK_CACHE_BYTES,
  })
  try {
    await database.open()
  } catch (error) {
    throw openFault(directory, error)
  }
  return new ClassicLevelStore(database)
}

type Database = Level<Uint8Array, Uint8Array>

/** LevelDB's snapshot in the form its reads take it. */
type Snapshot = {
  readonly snapshot: ReturnType<Database['snapshot']>
  readonly keyEncoding: 'view'
  readonly valueEncoding: 'view'
}

class ClassicLevelStore implements LevelStore<Snapshot> {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  get(key: Uint8Array, snapshot: Snapshot): Uint8Array | undefined {
    try {
      return this.#database.getSync<Uint8Array, Uint8Array>(key, snapshot)
    } catch (error) {
      throw readFault(error)
    }
  }

  async scan(range: EngineRange, { snapshot }: Snapshot): Promise<EngineEntry[]> {
    snapshot.ref()
    try {
      const options = { ...range, snapshot, highWaterMarkBytes: SCAN_STEP_BYTES }
      const entries = await this.#database.iterator(options).all()
      return entries.map(([key, value]) => ({ key, value }))
    } catch (error) {
      throw readFault(error)
    } finally {
      snapshot.unref()
    }
  }

  write(
    operations: readonly EngineOperation[],
    { sync }: { readonly sync: boolean },
  ): Promise<void> {
    return this.#database.batch(operations.map(batchOperation), { sync })
  }

  snapshot(): Snapshot {
    return { snapshot: this.#database.snapshot(), keyEncoding: 'view', valueEncoding: 'view' }
  }

  release({ snapshot }: Snapshot): void {
    // Ends by itself when the scans on it have; LevelDB's release cannot fail.
    void snapshot.close()
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

function batchOperation(operation: EngineOperation) {
  return operation.kind === 'put'
    ? { type: 'put' as const, key: operation.key, value: operation.value }
    : { type: 'del' as const, key: operation.key }
}

function openFault(directory: string, error: unknown): AetherError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (errorCode(cause) === 'LEVEL_LOCKED') {
    return new AetherError(
      'data-directory-in-use',
      `another process uses ${directory}`,
      'stop the other process, or start this one with another data directory',
      cause,
    )
  }
  return readFault(cause)
}

function readFault(cause: unknown): AetherError {
  const message = `LevelDB cannot read its files: ${messageOf(cause)}`
  if (errorCode(cause) === 'LEVEL_CORRUPTION') {
    const next = 'check the disk; restore this node from its peers or from a backup'
    return new AetherError('data-damaged', message, next, cause)
  }
  const next = 'check that the disk has room and the files belong to this user and are readable'
  return new AetherError('disk-failed', message, next, cause)
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
