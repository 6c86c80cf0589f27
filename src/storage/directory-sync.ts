import type { Disk } from './file-system.ts'

type Syncs = { readonly running: Promise<void>; following?: Promise<void> }

/** Joins concurrent syncs of one directory: whoever comes during a sync shares the next one, which covers them all. */
export class DirectorySync {
  readonly #disk: Disk
  readonly #syncs = new Map<string, Syncs>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Resolves when every change of the directory's names made before the call is durable. */
  sync(directory: string): Promise<void> {
    const syncs = this.#syncs.get(directory)
    if (syncs === undefined) return this.#start(directory)
    // Not after a failure: a sync that is tried again may report success for what was lost.
    syncs.following ??= syncs.running.then(() => this.#start(directory))
    return syncs.following
  }

  #start(directory: string): Promise<void> {
    const running = this.#disk.syncDirectory(directory)
    const syncs: Syncs = { running }
    this.#syncs.set(directory, syncs)
    const finish = () => {
      if (syncs.following === undefined) this.#syncs.delete(directory)
    }
    running.then(finish, finish)
    return running
  }
}
