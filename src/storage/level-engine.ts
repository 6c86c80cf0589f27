/**
 * The persistent engine over a LevelDB-like store: group commit, sealed values, exact visibility, refusal instead of a
 * full disk, and fail-stop. `level.disk.ts` brings the real LevelDB.
 *
 * Large values go to files of their own before LevelDB gets a pointer to them: see `value-files.ts`.
 *
 * What is left to LevelDB: its log is synced by each group, but the directory is not synced when the log is rotated. The
 * file systems that we support (ext4, XFS, btrfs) make a new file's name durable with the file's first sync.
 */
import { assert } from '../base/assert.ts'
import { compareBytes, concat } from '../base/bytes.ts'
import { AetherError } from '../base/fault.ts'
import type { NoSpace } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Engine, EngineEntry, EngineOperation, EngineRange } from './engine.ts'
import type { FailStop } from './fail-stop.ts'
import { type Disk, isNoSpace } from './file-system.ts'
import type { SpaceGuard } from './free-space.ts'
import { openSealed, sealValue, type ValuePointer } from './sealed-value.ts'
import { openValueFiles, type ValueFiles } from './value-files.ts'

/** What the engine needs of LevelDB. Reads see the state of a snapshot. */
export interface LevelStore<Snapshot = unknown> {
  get(key: Uint8Array, snapshot: Snapshot): Uint8Array | undefined
  scan(range: EngineRange, snapshot: Snapshot): Promise<EngineEntry[]>
  /** All operations or none. With `sync` they survive power loss when it resolves. */
  write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void>
  snapshot(): Snapshot
  /** The snapshot is not used for new reads; those under way may still end. */
  release(snapshot: Snapshot): void
  close(): Promise<void>
}

/** `space` and `failStop` are shared by all who write to the data directory. Both directories exist for good. */
export type LevelEngineOptions = {
  readonly disk: Disk
  /** The store locks it against a second process until `close`. */
  readonly directory: string
  /** Of the large values. */
  readonly valueDirectory: string
  readonly valueFileBytes?: number
  readonly space: SpaceGuard
  readonly failStop: FailStop
  readonly openStore: (directory: string) => Promise<LevelStore>
}

/** From this size on a value is kept outside of LevelDB: well above a record, below most POMs. */
const LARGE_VALUE_BYTES = 1_024

/** Entries read at a time in search of garbage: a few milliseconds. */
const COLLECT_STEP = 500

/** Above every key: none of ours begins with so many bytes of 0xff. */
const ABOVE_ALL = new Uint8Array(8).fill(0xff)

export async function openLevelEngine(options: LevelEngineOptions): Promise<Engine> {
  const { disk, directory, valueDirectory, valueFileBytes } = options
  const store = await options.openStore(directory)
  // LevelDB names its log, its manifest and CURRENT while it opens, without syncing their directory.
  await disk.syncDirectory(directory)
  const values = await openValueFiles({
    disk,
    directory: valueDirectory,
    ...(valueFileBytes === undefined ? {} : { fileBytes: valueFileBytes }),
  })
  return new LevelEngine(store, values, options)
}

class LevelEngine implements Engine {
  readonly #store: LevelStore
  readonly #values: ValueFiles
  readonly #space: SpaceGuard
  readonly #failStop: FailStop
  readonly #queue = new CommitQueue<WriteOperation>((operations, sizeBytes) =>
    this.#write(operations, sizeBytes),
  )
  /** LevelDB shows a group as soon as it is applied, before we know of it; reads go to this older state until then. */
  #visible: unknown
  /** Each may still read values that have been moved or replaced since it began. */
  readonly #scans = new Set<Promise<unknown>>()
  #collecting: Promise<void> | undefined
  #isClosed = false

  constructor(store: LevelStore, values: ValueFiles, { space, failStop }: LevelEngineOptions) {
    this.#store = store
    this.#values = values
    this.#space = space
    this.#failStop = failStop
    this.#visible = store.snapshot()
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen()
    const sealed = this.#store.get(key, this.#visible)
    if (sealed === undefined) return undefined
    const value = openSealed(key, sealed)
    return value instanceof Uint8Array ? value : this.#values.read(value)
  }

  scan(range: EngineRange): Promise<readonly EngineEntry[]> {
    this.#assertOpen()
    const scan = this.#scan(range).finally(() => this.#scans.delete(scan))
    this.#scans.add(scan)
    return scan
  }

  async commit(operations: readonly EngineOperation[]): Promise<Result<void, NoSpace>> {
    this.#assertOpen()
    this.#failStop.check()
    return this.#queue.commit(operations)
  }

  async close(): Promise<void> {
    this.#assertOpen()
    this.#isClosed = true
    await this.#collecting
    await this.#queue.drained()
    await Promise.allSettled(this.#scans)
    await this.#values.close()
    await this.#store.close()
  }

  async #scan(range: EngineRange): Promise<readonly EngineEntry[]> {
    const { bytesMax = Number.POSITIVE_INFINITY } = range
    const entries: EngineEntry[] = []
    let sizeBytes = 0
    // What the store itself has is small: large values are elsewhere.
    for (const { key, value: sealed } of await this.#store.scan(range, this.#visible)) {
      const found = openSealed(key, sealed)
      const value = found instanceof Uint8Array ? found : await this.#values.load(found)
      entries.push({ key, value })
      sizeBytes += key.length + value.length
      if (sizeBytes > bytesMax) break
    }
    return entries
  }

  async #write(
    operations: readonly WriteOperation[],
    sizeBytes: number,
  ): Promise<Result<void, NoSpace>> {
    this.#failStop.check()
    try {
      if (!(await this.#space.admit(sizeBytes, 'records'))) return err({ kind: 'no-space' })
      const sealed = await this.#seal(this.#withMoves(operations))
      if (!sealed.ok) return sealed
      await this.#store.write(sealed.value, { sync: true })
    } catch (error) {
      throw this.#failStop.fail(error)
    }
    const previous = this.#visible
    this.#visible = this.#store.snapshot()
    this.#store.release(previous)
    if (this.#values.needsCollection && !this.#isClosed) this.#collecting ??= this.#collect()
    return ok(undefined)
  }

  /** Seals the values. The large ones are durable in a file of their own when it resolves with ok. */
  async #seal(operations: readonly EngineOperation[]): Promise<Result<EngineOperation[], NoSpace>> {
    const large = operations.flatMap((operation) => (isLarge(operation) ? [operation.value] : []))
    let pointers: readonly ValuePointer[] = []
    try {
      if (large.length > 0) pointers = await this.#values.append(large)
    } catch (error) {
      if (isNoSpace(error)) return err({ kind: 'no-space' })
      throw error
    }
    let next = 0
    const sealed = operations.map((operation) => {
      if (operation.kind === 'delete') return operation
      const { kind, key, value } = operation
      const pointer = isLarge(operation) ? pointers[next++] : undefined
      return { kind, key, value: sealValue(key, pointer ?? value) }
    })
    return ok(sealed)
  }

  /** Moves come first, as puts: whatever else the group does to the same key comes after them. */
  #withMoves(operations: readonly WriteOperation[]): readonly EngineOperation[] {
    const moves: EngineOperation[] = []
    const others: EngineOperation[] = []
    for (const operation of operations) {
      if (operation.kind !== 'move') others.push(operation)
      else if (this.#isCurrent(operation)) moves.push({ ...operation, kind: 'put' })
    }
    return moves.length === 0 ? others : [...moves, ...others]
  }

  #isCurrent({ key, sealed }: Move): boolean {
    const current = this.#store.get(key, this.#visible)
    return current !== undefined && compareBytes(current, sealed) === 0
  }

  /**
   * Gives the space of values back that were replaced or deleted: moves what lives in the files that are mostly garbage, and
   * removes them. Reads every key to find out, which happens only when the files have doubled since.
   */
  async #collect(): Promise<void> {
    try {
      const { newest } = this.#values
      const liveBytes = new Map<number, number>()
      for await (const { pointer } of this.#pointers()) {
        liveBytes.set(pointer.file, (liveBytes.get(pointer.file) ?? 0) + pointer.sizeBytes)
      }
      const sparse = this.#values.sparseBelow(newest, liveBytes)
      for await (const { key, sealed, pointer } of this.#pointers()) {
        if (!sparse.has(pointer.file)) continue
        const value = await this.#values.load(pointer)
        const moved = await this.#queue.commit([{ kind: 'move', key, sealed, value }])
        if (!moved.ok) return this.#values.remove([])
      }
      if (this.#isClosed) return
      await Promise.allSettled(this.#scans)
      await this.#values.remove(sparse)
    } catch (error) {
      // What is damaged is told to whoever reads it. Until it is mended nobody knows what is garbage.
      if (error instanceof AetherError && error.code === 'data-damaged') {
        await this.#values.remove([])
      } else {
        this.#failStop.fail(error)
      }
    } finally {
      this.#collecting = undefined
    }
  }

  /** Every key whose value is in a file, as the store has it at some moment during the iteration. Ends at `close`. */
  async *#pointers(): AsyncGenerator<Pointed> {
    let gte: Uint8Array = new Uint8Array()
    while (!this.#isClosed) {
      const range = { gte, lt: ABOVE_ALL, limit: COLLECT_STEP }
      const entries = await this.#store.scan(range, this.#visible)
      for (const { key, value: sealed } of entries) {
        const value = openSealed(key, sealed)
        if (!(value instanceof Uint8Array)) yield { key, sealed, pointer: value }
      }
      const last = entries.at(-1)
      if (last === undefined || entries.length < COLLECT_STEP) return
      gte = concat([last.key, Uint8Array.of(0)])
    }
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'the engine is closed')
  }
}

/** Puts the value of a key elsewhere, unless the key has got another one since. */
type Move = {
  readonly kind: 'move'
  readonly key: Uint8Array
  /** What the store has under the key. */
  readonly sealed: Uint8Array
  readonly value: Uint8Array
}

type WriteOperation = EngineOperation | Move

type Pointed = {
  readonly key: Uint8Array
  readonly sealed: Uint8Array
  readonly pointer: ValuePointer
}

function isLarge(operation: EngineOperation): operation is EngineOperation & { kind: 'put' } {
  return operation.kind === 'put' && operation.value.length >= LARGE_VALUE_BYTES
}
