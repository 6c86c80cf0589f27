import { closeInOrder } from '../base/closing.ts'
import { AetherError } from '../base/fault.ts'
import { openChunkFiles } from './chunk-files.disk.ts'
import type { ChunkStore } from './chunk-store.ts'
import type { Engine } from './engine.ts'
import { FailStop } from './fail-stop.ts'
import { type Disk, isNoSpace, parentDirectory } from './file-system.ts'
import { SpaceGuard } from './free-space.ts'
import { openHighWater } from './high-water.disk.ts'
import type { HighWater } from './high-water.ts'
import { type LevelStore, openLevelEngine } from './level-engine.ts'

/** Everything durable of one node. `failed` resolves when the disk has failed: the node stops then. */
export type Storage = {
  readonly engine: Engine
  readonly highWater: HighWater
  readonly chunks: ChunkStore
  readonly failed: Promise<AetherError>
  /** What all who write to the directory share: its room, and whether its disk can still be trusted. */
  readonly space: SpaceGuard
  readonly failStop: FailStop
  /** Waits for what is under way, then gives the directory free. */
  close(): Promise<void>
}

/** `directory` is made when missing; its parent exists. A node passes `localDisk` and `openLevelStore`. */
export type StorageOptions = {
  readonly disk: Disk
  readonly directory: string
  readonly openStore: (directory: string) => Promise<LevelStore>
}

/** Opens a data directory; rejects with `data-directory-in-use` before it changes anything that another process uses. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { disk, directory, openStore } = options
  const failStop = new FailStop()
  const space = new SpaceGuard(disk, directory)
  const engineDirectory = `${directory}/engine`
  const valueDirectory = `${directory}/values`
  const chunkDirectory = `${directory}/chunks`
  await makeDirectories(disk, directory, [engineDirectory, valueDirectory, chunkDirectory])
  const engine = await openLevelEngine({
    disk,
    directory: engineDirectory,
    valueDirectory,
    space,
    failStop,
    openStore,
  })
  try {
    const highWater = await openHighWater({ disk, path: `${directory}/high-water`, failStop })
    const chunks = await openChunkFiles({ disk, directory: chunkDirectory, space, failStop })
    const close = () => closeInOrder([() => chunks.close(), () => engine.close()])
    const { failed } = failStop
    return { engine, highWater, chunks, failed, space, failStop, close }
  } catch (error) {
    await engine.close()
    throw openFault(directory, error)
  }
}

async function makeDirectories(
  disk: Disk,
  directory: string,
  children: readonly string[],
): Promise<void> {
  try {
    await disk.makeDirectory(directory)
    await disk.syncDirectory(parentDirectory(directory))
    for (const child of children) await disk.makeDirectory(child)
    await disk.syncDirectory(directory)
  } catch (error) {
    throw openFault(directory, error)
  }
}

function openFault(directory: string, error: unknown): AetherError {
  if (error instanceof AetherError) return error
  const message = `cannot open ${directory}: ${error instanceof Error ? error.message : String(error)}`
  if (isNoSpace(error)) {
    return new AetherError(
      'no-space',
      message,
      'make room on the disk of the data directory',
      error,
    )
  }
  const next = 'name a data directory that this user may write to, in a directory that exists'
  return new AetherError('disk-failed', message, next, error)
}
