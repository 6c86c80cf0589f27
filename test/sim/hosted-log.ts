/** The consensus log of a machine: the shipped scan and writer over the machine's simulated disk. */
import { hex } from '../../src/base/bytes.ts'
import type { LogEntry } from '../../src/storage/log-frame.ts'
import { LogScan, type LogTail } from '../../src/storage/log-scan.ts'
import { type LogAction, type LogInput, LogWriter } from '../../src/storage/log-writer.ts'
import { type DiskAction, HostedDisk } from './hosted-disk.ts'
import { type Computer, logOf } from './machine.ts'

export class HostedLog {
  readonly #disk: HostedDisk
  readonly #writer: LogWriter
  readonly #on: LogListener
  #isOpen = false

  /** Reads the whole log (throws as the scan does), then opens it. A log that is new has `identity`. */
  constructor(options: LogOptions) {
    const { machine, identity, onEntry } = options
    this.#on = options.on
    this.#disk = new HostedDisk(machine, () => logOf(machine))
    const tail = readLog(this.#disk, onEntry)
    this.#writer = new LogWriter(tail, { identity, segmentBytes: SEGMENT_BYTES })
    this.#step({ kind: 'open' })
  }

  /** The name of this log among all that there ever were. */
  get identity(): string {
    return hex(this.#writer.identity)
  }

  append(token: number, entries: readonly LogEntry[]): void {
    this.#step({ kind: 'append', token, entries })
  }

  /** Entries of lower slots are not needed any more. */
  dropBelow(slot: number): void {
    this.#step({ kind: 'drop-below', slot })
  }

  #step(input: LogInput): void {
    for (const effect of this.#writer.step(input)) {
      if (effect.kind === 'run') this.#run(effect.actions)
      else if (effect.kind === 'stopped') this.#on.stopped('disk-failed')
      else this.#on[effect.kind](effect.token)
    }
  }

  #run(actions: readonly LogAction[]): void {
    this.#disk.run(actions.map(named), (failure) => {
      if (failure === 'no-space' && !this.#isOpen) this.#on.stopped('no-space')
      else if (failure !== undefined) this.#step({ kind: 'failed', cause: failure })
      else {
        this.#open()
        this.#step({ kind: 'ran' })
      }
    })
  }

  #open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#on.opened()
  }
}

/** The lowest slot that the log of a machine has something about. */
export function firstSlotOf(machine: Computer): number {
  let first = Number.POSITIVE_INFINITY
  readLog(new HostedDisk(machine, () => logOf(machine)), ({ slot }) => {
    first = Math.min(first, slot)
  })
  return first
}

function readLog(disk: HostedDisk, onEntry: (entry: LogEntry) => void): LogTail {
  const scan = new LogScan(disk.names.map(Number), onEntry)
  for (let at = scan.next(); at !== undefined; at = scan.next())
    scan.push(disk.read(String(at.segment), at.offset, at.sizeBytes))
  return scan.finish()
}

type LogOptions = {
  readonly machine: Computer
  readonly identity: Uint8Array
  readonly onEntry: (entry: LogEntry) => void
  readonly on: LogListener
}

export type LogListener = {
  /** What was read is durable. */
  opened(): void
  appended(token: number): void
  refused(token: number): void
  /** Nothing more comes of this log: the disk has failed, or had no room to open it. */
  stopped(cause: 'disk-failed' | 'no-space'): void
}

/** Small, so that segments are begun and scanned often, and power loss has short files to garble. */
const SEGMENT_BYTES = 30 * 1_024

function named(action: LogAction): DiskAction {
  return action.kind === 'sync-directory' ? action : { ...action, name: String(action.segment) }
}
