/**
 * Large values beside LevelDB: `<directory>/<number>-<kept>`, each file written from front to end and never again. LevelDB
 * would write them again with every compaction of the tables they are in, and most of its work would be that.
 *
 * A value is durable, its file's name too, before LevelDB gets the pointer to it. What no pointer names is garbage: it is in
 * files that `sparseBelow` finds and `remove` takes away.
 */
import { assert } from '../base/assert.ts'
import { AetherError } from '../base/fault.ts'
import { crc32 } from '../base/hash.ts'
import type { Disk, DiskFile } from './file-system.ts'
import type { ValuePointer } from './sealed-value.ts'

/** Long enough that a terabyte has few files, short enough that moving what lives in one takes little room. */
export const VALUE_FILE_BYTES = 128 * 1_024 * 1_024

const FILE_NAME = /^([1-9][0-9]{0,14})-([0-9]{1,15})$/

/** Garbage is looked for when there are twice as many files as were kept the last time, and as many more as this. */
const FILES_SPARE = 4

/** `directory` exists for good and belongs to these files alone; the engine's lock guards it. */
export type ValueFilesOptions = {
  readonly disk: Disk
  readonly directory: string
  /** A file is followed by the next one once it is this long. */
  readonly fileBytes?: number
}

export async function openValueFiles(options: ValueFilesOptions): Promise<ValueFiles> {
  const { disk, directory } = options
  const files = new Map<number, ValueFile>()
  let last = { number: 0, keptCount: 0 }
  for (const name of await disk.list(directory)) {
    const [number = 0, keptCount = 0] = FILE_NAME.exec(name)?.slice(1).map(Number) ?? []
    if (number === 0) throw foreign(directory, name)
    const path = `${directory}/${name}`
    files.set(number, { path, file: await disk.open(path, 'read') })
    if (number > last.number) last = { number, keptCount }
  }
  return new ValueFiles(options, files, last)
}

/** The files of one engine. One `append` at a time. */
export class ValueFiles {
  readonly #disk: Disk
  readonly #directory: string
  readonly #fileBytes: number
  readonly #files: Map<number, ValueFile>
  /** The newest number. A file of an earlier run is never continued: its end may be garbled. */
  #number: number
  /** How many files were left when garbage was collected the last time; it is in the names, to outlive the process. */
  #keptCount: number
  /** The file being written; undefined when the next value begins another. */
  #current: Current | undefined
  /** Used again, since making a buffer costs as much as filling it. */
  #buffer = new Uint8Array(64 * 1_024)

  /** Use `openValueFiles`. */
  constructor(
    { disk, directory, fileBytes = VALUE_FILE_BYTES }: ValueFilesOptions,
    files: Map<number, ValueFile>,
    last: { readonly number: number; readonly keptCount: number },
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#fileBytes = fileBytes
    this.#files = files
    this.#number = last.number
    this.#keptCount = last.keptCount
  }

  /** Resolves when the values are durable. When it rejects, none of them counts. */
  async append(values: readonly Uint8Array[]): Promise<ValuePointer[]> {
    const current = this.#current ?? (await this.#begin())
    this.#current = current
    let end = current.end
    const pointers = values.map((value) => {
      const pointer = { file: current.number, position: end, sizeBytes: value.length }
      end += value.length
      return { ...pointer, checksum: crc32(value) }
    })
    await current.file.write(this.#joined(values, end - current.end), current.end)
    // After a failed sync the state of the file is unknown.
    this.#current = undefined
    await current.file.datasync()
    if (!current.isNamed) await this.#disk.syncDirectory(this.#directory)
    if (end < this.#fileBytes) this.#current = { ...current, end, isNamed: true }
    return pointers
  }

  /** Reads at once, as LevelDB does. Throws `data-damaged` when the value is not what was written. */
  read(pointer: ValuePointer): Uint8Array {
    const value = new Uint8Array(pointer.sizeBytes)
    return checked(value, this.#fileOf(pointer).readNow(value, pointer.position), pointer)
  }

  /** As `read`, but in the background. */
  async load(pointer: ValuePointer): Promise<Uint8Array> {
    const value = new Uint8Array(pointer.sizeBytes)
    return checked(value, await this.#fileOf(pointer).read(value, pointer.position), pointer)
  }

  /** Whether so many files have come since the last collection that half of them may be garbage. */
  get needsCollection(): boolean {
    return this.#files.size >= 2 * this.#keptCount + FILES_SPARE
  }

  /** The number of the newest file. Those with lower numbers are not written any more. */
  get newest(): number {
    return this.#number
  }

  /** Of the files with lower numbers those that are less than half full of values that live, whose bytes are given. */
  sparseBelow(number: number, liveBytes: ReadonlyMap<number, number>): Set<number> {
    const below = [...this.#files.keys()].filter((each) => each < number)
    return new Set(below.filter((each) => (liveBytes.get(each) ?? 0) < this.#fileBytes / 2))
  }

  /** Ends a collection. Nothing points to these files any more; one that power loss brings back is found by the next. */
  async remove(numbers: Iterable<number>): Promise<void> {
    for (const number of numbers) {
      const found = this.#files.get(number)
      assert(found !== undefined, 'a file is removed once')
      this.#files.delete(number)
      await found.file.close()
      await this.#disk.unlink(found.path)
    }
    this.#keptCount = this.#files.size
  }

  async close(): Promise<void> {
    for (const { file } of this.#files.values()) await file.close()
  }

  async #begin(): Promise<Current> {
    const number = this.#number + 1
    const path = `${this.#directory}/${number}-${this.#keptCount}`
    const file = await this.#disk.open(path, 'create')
    this.#files.set(number, { file, path })
    this.#number = number
    return { number, file, end: 0, isNamed: false }
  }

  #joined(values: readonly Uint8Array[], sizeBytes: number): Uint8Array {
    const [only] = values
    if (values.length === 1 && only !== undefined) return only
    if (sizeBytes > this.#buffer.length) this.#buffer = new Uint8Array(sizeBytes)
    let offset = 0
    for (const value of values) {
      this.#buffer.set(value, offset)
      offset += value.length
    }
    return this.#buffer.subarray(0, sizeBytes)
  }

  #fileOf(pointer: ValuePointer): DiskFile {
    const found = this.#files.get(pointer.file)
    if (found === undefined) throw damaged(`file ${pointer.file} is missing`)
    return found.file
  }
}

type ValueFile = { readonly file: DiskFile; readonly path: string }

type Current = {
  readonly number: number
  readonly file: DiskFile
  readonly end: number
  /** Whether its name is durable. */
  readonly isNamed: boolean
}

function checked(value: Uint8Array, count: number, pointer: ValuePointer): Uint8Array {
  if (count === value.length && crc32(value) === pointer.checksum) return value
  throw damaged(`file ${pointer.file} is damaged at byte ${pointer.position}`)
}

function foreign(directory: string, name: string): AetherError {
  return new AetherError(
    'data-directory-foreign',
    `${directory} holds ${name}, which this node has not written`,
    `move ${name} elsewhere; the directory belongs to the node alone`,
  )
}

function damaged(detail: string): AetherError {
  return new AetherError(
    'data-damaged',
    `a stored value cannot be read: ${detail}`,
    'check the disk; restore this node from its peers or from a backup',
  )
}
