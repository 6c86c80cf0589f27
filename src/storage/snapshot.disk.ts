/**
 * A file that is replaced as a whole: what it held last, or what it held before that, and never anything else.
 *
 *     format (1 byte)   SHA-256 of format and content (32 bytes)   content
 *
 * 1. The bytes are durable before they get the name, and the name before the save is said to be done.
 * 2. Every start makes the name that it finds durable before it is shown: the sync of the save may never have returned, and
 *    what is built on a snapshot (entries dropped from a log) must not outlive it.
 */
import { createHash } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { compareBytes, concat } from '../base/bytes.ts'
import { AetherError } from '../base/fault.ts'
import type { NoSpace } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { FailStop } from './fail-stop.ts'
import { removeTemporary, replaceFile } from './file-replacement.disk.ts'
import { type Disk, isNoSpace, parentDirectory } from './file-system.ts'

export class SnapshotFile {
  readonly #options: SnapshotFileOptions
  #isSaving = false

  /**
   * Opens the file and gives its content, durable; undefined when nothing was ever saved. Rejects with `data-damaged` when
   * it is not what was saved, with `data-format-newer` when a newer Aether saved it.
   */
  static async open(options: SnapshotFileOptions): Promise<OpenedSnapshot> {
    const { disk, path } = options
    await removeTemporary(disk, path)
    await disk.syncDirectory(parentDirectory(path))
    const bytes = (await disk.exists(path)) ? await readWhole(disk, path) : undefined
    const content = bytes === undefined ? undefined : unwrap(bytes, path)
    return { file: new SnapshotFile(options), content }
  }

  /** Use `open`. */
  private constructor(options: SnapshotFileOptions) {
    this.#options = options
  }

  /**
   * Replaces the content; durable when it resolves with ok. With `no-space` nothing may be built on it: a later start finds
   * this content or the one before. Rejects with `disk-failed`, which is final. One call at a time; the bytes must not change
   * until it resolves.
   */
  async save(content: Uint8Array): Promise<Result<void, NoSpace>> {
    assert(!this.#isSaving, 'one save of a snapshot at a time')
    const { disk, path, failStop, admit } = this.#options
    this.#isSaving = true
    try {
      failStop.check()
      const bytes = wrap(content)
      if (!(await admit(bytes.length))) return err({ kind: 'no-space' })
      await replaceFile(disk, path, bytes)
      return ok(undefined)
    } catch (error) {
      if (isNoSpace(error)) return err({ kind: 'no-space' })
      throw failStop.fail(error)
    } finally {
      this.#isSaving = false
    }
  }
}

export type SnapshotFileOptions = {
  readonly disk: Disk
  /** Its directory exists and is durable. `<path>.tmp` is used too. */
  readonly path: string
  readonly failStop: FailStop
  /** Whether there is room for so many bytes. */
  readonly admit: (sizeBytes: number) => Promise<boolean>
}

export type OpenedSnapshot = {
  readonly file: SnapshotFile
  readonly content: Uint8Array | undefined
}

const FORMAT = 1
const DIGEST_BYTES = 32
const HEADER_BYTES = 1 + DIGEST_BYTES

/** A file is read in steps of this size, since the port does not tell how long it is. */
const READ_BYTES = 1_024 * 1_024

async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, 'read')
  try {
    const parts: Uint8Array[] = []
    for (let position = 0; ; position += READ_BYTES) {
      const part = new Uint8Array(READ_BYTES)
      const count = await file.read(part, position)
      parts.push(part.subarray(0, count))
      if (count < READ_BYTES) return concat(parts)
    }
  } finally {
    await file.close()
  }
}

function wrap(content: Uint8Array): Uint8Array {
  const format = Uint8Array.of(FORMAT)
  return concat([format, digestOf(format, content), content])
}

function unwrap(bytes: Uint8Array, path: string): Uint8Array {
  const format = bytes.subarray(0, 1)
  const content = bytes.subarray(HEADER_BYTES)
  const digest = bytes.subarray(1, HEADER_BYTES)
  if (bytes.length < HEADER_BYTES || compareBytes(digest, digestOf(format, content)) !== 0) {
    throw new AetherError(
      'data-damaged',
      `${path} is not what was written to it`,
      'check the disk; restore the data directory from a backup or, as one node of several, empty it and add the node anew',
    )
  }
  if (format[0] !== FORMAT) {
    throw new AetherError(
      'data-format-newer',
      `${path} has format ${format[0]}, where this version of Aether knows format ${FORMAT}`,
      'start the version of Aether that wrote this data directory, or a later one',
    )
  }
  return content
}

function digestOf(format: Uint8Array, content: Uint8Array): Uint8Array {
  return createHash('sha256').update(format).update(content).digest()
}
