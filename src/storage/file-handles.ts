import type { DiskFile } from './file-system.ts'

type Handle = { readonly file: Promise<DiskFile>; users: number; isDropped: boolean }

/** Files that stay open between reads: the least recently used are closed beyond a limit. */
export class FileHandles {
  readonly #open: (path: string) => Promise<DiskFile>
  readonly #limit: number
  /** In the order of their last use. */
  readonly #handles = new Map<string, Handle>()

  constructor(open: (path: string) => Promise<DiskFile>, limit: number) {
    this.#open = open
    this.#limit = limit
  }

  /** Gives the file at `path` to `body`, which neither closes it nor keeps it. */
  async use<T>(path: string, body: (file: DiskFile) => Promise<T>): Promise<T> {
    const handle = this.#handles.get(path) ?? this.#opening(path)
    handle.users++
    this.#handles.delete(path)
    this.#handles.set(path, handle)
    this.#evict()
    try {
      return await body(await handle.file)
    } finally {
      handle.users--
      if (handle.isDropped) close(handle)
    }
  }

  /** Forgets the file at `path`, since another one has its name now, or none. */
  drop(path: string): void {
    const handle = this.#handles.get(path)
    if (handle === undefined) return
    this.#handles.delete(path)
    handle.isDropped = true
    close(handle)
  }

  /** Closes all files, those in use as soon as they are not. */
  clear(): void {
    for (const path of [...this.#handles.keys()]) this.drop(path)
  }

  #opening(path: string): Handle {
    const handle = { file: this.#open(path), users: 0, isDropped: false }
    handle.file.catch(() => {
      if (this.#handles.get(path) === handle) this.#handles.delete(path)
    })
    return handle
  }

  #evict(): void {
    if (this.#handles.size <= this.#limit) return
    const oldest = this.#handles.keys().next()
    if (!oldest.done) this.drop(oldest.value)
  }
}

/** Closing a file that was only read cannot lose anything, so its failure is of no interest. */
function close(handle: Handle): void {
  if (handle.users > 0) return
  handle.file.then((file) => file.close()).catch(() => {})
}
