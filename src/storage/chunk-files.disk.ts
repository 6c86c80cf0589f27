/**
 * Chunks as files: `<directory>/<first 2 hex digits>/<digest>`, staged in `<directory>/tmp`. A file's bytes are durable
 * before it gets its name, and the name before `publish` resolves.
 *
 * Orphans (published, but nothing refers to them since the node died in between) are swept after an unclean end, which
 * the file `unclean` reveals. Why the sweep never removes a chunk that is needed, while uploads go on:
 * 1. A chunk that anything referred to before the opening is in `referenced`, hence in the filter. References do not
 *    end while the store is open.
 * 2. A chunk published since the opening was added to the filter by `adopt` before its file got its name.
 * 3. The sweep asks the filter in the same step in which it starts to unlink, and `adopt` waits for an unlink of its
 *    digest that is under way before it renames. So a file that is removed is one that came before both.
 */
import { assert } from '../base/assert.ts'
import { AetherError } from '../base/fault.ts'
import { type Digest, isDigest } from '../base/ids.ts'
import type { Corrupt, Missing } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type ChunkHome, FileStage } from './chunk-stage.disk.ts'
import type { ChunkStage, ChunkStore, StageOutcome } from './chunk-store.ts'
import { DigestFilter } from './digest-filter.ts'
import { DirectorySync } from './directory-sync.ts'
import type { FailStop } from './fail-stop.ts'
import { FileHandles } from './file-handles.ts'
import { type Disk, errorCode, parentDirectory } from './file-system.ts'
import type { SpaceGuard } from './free-space.ts'

/** Open files kept for reading; with sockets and LevelDB's tables this stays far below the usual limit of 1,024. */
const HANDLES_MAX = 256

/** The parts shared with the engine, and a directory that exists for good. The engine's lock guards it. */
export type ChunkFilesOptions = {
  readonly disk: Disk
  readonly directory: string
  readonly space: SpaceGuard
  readonly failStop: FailStop
}

export async function openChunkFiles(options: ChunkFilesOptions): Promise<ChunkStore> {
  const { disk, directory } = options
  const present = new Set(await disk.list(directory))
  const missing = ['tmp', ...shardNames()].filter((name) => !present.has(name))
  await Promise.all(missing.map((name) => disk.makeDirectory(`${directory}/${name}`)))
  const isUnclean = present.has('unclean')
  if (!isUnclean) await (await disk.open(`${directory}/unclean`, 'create')).close()
  await disk.syncDirectory(directory)
  for (const name of await disk.list(`${directory}/tmp`)) {
    await disk.unlink(`${directory}/tmp/${name}`)
  }
  return new ChunkFiles(options, isUnclean)
}

/** Uploads that have published a chunk and not ended. While one of them may be kept, its file is not removed. */
type Pin = { holders: number; isKept: boolean; readonly wasPresent: Promise<boolean> }

class ChunkFiles implements ChunkStore, ChunkHome {
  readonly disk: Disk
  readonly space: SpaceGuard
  readonly failStop: FailStop
  readonly #directory: string
  readonly #handles: FileHandles
  readonly #syncs: DirectorySync
  readonly #pins = new Map<Digest, Pin>()
  readonly #unlinking = new Map<Digest, Promise<void>>()
  /** Until the sweep has ended: the chunks that it keeps. */
  #kept: DigestFilter | undefined
  #sweeping: Promise<number> | undefined
  #mayHaveOrphans = false
  readonly #stages = new Set<FileStage>()
  #temporaryCount = 0
  #isClosed = false

  constructor({ disk, directory, space, failStop }: ChunkFilesOptions, isUnclean: boolean) {
    this.disk = disk
    this.space = space
    this.failStop = failStop
    this.#directory = directory
    this.#handles = new FileHandles((path) => disk.open(path, 'read'), HANDLES_MAX)
    this.#syncs = new DirectorySync(disk)
    this.#kept = isUnclean ? new DigestFilter() : undefined
  }

  stage(): ChunkStage {
    assert(!this.#isClosed, 'the chunk store is closed')
    const stage = new FileStage(this)
    this.#stages.add(stage)
    return stage
  }

  async read(
    digest: Digest,
    into: Uint8Array,
    position: number,
  ): Promise<Result<void, Missing | Corrupt>> {
    assert(!this.#isClosed, 'the chunk store is closed')
    try {
      const count = await this.#handles.use(this.#path(digest), (file) => file.read(into, position))
      if (count === into.length) return ok(undefined)
      return err({ kind: 'corrupt', reason: `chunk ${digest} is too short` })
    } catch (error) {
      return readRefusal(digest, error)
    }
  }

  has(digest: Digest): Promise<boolean> {
    assert(!this.#isClosed, 'the chunk store is closed')
    return this.#isPresent(digest)
  }

  get needsSweep(): boolean {
    return this.#kept !== undefined
  }

  sweep(referenced: AsyncIterable<Digest>): Promise<number> {
    assert(!this.#isClosed && this.#sweeping === undefined, 'one sweep, while the store is open')
    this.#sweeping = this.#sweep(referenced).finally(() => {
      this.#sweeping = undefined
    })
    return this.#sweeping
  }

  async close(): Promise<void> {
    assert(!this.#isClosed, 'the chunk store is closed once')
    this.#isClosed = true
    await this.#sweeping?.catch(() => {})
    await Promise.all([...this.#stages].map((stage) => stage.ended))
    this.#handles.clear()
    // Not synced: should the file come back, the next opening sweeps in vain.
    const isClean = this.#kept === undefined && !this.#mayHaveOrphans
    if (isClean) await this.disk.unlink(`${this.#directory}/unclean`)
  }

  temporaryPath(): string {
    this.#temporaryCount++
    return `${this.#directory}/tmp/${this.#temporaryCount}`
  }

  async adopt(temporaryPath: string, digest: Digest): Promise<void> {
    const path = this.#path(digest)
    this.#kept?.add(digest)
    const pin = this.#pins.get(digest) ?? {
      holders: 0,
      isKept: false,
      wasPresent: this.#isPresent(digest),
    }
    this.#pins.set(digest, pin)
    pin.holders++
    await pin.wasPresent
    // Also over an older file: its bytes may have rotted, these have just been hashed.
    await this.disk.rename(temporaryPath, path)
    this.#handles.drop(path)
    this.#handles.drop(temporaryPath)
  }

  async readStaged(
    temporaryPath: string,
    digest: Digest,
    into: Uint8Array,
    position: number,
  ): Promise<void> {
    const fill = async (path: string) => {
      const count = await this.#handles.use(path, (file) => file.read(into, position))
      assert(count === into.length, 'a staged chunk is read within its size')
    }
    try {
      await fill(temporaryPath)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      // It got its name in between.
      await fill(this.#path(digest))
    }
  }

  forgetStaged(temporaryPath: string): void {
    this.#handles.drop(temporaryPath)
  }

  async syncNames(digests: readonly Digest[]): Promise<void> {
    const directories = new Set(digests.map((digest) => parentDirectory(this.#path(digest))))
    await Promise.all([...directories].map((directory) => this.#syncs.sync(directory)))
  }

  async release(digest: Digest, outcome: StageOutcome): Promise<void> {
    const pin = this.#pins.get(digest)
    assert(pin !== undefined, 'a released chunk was adopted')
    pin.holders--
    if (outcome !== 'dropped') pin.isKept = true
    // A dropped chunk's unlink is not synced, so power loss may bring it back.
    if (outcome !== 'kept') this.#mayHaveOrphans = true
    if (pin.holders > 0) return
    this.#pins.delete(digest)
    if (!pin.isKept && !(await pin.wasPresent) && !this.#pins.has(digest)) {
      await this.#unlink(digest)
    }
  }

  stageEnded(stage: FileStage): void {
    this.#stages.delete(stage)
  }

  async #isPresent(digest: Digest): Promise<boolean> {
    await this.#unlinking.get(digest)
    return this.disk.exists(this.#path(digest))
  }

  async #sweep(referenced: AsyncIterable<Digest>): Promise<number> {
    const kept = this.#kept
    if (kept === undefined) return 0
    for await (const digest of referenced) {
      if (this.#isClosed) return 0
      kept.add(digest)
    }
    let count = 0
    for (const shard of shardNames()) count += await this.#sweepShard(shard, kept)
    if (!this.#isClosed) this.#kept = undefined
    return count
  }

  async #sweepShard(shard: string, kept: DigestFilter): Promise<number> {
    const directory = `${this.#directory}/${shard}`
    let count = 0
    for (const name of await this.disk.list(directory)) {
      if (this.#isClosed) return count
      if (!isDigest(name) || kept.mayHave(name)) continue
      await this.#unlink(name)
      count++
    }
    // Else a clean end, then power loss, would bring them back for good.
    if (count > 0) await this.disk.syncDirectory(directory)
    return count
  }

  async #unlink(digest: Digest): Promise<void> {
    const path = this.#path(digest)
    const unlinked = this.disk.unlink(path).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw this.failStop.fail(error)
    })
    this.#unlinking.set(digest, unlinked)
    try {
      await unlinked
    } finally {
      this.#unlinking.delete(digest)
      this.#handles.drop(path)
    }
  }

  #path(digest: Digest): string {
    return `${this.#directory}/${digest.slice(0, 2)}/${digest}`
  }
}

function shardNames(): string[] {
  return Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))
}

function readRefusal(digest: Digest, error: unknown): Result<never, Missing | Corrupt> {
  const code = errorCode(error)
  if (code === 'ENOENT') return err({ kind: 'missing' })
  if (code === 'EIO') return err({ kind: 'corrupt', reason: `chunk ${digest}: ${code}` })
  throw new AetherError(
    'disk-failed',
    `cannot read chunk ${digest}: ${code}`,
    'check the permissions of the data directory and the limit of open files',
    error,
  )
}
