/**
 * The consensus log of a machine: the shipped scan and writer, with the disk actions they ask for carried out in virtual time on
 * the machine's simulated disk.
 */
import type { LogEntry } from '../../src/storage/log-frame.ts'
import { LogScan } from '../../src/storage/log-scan.ts'
import { type LogAction, type LogInput, LogWriter } from '../../src/storage/log-writer.ts'
import { File } from '../twin/disk-tree.ts'
import type { Computer } from './machine.ts'

export class HostedLog {
  readonly #machine: Computer
  readonly #writer: LogWriter
  readonly #on: LogListener
  #isOpen = false

  /** Reads the whole log (throws as the scan does), then opens it. */
  constructor(machine: Computer, onEntry: (entry: LogEntry) => void, on: LogListener) {
    this.#machine = machine
    this.#on = on
    const { entries } = machine.root
    const scan = new LogScan([...entries.keys()].map(Number), onEntry)
    for (let at = scan.next(); at !== undefined; at = scan.next()) {
      const file = this.#file(at.segment)
      const bytes = new Uint8Array(Math.min(at.sizeBytes, file.sizeBytes - at.offset))
      scan.push(bytes.subarray(0, file.read(bytes, at.offset)))
    }
    const options = { identity: new Uint8Array(16), segmentBytes: SEGMENT_BYTES }
    this.#writer = new LogWriter(scan.finish(), options)
    this.#step({ kind: 'open' })
  }

  append(token: number, entries: readonly LogEntry[]): void {
    this.#step({ kind: 'append', token, entries })
  }

  #step(input: LogInput): void {
    for (const effect of this.#writer.step(input)) {
      if (effect.kind === 'run') this.#run(effect.actions, 0)
      else if (effect.kind === 'stopped') this.#on.stopped('disk-failed')
      else this.#on[effect.kind](effect.token)
    }
  }

  #run(actions: readonly LogAction[], index: number): void {
    const action = actions[index]
    if (action === undefined) {
      this.#open()
      this.#step({ kind: 'ran' })
      return
    }
    const [min, max] = action.kind.startsWith('sync') ? SYNC_US : WRITE_US
    const delay = this.#machine.random.skewed(min, max) * this.#machine.disk.slowness
    this.#machine.after(delay, () => {
      const failure = this.#act(action)
      if (failure === undefined) this.#run(actions, index + 1)
      else if (failure === 'no-space' && !this.#isOpen) this.#on.stopped('no-space')
      else this.#step({ kind: 'failed', cause: failure })
    })
  }

  #open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#on.opened()
  }

  #act(action: LogAction): 'no-space' | 'broken' | undefined {
    const { root, disk } = this.#machine
    switch (action.kind) {
      case 'create':
        root.set(name(action.segment), new File())
        return undefined
      case 'write': {
        const room = Math.max(0, disk.capacityBytes - root.sizeBytes())
        const fits = action.bytes.subarray(0, room)
        this.#file(action.segment).write(fits, action.offset)
        return fits.length < action.bytes.length ? 'no-space' : undefined
      }
      case 'sync':
        if (disk.isBroken) {
          disk.isBroken = false
          this.#file(action.segment).failSync()
          return 'broken'
        }
        if (!disk.isLying) this.#file(action.segment).sync()
        return undefined
      case 'sync-directory':
        if (!disk.isLying) root.sync()
        return undefined
      case 'remove':
        root.set(name(action.segment), undefined)
        return undefined
    }
  }

  #file(segment: number): File {
    const file = this.#machine.root.entries.get(name(segment))
    if (!(file instanceof File)) throw new Error(`segment ${segment} does not exist`)
    return file
  }
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

/** An NVMe disk without power-loss protection. */
const WRITE_US = [10, 60] as const
const SYNC_US = [100, 1_000] as const

function name(segment: number): string {
  return String(segment)
}
