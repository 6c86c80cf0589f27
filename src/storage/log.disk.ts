/** The consensus log on a file system: reads it back through `LogScan`, then runs what `LogWriter` asks for. */
import { assert } from '../base/assert.ts'
import { AetherError } from '../base/fault.ts'
import type { NoSpace } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type Disk, type DiskFile, isNoSpace } from './file-system.ts'
import type { LogEntry } from './log-frame.ts'
import { LogScan, type LogTail } from './log-scan.ts'
import { type LogAction, type LogEffect, type LogInput, LogWriter } from './log-writer.ts'

export type ConsensusLogOptions = {
  /** Exists, is durable, and belongs to this log alone. */
  readonly directory: string
  /** 16 bytes stamped into a log that is made now; an existing log keeps its own. */
  readonly identity: Uint8Array
  /** A segment is followed by the next one once it is this long. */
  readonly segmentBytes?: number
  /** Whether there is room for so many bytes more; without room an append is refused. Always, when absent. */
  readonly admit?: (sizeBytes: number) => Promise<boolean>
}

/** Long enough that rotation (a directory sync) is rare, short enough that dropping gives space back soon. */
const SEGMENT_BYTES = 16 * 1_024 * 1_024

export class ConsensusLog {
  readonly #disk: Disk
  readonly #directory: string
  readonly #writer: LogWriter
  readonly #waiting = new Map<number, Waiting>()
  readonly #files = new Map<number, DiskFile>()
  readonly #admit: (sizeBytes: number) => Promise<boolean>
  #running: Promise<void> = Promise.resolve()
  #fault: AetherError | undefined
  #isOpen = false

  /**
   * Shows every entry to `onEntry` in order (it must not keep the bytes) and resolves when all of them are durable. What was
   * shown counts only then: rejects with `data-damaged` when something that was promised is lost, with `no-space` when the disk
   * is full, with `disk-failed` when it is broken.
   */
  static async open(
    disk: Disk,
    options: ConsensusLogOptions,
    onEntry: (entry: LogEntry) => void,
  ): Promise<ConsensusLog> {
    const tail = await scan(disk, options.directory, onEntry)
    const log = new ConsensusLog(disk, options, tail)
    log.#step({ kind: 'open' })
    await log.#running
    if (log.#isOpen) return log
    await log.close()
    throw log.#fault
  }

  private constructor(disk: Disk, options: ConsensusLogOptions, tail: LogTail) {
    this.#disk = disk
    this.#directory = options.directory
    const { identity, segmentBytes = SEGMENT_BYTES, admit = async () => true } = options
    this.#admit = admit
    this.#writer = new LogWriter(tail, { identity, segmentBytes })
  }

  /** Names this log: the one given when it was made. */
  get identity(): Uint8Array {
    return this.#writer.identity
  }

  /**
   * Resolves with ok when `entries` survive power loss; appends resolve in the order of the calls. With `no-space` nothing of it
   * was written, and all later tokens are refused until this one is appended again. Rejects with `disk-failed` once the disk has
   * failed; that is final. Ownership of the bytes passes to the log; together they fit `FRAME_PAYLOAD_BYTES_MAX`.
   */
  append(token: number, entries: readonly LogEntry[]): Promise<Result<void, NoSpace>> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault)
    return new Promise((resolve, reject) => {
      this.#waiting.set(token, { resolve, reject })
      this.#step({ kind: 'append', token, entries })
    })
  }

  /** Entries of lower slots are not needed any more; whole segments of them are removed in the background. */
  dropBelow(slot: number): void {
    this.#step({ kind: 'drop-below', slot })
  }

  /** Waits for what is in flight. No call may follow. */
  async close(): Promise<void> {
    let waited: Promise<void> | undefined
    while (waited !== this.#running) {
      waited = this.#running
      await waited
    }
    await this.#closeFiles()
  }

  #step(input: LogInput): void {
    for (const effect of this.#writer.step(input)) this.#perform(effect)
  }

  #perform(effect: LogEffect): void {
    switch (effect.kind) {
      case 'run':
        this.#running = this.#run(effect.actions)
        return
      case 'appended':
        this.#settle(effect.token).resolve(ok(undefined))
        return
      case 'refused':
        this.#settle(effect.token).resolve(err({ kind: 'no-space' }))
        return
      case 'stopped':
        for (const { reject } of this.#waiting.values()) reject(this.#fault)
        this.#waiting.clear()
        return
    }
  }

  /** Awaits as little as it can: until the sync has begun, each answer to a client that goes first holds up the slot. */
  async #run(actions: readonly LogAction[]): Promise<void> {
    let doing: LogAction['kind'] | undefined
    try {
      for (const action of actions) {
        doing = action.kind
        if (this.#needsRoom(action) && !(await this.#admit(action.bytes.length))) {
          this.#step({ kind: 'failed', cause: 'no-space' })
          return
        }
        await this.#act(action)
      }
    } catch (cause) {
      this.#fail(doing, cause)
      return
    }
    this.#isOpen = true
    this.#step({ kind: 'ran' })
  }

  /** The first frame of a life repeats the last one, and is written as long as the disk itself takes it. */
  #needsRoom(action: LogAction): action is Extract<LogAction, { kind: 'write' }> {
    return this.#isOpen && action.kind === 'write'
  }

  #fail(doing: LogAction['kind'] | undefined, cause: unknown): void {
    const full = isNoSpace(cause) && (doing === 'create' || doing === 'write')
    if (!full) this.#fault = broken(cause)
    else if (!this.#isOpen) this.#fault = noSpace(cause)
    this.#step({ kind: 'failed', cause: full ? 'no-space' : 'broken' })
  }

  #act(action: LogAction): Promise<void> {
    switch (action.kind) {
      case 'create':
        return this.#create(action.segment)
      case 'write':
        return this.#file(action.segment).write(action.bytes, action.offset)
      case 'sync':
        return this.#file(action.segment).datasync()
      case 'remove':
        return this.#disk.unlink(this.#path(action.segment))
      case 'sync-directory':
        return this.#disk.syncDirectory(this.#directory)
    }
  }

  async #create(segment: number): Promise<void> {
    const path = this.#path(segment)
    await this.#closeFiles()
    if (await this.#disk.exists(path)) await this.#disk.unlink(path)
    this.#files.set(segment, await this.#disk.open(path, 'create'))
  }

  async #closeFiles(): Promise<void> {
    for (const file of this.#files.values()) await file.close()
    this.#files.clear()
  }

  #file(segment: number): DiskFile {
    const file = this.#files.get(segment)
    assert(file !== undefined, `segment ${segment} is not open`)
    return file
  }

  #path(segment: number): string {
    return `${this.#directory}/${segmentName(segment)}`
  }

  #settle(token: number): Waiting {
    const waiting = this.#waiting.get(token)
    assert(waiting !== undefined, `nobody waits for token ${token}`)
    this.#waiting.delete(token)
    return waiting
  }
}

type Waiting = {
  readonly resolve: (result: Result<void, NoSpace>) => void
  readonly reject: (fault: unknown) => void
}

async function scan(
  disk: Disk,
  directory: string,
  onEntry: (entry: LogEntry) => void,
): Promise<LogTail> {
  const names = await disk.list(directory)
  const segments = names.map(segmentNumber).filter((segment) => segment !== undefined)
  const log = new LogScan(segments, onEntry)
  let open: { readonly segment: number; readonly file: DiskFile } | undefined
  try {
    for (let at = log.next(); at !== undefined; at = log.next()) {
      if (open?.segment !== at.segment) {
        await open?.file.close()
        open = undefined
        const path = `${directory}/${segmentName(at.segment)}`
        open = { segment: at.segment, file: await disk.open(path, 'read') }
      }
      const bytes = new Uint8Array(at.sizeBytes)
      log.push(bytes.subarray(0, await open.file.read(bytes, at.offset)))
    }
    return log.finish()
  } catch (cause) {
    throw cause instanceof AetherError ? cause : broken(cause)
  } finally {
    await open?.file.close()
  }
}

function segmentName(segment: number): string {
  return `${String(segment).padStart(10, '0')}.segment`
}

function segmentNumber(name: string): number | undefined {
  return /^\d{10}\.segment$/.test(name) ? Number.parseInt(name, 10) : undefined
}

function broken(cause: unknown): AetherError {
  return new AetherError(
    'disk-failed',
    'the consensus log could not be read, written or synced',
    'Check the disk (kernel log, SMART), then start the node again: it continues from what is durable.',
    cause,
  )
}

function noSpace(cause: unknown): AetherError {
  return new AetherError(
    'no-space',
    'the consensus log cannot be opened: the disk is full',
    'Free some space and start the node again; nothing is lost.',
    cause,
  )
}
