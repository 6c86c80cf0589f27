import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import type { Version } from '../../../src/base/port.ts'
import { encodeEntry } from '../../../src/cluster/dht/entry.ts'
import { encodeParcel } from '../../../src/cluster/dht/host/replica-codec.ts'
import { entryKey, entryPrefix, recordKey } from '../../../src/cluster/dht/key.ts'
import { BOUNDS, type ReplicaBounds } from '../../../src/cluster/dht/replica/bound.ts'
import { Fetch, type LogChange } from '../../../src/cluster/dht/replica/fetch.ts'
import { Log } from '../../../src/cluster/dht/replica/log.ts'
import type { Page, Pull } from '../../../src/cluster/dht/replica/message.ts'
import { encodeRecord } from '../../../src/cluster/dht/replica/record.ts'
import { Source } from '../../../src/cluster/dht/replica/source.ts'
import type { EngineOperation, EngineRange } from '../../../src/storage/index.ts'
import { EngineTwin, partition } from './replica-node.ts'

/** One replica that fetches from another: what each has, and all that is said. The test says when something happens. */
export class Transfer {
  readonly there = new Holder()
  readonly here = new Holder()
  readonly source: Source
  readonly pulls: Pull[] = []
  readonly pages: Page[] = []
  /** Of the frame of every page. */
  readonly frameBytes: number[] = []
  /** What waits for the disk here. */
  readonly persists: { operations: readonly EngineOperation[]; change: LogChange | undefined }[] =
    []
  readonly scansThere: Scan[] = []
  readonly scansHere: Scan[] = []
  /** As a replica keeps it: see `LogChange`. */
  had: Version | undefined
  isOver = false
  readonly #bounds: ReplicaBounds
  #fetch: Fetch | undefined
  #tokenLast = 0
  #turnLast = 0

  constructor(bounds: ReplicaBounds = BOUNDS) {
    this.#bounds = bounds
    this.source = new Source({
      partition,
      bounds,
      log: this.there.log,
      view: (key) => this.there.engine.get(key),
      scan: (range) => this.#scan(this.scansThere, range),
      send: (_, page) => {
        this.pages.push(page)
        this.frameBytes.push(encodeParcel({ partition, message: page }).length)
      },
    })
  }

  get fetch(): Fetch {
    if (this.#fetch === undefined) throw new Error('the fetch has not begun')
    return this.#fetch
  }

  begin(): void {
    this.#fetch = new Fetch({
      partition,
      from: THERE,
      epoch: 2,
      history: this.there.log.runs(),
      bounds: this.#bounds,
      log: this.here.log,
      view: (key) => this.here.engine.get(key),
      isComplete: () => this.had === undefined,
      had: undefined,
      promised: () => 2,
      nextTurn: () => ++this.#turnLast,
      send: (_, pull) => this.pulls.push(pull),
      scan: (range) => this.#scan(this.scansHere, range),
      persist: (operations, _, change) => this.persists.push({ operations, change }),
    })
    this.#fetch.begin()
  }

  /** All questions are heard there. */
  hear(): void {
    for (const pull of this.pulls.splice(0)) this.source.pull(HERE, pull)
  }

  /** They are heard, and an answer is heard here. */
  answer(): void {
    this.hear()
    const scan = this.scansThere.shift()
    if (scan !== undefined) this.source.scanned(scan.token, this.there.engine.scan(scan.range))
    const page = this.pages.shift()
    if (page !== undefined) this.fetch.page(THERE, page)
  }

  /** The disk here has done what it was asked to. */
  persist(): void {
    const scan = this.scansHere.shift()
    if (scan !== undefined) this.fetch.scanned(scan.token, this.here.engine.scan(scan.range))
    const persisted = this.persists.shift()
    if (persisted === undefined) return
    const { operations, change } = persisted
    this.here.engine.commit(operations)
    if (change !== undefined) {
      this.here.log.replace(change.common, change.older, change.newer)
      this.had = change.had
    }
    this.isOver = change !== undefined && change.had === undefined
    if (!this.isOver) this.fetch.persisted()
  }

  step(): void {
    this.answer()
    this.persist()
  }

  /** Until it is over; throws when that takes more steps than it may. */
  finish(stepsMax = 2_000): void {
    for (let step = 0; step < stepsMax; step++) {
      if (this.isOver) return
      this.step()
    }
    throw new Error('the fetch does not end')
  }

  #scan(scans: Scan[], range: EngineRange): number {
    scans.push({ token: ++this.#tokenLast, range })
    return this.#tokenLast
  }
}

/** What a replica has. */
export class Holder {
  epoch = 1
  readonly engine = new EngineTwin()
  readonly log = new Log([], BOUNDS.retained, () => undefined)

  /** The next write, durable at once: puts values by sort key. */
  write(values: ReadonlyMap<string, Uint8Array>, partitionKey = 'p'): void {
    const version = { epoch: this.epoch, seq: this.log.last.seq + 1 }
    const requestId = `r${version.seq}` as RequestId
    const sortKeys = [...values.keys()]
    const record = encodeRecord({ requestId, space: 's', partitionKey, sortKeys })
    const prefix = entryPrefix(partition, 's', partitionKey)
    const operations: EngineOperation[] = [...values].map(([sortKey, value]) => ({
      kind: 'put',
      key: entryKey(prefix, sortKey),
      value: encodeEntry({ version, value }),
    }))
    operations.push({ kind: 'put', key: recordKey(partition, version), value: record })
    const expiring = this.log.expiring()
    if (expiring !== undefined) {
      operations.push({ kind: 'delete', key: recordKey(partition, expiring) })
    }
    this.engine.commit(operations)
    this.log.push({ version, requestId, space: 's', partitionKey })
    this.log.settle(version)
  }
}

const THERE = 'there' as NodeId
const HERE = 'here' as NodeId

type Scan = { readonly token: number; readonly range: EngineRange }
