import { assert } from '../base/assert.ts'
import type { Digest } from '../base/ids.ts'
import type { NoSpace } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { ChunkStage, StageOutcome } from './chunk-store.ts'
import type { FailStop } from './fail-stop.ts'
import { type Disk, type DiskFile, errorCode, isNoSpace } from './file-system.ts'
import type { SpaceGuard } from './free-space.ts'

/** The store that staged chunks move into. */
export interface ChunkHome {
  readonly disk: Disk
  readonly space: SpaceGuard
  readonly failStop: FailStop
  /** A fresh name in the staging directory. */
  temporaryPath(): string
  /** Gives the staged file the name of its digest and pins it until `release`, also when it rejects. */
  adopt(temporaryPath: string, digest: Digest): Promise<void>
  /** Fills `into` with bytes of a chunk that is staged under `temporaryPath`, or was. */
  readStaged(
    temporaryPath: string,
    digest: Digest,
    into: Uint8Array,
    position: number,
  ): Promise<void>
  /** The staged file is gone: it must not stay open. */
  forgetStaged(temporaryPath: string): void
  /** Makes the names of adopted chunks durable. */
  syncNames(digests: readonly Digest[]): Promise<void>
  release(digest: Digest, outcome: StageOutcome): Promise<void>
  stageEnded(stage: FileStage): void
}

type Chunk = { readonly path: string; readonly file: DiskFile; sizeBytes: number }
type Sealed = { readonly path: string; readonly digest: Digest }

/** An upload's chunks as files in the staging directory. */
export class FileStage implements ChunkStage {
  readonly #home: ChunkHome
  #current: Chunk | undefined
  readonly #sealed: Sealed[] = []
  #adoptedCount = 0
  /** The chunk before the current one becoming durable. */
  #flushing: Promise<Result<void, NoSpace>> = Promise.resolve(ok(undefined))
  #isEnded = false
  readonly #end = Promise.withResolvers<void>()

  constructor(home: ChunkHome) {
    this.#home = home
  }

  /** Resolves when the upload has ended. */
  get ended(): Promise<void> {
    return this.#end.promise
  }

  async append(bytes: Uint8Array): Promise<Result<void, NoSpace>> {
    assert(!this.#isEnded, 'nothing follows the end of an upload')
    return this.#refusable(async () => {
      if (!(await this.#home.space.admit(bytes.length, 'chunks'))) return err({ kind: 'no-space' })
      this.#current ??= await this.#createChunk()
      const chunk = this.#current
      await chunk.file.write(bytes, chunk.sizeBytes)
      chunk.sizeBytes += bytes.length
      return ok(undefined)
    })
  }

  async seal(digest: Digest): Promise<Result<void, NoSpace>> {
    const chunk = this.#current
    assert(chunk !== undefined, 'a sealed chunk has bytes')
    const flushed = await this.#flushing
    if (!flushed.ok) return flushed
    this.#current = undefined
    this.#sealed.push({ path: chunk.path, digest })
    this.#flushing = this.#refusable(async () => {
      try {
        await chunk.file.datasync()
      } finally {
        await chunk.file.close()
      }
      return ok(undefined)
    })
    // Whoever awaits it next sees the failure; until then it must not count as unhandled.
    this.#flushing.catch(() => {})
    return ok(undefined)
  }

  async read(digest: Digest, into: Uint8Array, position: number): Promise<void> {
    const chunk = this.#sealed.find((sealed) => sealed.digest === digest)
    assert(chunk !== undefined && !this.#isEnded, 'a staged chunk is read once it is sealed')
    await this.#home.readStaged(chunk.path, digest, into, position)
  }

  async publish(): Promise<Result<void, NoSpace>> {
    assert(this.#current === undefined && this.#adoptedCount === 0, 'all chunks are sealed')
    const flushed = await this.#flushing
    if (!flushed.ok) return flushed
    return this.#refusable(async () => {
      for (const { path, digest } of this.#sealed) {
        this.#adoptedCount++
        await this.#home.adopt(path, digest)
      }
      await this.#home.syncNames(this.#sealed.map(({ digest }) => digest))
      // Another upload's sync of the same directory may have failed meanwhile, and taken the error with it.
      this.#home.failStop.check()
      return ok(undefined)
    })
  }

  async end(outcome: StageOutcome): Promise<void> {
    assert(!this.#isEnded, 'an upload ends once')
    this.#isEnded = true
    try {
      await this.#flushing.catch(() => {})
      await this.#current?.file.close()
      for (const { digest } of this.#sealed.slice(0, this.#adoptedCount)) {
        await this.#home.release(digest, outcome)
      }
      if (outcome === 'dropped') await this.#unlinkStaged()
    } catch (error) {
      throw this.#home.failStop.fail(error)
    } finally {
      this.#home.stageEnded(this)
      this.#end.resolve()
    }
  }

  async #unlinkStaged(): Promise<void> {
    const paths = this.#sealed.map(({ path }) => path)
    if (this.#current !== undefined) paths.push(this.#current.path)
    for (const path of paths) {
      this.#home.forgetStaged(path)
      await this.#home.disk.unlink(path).catch((error: unknown) => {
        // It was published: gone from here already.
        if (errorCode(error) !== 'ENOENT') throw error
      })
    }
  }

  async #createChunk(): Promise<Chunk> {
    const path = this.#home.temporaryPath()
    return { path, file: await this.#home.disk.open(path, 'create'), sizeBytes: 0 }
  }

  async #refusable(work: () => Promise<Result<void, NoSpace>>): Promise<Result<void, NoSpace>> {
    this.#home.failStop.check()
    try {
      return await work()
    } catch (error) {
      if (isNoSpace(error)) return err({ kind: 'no-space' })
      throw this.#home.failStop.fail(error)
    }
  }
}
