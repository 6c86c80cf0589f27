/**
 * The persistent engine over a LevelDB-like store: group commit, sealed values, exact visibility, refusal instead of a
 * full disk, and fail-stop. `level.disk.ts` brings the real LevelDB.
 *
 * What is left to LevelDB: its log is synced by each group, but the directory is not synced when the log is rotated. The
 * file systems that we support (ext4, XFS, btrfs) make a new file's name durable with the file's first sync.
 */
import { assert } from '../base/assert.ts'
import type { NoSpace } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Engine, EngineEntry, EngineOperation, EngineRange } from './engine.ts'
import type { FailStop } from './fail-stop.ts'
import type { Disk } from './file-system.ts'
import type { SpaceGuard } from './free-space.ts'
import { openSealed, sealValue } from './sealed-value.ts'

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

/** `space` and `failStop` are shared by all who write to the data directory. */
export type LevelEngineOptions = {
  readonly disk: Disk
  /** Exists for good. The store locks it against a second process until `close`. */
  readonly directory: string
  readonly space: SpaceGuard
  readonly failStop: FailStop
  readonly openStore: (directory: string) => Promise<LevelStore>
}

export async function openLevelEngine(options: LevelEngineOptions): Promise<Engine> {
  const { disk, directory } = options
  const store = await options.openStore(directory)
  // LevelDB names its log, its manifest and CURRENT while it opens, without syncing their directory.
  await disk.syncDirectory(directory)
  return new LevelEngine(store, options)
}

class LevelEngine implements Engine {
  readonly #store: LevelStore
  readonly #space: SpaceGuard
  readonly #failStop: FailStop
  readonly #queue = new CommitQueue((operations, sizeBytes) => this.#write(operations, sizeBytes))
  /** LevelDB shows a group as soon as it is applied, before we know of it; reads go to this older state until then. */
  #visible: unknown
  #isClosed = false

  constructor(store: LevelStore, { space, failStop }: LevelEngineOptions) {
    this.#store = store
    this.#space = space
    this.#failStop = failStop
    this.#visible = store.snapshot()
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen()
    const sealed = this.#store.get(key, this.#visible)
    return sealed === undefined ? undefined : openSealed(key, sealed)
  }

  async scan(range: EngineRange): Promise<readonly EngineEntry[]> {
    this.#assertOpen()
    const entries = await this.#store.scan(range, this.#visible)
    return entries.map(({ key, value }) => ({ key, value: openSealed(key, value) }))
  }

  async commit(operations: readonly EngineOperation[]): Promise<Result<void, NoSpace>> {
    this.#assertOpen()
    this.#failStop.check()
    return this.#queue.commit(operations)
  }

  async close(): Promise<void> {
    this.#assertOpen()
    this.#isClosed = true
    await this.#queue.drained()
    await this.#store.close()
  }

  async #write(
    operations: readonly EngineOperation[],
    sizeBytes: number,
  ): Promise<Result<void, NoSpace>> {
    this.#failStop.check()
    try {
      if (!(await this.#space.admit(sizeBytes, 'records'))) return err({ kind: 'no-space' })
      await this.#store.write(operations.map(sealed), { sync: true })
    } catch (error) {
      throw this.#failStop.fail(error)
    }
    const previous = this.#visible
    this.#visible = this.#store.snapshot()
    this.#store.release(previous)
    return ok(undefined)
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'the engine is closed')
  }
}

function sealed(operation: EngineOperation): EngineOperation {
  if (operation.kind === 'delete') return operation
  const { kind, key, value } = operation
  return { kind, key, value: sealValue(key, value) }
}
