import { assert } from '../base/assert.ts'
import { utf8 } from '../base/bytes.ts'
import { AetherError } from '../base/fault.ts'
import type { PartitionId } from '../base/ids.ts'
import type { NoSpace, Version } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { FailStop } from './fail-stop.ts'
import { removeTemporary, replaceFile } from './file-replacement.disk.ts'
import { type Disk, isNoSpace } from './file-system.ts'
import type { HighWater, Marks } from './high-water.ts'
import { openSealed, SEAL_BYTES, sealValue } from './sealed-value.ts'

/** Opens the high-water file at `path`; without one all marks are absent. Its directory exists. */
export async function openHighWater(options: {
  readonly disk: Disk
  readonly path: string
  readonly failStop: FailStop
}): Promise<HighWater> {
  const { disk, path, failStop } = options
  await removeTemporary(disk, path)
  return new HighWaterFile(disk, path, failStop, await load(disk, path))
}

class HighWaterFile implements HighWater {
  readonly #disk: Disk
  readonly #path: string
  readonly #failStop: FailStop
  readonly marks: Marks
  #isSaving = false

  constructor(disk: Disk, path: string, failStop: FailStop, marks: Marks) {
    this.#disk = disk
    this.#path = path
    this.#failStop = failStop
    this.marks = marks
  }

  async save(marks: Marks): Promise<Result<void, NoSpace>> {
    assert(!this.#isSaving, 'one save of the marks at a time')
    this.#isSaving = true
    this.#failStop.check()
    try {
      await replaceFile(this.#disk, this.#path, encodeMarks(marks))
      return ok(undefined)
    } catch (error) {
      if (!isNoSpace(error)) throw this.#failStop.fail(error)
      return err({ kind: 'no-space' })
    } finally {
      this.#isSaving = false
    }
  }
}

async function load(disk: Disk, path: string): Promise<Marks> {
  if (!(await disk.exists(path))) return new Map()
  const file = await disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(FILE_BYTES_MAX)
    return decodeMarks(bytes.subarray(0, await file.read(bytes, 0)))
  } finally {
    await file.close()
  }
}

/** The file is a sealed value under this name, so its checksum and format number are those of every other value. */
const SEAL_KEY = utf8('high-water')

/** Partition (2 bytes), epoch and sequence number (8 bytes each), big-endian. */
const MARK_BYTES = 18

/** Strong partitions and eventual ones. */
const MARKS_MAX = 2_048
const FILE_BYTES_MAX = SEAL_BYTES + MARKS_MAX * MARK_BYTES

function encodeMarks(marks: Marks): Uint8Array {
  const body = new Uint8Array(marks.size * MARK_BYTES)
  const view = new DataView(body.buffer)
  let offset = 0
  for (const [partition, { epoch, seq }] of marks) {
    view.setUint16(offset, partition)
    view.setBigUint64(offset + 2, BigInt(epoch))
    view.setBigUint64(offset + 10, BigInt(seq))
    offset += MARK_BYTES
  }
  return sealValue(SEAL_KEY, body)
}

function decodeMarks(sealed: Uint8Array): Marks {
  const body = openSealed(SEAL_KEY, sealed)
  if (!(body instanceof Uint8Array) || body.length % MARK_BYTES !== 0) {
    throw new AetherError(
      'data-damaged',
      'the high-water file holds no marks',
      'check the disk; restore this node from its peers or from a backup',
    )
  }
  const view = new DataView(body.buffer, body.byteOffset)
  const marks = new Map<PartitionId, Version>()
  for (let offset = 0; offset < body.length; offset += MARK_BYTES) {
    const epoch = Number(view.getBigUint64(offset + 2))
    const seq = Number(view.getBigUint64(offset + 10))
    marks.set(view.getUint16(offset) as PartitionId, { epoch, seq })
  }
  return marks
}
