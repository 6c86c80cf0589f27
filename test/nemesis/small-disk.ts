/** A file system of a few hundred megabytes, to be full when a test wants it to be. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export class SmallDisk {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** At `directory`, which is made. Undefined where this user may not mount anything. */
  static mount(directory: string): SmallDisk | undefined {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const options = ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES},mode=700`, 'tmpfs', directory]
    return spawnSync('mount', options).status === 0 ? new SmallDisk(directory) : undefined
  }

  /** Takes all but so many bytes. */
  fill(leftBytes: number): void {
    const { bavail, bsize } = statfsSync(this.#directory)
    const piece = Buffer.alloc(PIECE_BYTES)
    const file = openSync(this.#ballast, 'w')
    try {
      let takenBytes = 0
      for (const goal = bavail * bsize - leftBytes; takenBytes < goal; )
        takenBytes += writeSync(file, piece, 0, Math.min(PIECE_BYTES, goal - takenBytes))
    } catch (cause) {
      // Somebody else has had the rest.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause
    } finally {
      closeSync(file)
    }
  }

  /** Gives it back. */
  free(): void {
    rmSync(this.#ballast, { force: true })
  }

  unmount(): void {
    // What a process that has just ended still holds does not matter.
    spawnSync('umount', ['--lazy', this.#directory])
  }

  get #ballast(): string {
    return join(this.#directory, 'ballast')
  }
}

/** More than the minutes of a campaign store on it, and little enough to be filled at once. */
const SIZE_BYTES = 768 * 1_024 * 1_024

const PIECE_BYTES = 16 * 1_024 * 1_024
