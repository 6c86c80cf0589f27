import type { Disk, DiskFile, FreeSpace } from '../../src/storage/file-system.ts'
import { type Directory, directory, File, survivingTree } from './disk-tree.ts'
import { seededRandom } from './random.ts'

/** A call that changes the disk or makes it durable: one step of a crash test. */
export type DiskCall = {
  readonly kind:
    | 'create'
    | 'write'
    | 'datasync'
    | 'rename'
    | 'unlink'
    | 'makeDirectory'
    | 'syncDirectory'
  readonly path: string
  /** Of a sync: where in the source it was asked for, as `file.ts:line`. */
  readonly site?: string
}

export type DiskTwinOptions = {
  readonly seed?: number
  readonly capacityBytes?: number
  /** Awaited before each step; what it throws is the outcome of the call. */
  readonly before?: (call: DiskCall) => void | Promise<void>
  /** A sync for which this answers true reports success and does nothing. */
  readonly isSuppressed?: (call: DiskCall) => boolean
}

/**
 * A disk in memory with the worst behaviour that the port allows at power loss: of what was not synced, each 4 KiB
 * sector is old, new or garbage, and each name is as at any moment since its directory was synced.
 */
export class DiskTwin implements Disk {
  readonly #root: Directory
  readonly #options: DiskTwinOptions
  readonly #halt = Promise.withResolvers<void>()
  #haltAfter = Number.POSITIVE_INFINITY
  #isHalted = false
  #usedBytes: number
  /** Steps so far, the one that the machine stopped at included. */
  steps = 0
  capacityBytes: number

  constructor(options: DiskTwinOptions = {}, root = directory()) {
    this.#options = options
    this.#root = root
    this.#usedBytes = root.sizeBytes()
    this.capacityBytes = options.capacityBytes ?? 2 ** 40
  }

  /** Resolves when the machine has stopped: from then on no call of this twin returns. */
  get halted(): Promise<void> {
    return this.#halt.promise
  }

  /** Stops the machine during the step after the next `count` ones. */
  haltAfter(count: number): void {
    this.#haltAfter = this.steps + count
  }

  /** Power loss: stops the machine and gives the disk as it is found when the power is back. */
  crash(options: DiskTwinOptions = {}): DiskTwin {
    this.#stop()
    const random = seededRandom(this.#options.seed ?? 1)
    return this.#successor(options, survivingTree(this.#root, random))
  }

  /** The process dies but the machine lives: nothing is lost, nothing becomes durable. */
  kill(options: DiskTwinOptions = {}): DiskTwin {
    this.#stop()
    return this.#successor(options, this.#root)
  }

  async open(path: string, mode: 'read' | 'create'): Promise<TwinFile> {
    const [parent, name] = this.#locate(path)
    if (mode === 'read') {
      await this.#pause()
      return new TwinFile(this, path, fileAt(parent, name, path))
    }
    await this.step({ kind: 'create', path }, () => {
      if (parent.entries.has(name)) throw failure('EEXIST', path)
      parent.set(name, new File())
    })
    return new TwinFile(this, path, fileAt(parent, name, path))
  }

  async exists(path: string): Promise<boolean> {
    await this.#pause()
    const [parent, name] = this.#locate(path)
    return parent.entries.has(name)
  }

  rename(from: string, to: string): Promise<void> {
    return this.step({ kind: 'rename', path: to }, () => {
      const [source, sourceName] = this.#locate(from)
      const [target, targetName] = this.#locate(to)
      const file = fileAt(source, sourceName, from)
      this.#release(target, targetName)
      source.set(sourceName, undefined)
      target.set(targetName, file)
    })
  }

  unlink(path: string): Promise<void> {
    return this.step({ kind: 'unlink', path }, () => {
      const [parent, name] = this.#locate(path)
      fileAt(parent, name, path)
      this.#release(parent, name)
      parent.set(name, undefined)
    })
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#pause()
    return [...this.#directoryAt(path).entries.keys()]
  }

  makeDirectory(path: string): Promise<void> {
    return this.step({ kind: 'makeDirectory', path }, () => {
      const [parent, name] = this.#locate(path)
      if (!parent.entries.has(name)) parent.set(name, directory())
    })
  }

  syncDirectory(path: string): Promise<void> {
    const call = { kind: 'syncDirectory', path, site: sourceSite() } as const
    return this.sync(call, () => this.#directoryAt(path).sync())
  }

  async freeSpace(): Promise<FreeSpace> {
    await this.#pause()
    return {
      freeBytes: Math.max(0, this.capacityBytes - this.#usedBytes),
      totalBytes: this.capacityBytes,
    }
  }

  /** Makes a change; when the machine stops at it, whether it happened is for the power loss to decide. */
  async step(call: DiskCall, change: () => void): Promise<void> {
    await this.#pause()
    await this.#options.before?.(call)
    change()
    if (this.#countStep()) await this.#forever()
    await this.#pause()
  }

  /** Makes something durable, unless the machine stops at it. */
  async sync(call: DiskCall, promote: () => void, fail?: () => void): Promise<void> {
    await this.#pause()
    try {
      await this.#options.before?.(call)
    } catch (failed) {
      fail?.()
      throw failed
    }
    if (this.#countStep()) await this.#forever()
    if (!this.#options.isSuppressed?.(call)) promote()
    await this.#pause()
  }

  /** Writes what fits; the rest fails as on a full disk. */
  grow(file: File, bytes: Uint8Array, position: number, path: string): void {
    const growth = Math.max(0, position + bytes.length - file.sizeBytes)
    const room = Math.max(0, this.capacityBytes - this.#usedBytes)
    const fitting = growth <= room ? bytes : bytes.subarray(0, bytes.length - (growth - room))
    file.write(fitting, position)
    this.#usedBytes += Math.min(growth, room)
    if (growth > room) throw failure('ENOSPC', path)
  }

  async read(file: File, into: Uint8Array, position: number): Promise<number> {
    await this.#pause()
    return file.read(into, position)
  }

  #successor(options: DiskTwinOptions, root: Directory): DiskTwin {
    const { capacityBytes } = this
    return new DiskTwin({ ...this.#options, capacityBytes, ...options }, root)
  }

  #countStep(): boolean {
    if (this.steps++ < this.#haltAfter) return false
    this.#stop()
    return true
  }

  #stop(): void {
    this.#isHalted = true
    this.#halt.resolve()
  }

  async #pause(): Promise<void> {
    if (this.#isHalted) await this.#forever()
    await Promise.resolve()
  }

  #forever(): Promise<never> {
    return new Promise(() => {})
  }

  #release(parent: Directory, name: string): void {
    const entry = parent.entries.get(name)
    if (entry instanceof File) this.#usedBytes -= entry.sizeBytes
  }

  #directoryAt(path: string): Directory {
    let current = this.#root
    for (const name of path.split('/').filter((part) => part !== '')) {
      const entry = current.entries.get(name)
      if (entry === undefined) throw failure('ENOENT', path)
      if (entry instanceof File) throw failure('ENOTDIR', path)
      current = entry
    }
    return current
  }

  #locate(path: string): [Directory, string] {
    const slash = path.lastIndexOf('/')
    return [this.#directoryAt(path.slice(0, slash)), path.slice(slash + 1)]
  }
}

export class TwinFile implements DiskFile {
  readonly #disk: DiskTwin
  readonly #path: string
  readonly #file: File
  #isOpen = true

  constructor(disk: DiskTwin, path: string, file: File) {
    this.#disk = disk
    this.#path = path
    this.#file = file
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#assertOpen()
    return this.#disk.read(this.#file, into, position)
  }

  readNow(into: Uint8Array, position: number): number {
    this.#assertOpen()
    return this.#file.read(into, position)
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#assertOpen()
    return this.#disk.step({ kind: 'write', path: this.#path }, () => {
      this.#disk.grow(this.#file, bytes, position, this.#path)
    })
  }

  datasync(site = sourceSite()): Promise<void> {
    this.#assertOpen()
    const call = { kind: 'datasync', path: this.#path, site } as const
    return this.#disk.sync(
      call,
      () => this.#file.sync(),
      () => this.#file.failSync(),
    )
  }

  async close(): Promise<void> {
    this.#assertOpen()
    this.#isOpen = false
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw failure('EBADF', this.#path)
  }
}

/** The line of `src` that is being executed, as `file.ts:line`; empty when there is none. */
export function sourceSite(): string {
  return /\/src\/[^\s]*?([^/\s]+\.ts:\d+):\d+/.exec(new Error().stack ?? '')?.[1] ?? ''
}

/** An error as the operating system gives it. */
export function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

function fileAt(parent: Directory, name: string, path: string): File {
  const entry = parent.entries.get(name)
  if (entry === undefined) throw failure('ENOENT', path)
  if (!(entry instanceof File)) throw failure('EISDIR', path)
  return entry
}
