import { AetherError } from '../../base/fault.ts'
import type { NoSpace } from '../../base/port.ts'
import { err, ok, type Result } from '../../base/result.ts'
import {
  type Disk,
  ENTRY_OVERHEAD_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  type LogEntry,
} from '../../storage/index.ts'
import { ConsensusLog, type ConsensusLogOptions } from '../../storage/log.disk.ts'
import { decodeRecord, encodeRecord, type LogRecord, type SlotNumber } from '../rabia/index.ts'

/** The records of the protocol in a consensus log. What is written with one token may be larger than a frame of the log. */
export class RecordLog {
  readonly #log: ConsensusLog
  readonly #unwritten = new Map<number, Part[]>()
  readonly #running = new Map<number, Promise<Result<void, NoSpace>>>()
  #lastPart = 0

  /**
   * Shows the records in their order; they are durable when it resolves. Rejects as `ConsensusLog.open` does, and with
   * `data-format-newer`.
   */
  static async open(
    disk: Disk,
    options: ConsensusLogOptions,
    onRecord: (record: LogRecord) => void,
  ): Promise<RecordLog> {
    const log = await ConsensusLog.open(disk, options, ({ bytes }) => onRecord(decodeRecord(bytes)))
    return new RecordLog(log)
  }

  /** Use `open`. */
  private constructor(log: ConsensusLog) {
    this.#log = log
  }

  /** Names the log: 16 bytes. */
  get identity(): Uint8Array {
    return this.#log.identity
  }

  /**
   * Resolves with ok when the records survive power loss; appends resolve in the order of the calls. With `no-space` they do
   * not yet: later tokens are refused until this one is appended again, with the same records; doing so while it is under
   * way has no effect. Rejects with `disk-failed`.
   */
  append(token: number, records: readonly LogRecord[]): Promise<Result<void, NoSpace>> {
    const running = this.#running.get(token)
    if (running !== undefined) return running
    const begun = this.#append(token, records).finally(() => this.#running.delete(token))
    this.#running.set(token, begun)
    return begun
  }

  /** Records of lower slots are not needed any more. */
  dropBelow(slot: SlotNumber): void {
    this.#log.dropBelow(slot)
  }

  /** Waits for what is under way. No call may follow. */
  close(): Promise<void> {
    return this.#log.close()
  }

  async #append(token: number, records: readonly LogRecord[]): Promise<Result<void, NoSpace>> {
    const parts = this.#unwritten.get(token) ?? this.#divide(records)
    const outcomes = await Promise.all(
      parts.map((part) => this.#log.append(part.token, part.entries)),
    )
    const refused = parts.filter((_, i) => outcomes[i]?.ok === false)
    if (refused.length > 0) this.#unwritten.set(token, refused)
    else this.#unwritten.delete(token)
    return refused.length > 0 ? err({ kind: 'no-space' }) : ok(undefined)
  }

  #divide(records: readonly LogRecord[]): Part[] {
    const parts: Part[] = []
    let sizeBytes = 0
    for (const record of records) {
      const entry = { slot: record.slot, bytes: encodeRecord(record) }
      const entryBytes = entry.bytes.length + ENTRY_OVERHEAD_BYTES
      const last = parts.at(-1)
      sizeBytes += entryBytes
      if (last === undefined || sizeBytes > FRAME_PAYLOAD_BYTES_MAX) {
        parts.push({ token: ++this.#lastPart, entries: [entry] })
        sizeBytes = entryBytes
      } else last.entries.push(entry)
    }
    return parts
  }
}

/** What goes into one frame, under the log's own token. */
type Part = { readonly token: number; readonly entries: LogEntry[] }

/** The log is not the one that belongs to the rest of the data directory, or not with it. */
export function logMissing(detail: string): AetherError {
  return new AetherError(
    'data-damaged',
    `the consensus log does not belong to this data directory: ${detail}`,
    'restore the data directory from a backup or, as one node of several, empty it and add the node anew',
  )
}
