import { concat, utf8 } from '../../src/base/bytes.ts'
import type {
  Conflict,
  MapOperation,
  MapSpace,
  NoSpace,
  OutcomeUnknown,
  Page,
  Unavailable,
  Version,
  Versioned,
  Written,
} from '../../src/base/port.ts'
import { err, ok, type Result } from '../../src/base/result.ts'
import type { Engine, EngineOperation } from '../../src/storage/engine.ts'

type WriteRefusal = Conflict | Unavailable | OutcomeUnknown | NoSpace

/** One space directly on an engine: no replicas, no partitions. For tests of what is built on a map. */
export class EngineMapSpace implements MapSpace {
  readonly #engine: Engine
  #lastWrite: Promise<unknown> = Promise.resolve()
  #seq = 0
  /** Set to refuse reads, or to refuse writes after (`outcome-unknown`) or instead of making them. */
  refuseReads: Unavailable | undefined
  refuseWrites: WriteRefusal | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async get(
    partitionKey: string,
    sortKey: string,
  ): Promise<Result<Versioned | undefined, Unavailable>> {
    if (this.refuseReads !== undefined) return err(this.refuseReads)
    const stored = this.#engine.get(keyOf(partitionKey, sortKey))
    return ok(stored === undefined ? undefined : versioned(stored))
  }

  /** This node holds everything, and knows what is committed. */
  peek(partitionKey: string, sortKey: string): Versioned | undefined {
    const stored = this.#engine.get(keyOf(partitionKey, sortKey))
    return stored && versioned(stored)
  }

  async scan(): Promise<Result<Page, Unavailable>> {
    throw new Error('this twin does not scan')
  }

  async version(): Promise<Result<Version, Unavailable>> {
    return ok({ epoch: 1, seq: this.#seq })
  }

  write(
    partitionKey: string,
    operations: readonly MapOperation[],
  ): Promise<Result<Written, WriteRefusal>> {
    const write = this.#lastWrite.then(() => this.#write(partitionKey, operations))
    this.#lastWrite = write.catch(() => {})
    return write
  }

  /** All values of the space. */
  async *values(): AsyncGenerator<Uint8Array> {
    const range = { gte: new Uint8Array(), lt: Uint8Array.of(255), limit: 1_000_000 }
    for (const { value } of await this.#engine.scan(range)) yield versioned(value).value
  }

  async #write(
    partitionKey: string,
    operations: readonly MapOperation[],
  ): Promise<Result<Written, WriteRefusal>> {
    if (this.refuseWrites !== undefined && this.refuseWrites.kind !== 'outcome-unknown') {
      return err(this.refuseWrites)
    }
    const changes: EngineOperation[] = []
    const previous = { epoch: 1, seq: this.#seq }
    this.#seq++
    for (const operation of operations) {
      const key = keyOf(partitionKey, operation.sortKey)
      const stored = this.#engine.get(key)
      const current = stored === undefined ? undefined : versioned(stored).version
      if (operation.condition === 'absent' && current !== undefined) {
        return err({ kind: 'conflict', key: operation.sortKey, current })
      }
      if (operation.kind === 'delete') changes.push({ kind: 'delete', key })
      if (operation.kind === 'put') {
        const seq = new Uint8Array(8)
        new DataView(seq.buffer).setFloat64(0, this.#seq)
        changes.push({ kind: 'put', key, value: concat([seq, operation.value]) })
      }
    }
    const committed = await this.#engine.commit(changes)
    if (!committed.ok) return committed
    return this.refuseWrites === undefined
      ? ok({ version: { epoch: 1, seq: this.#seq }, previous })
      : err(this.refuseWrites)
  }
}

function keyOf(partitionKey: string, sortKey: string): Uint8Array {
  return utf8(`${partitionKey}\0${sortKey}`)
}

function versioned(stored: Uint8Array): Versioned {
  const seq = new DataView(stored.buffer, stored.byteOffset).getFloat64(0)
  return { value: stored.subarray(8), version: { epoch: 1, seq } }
}
