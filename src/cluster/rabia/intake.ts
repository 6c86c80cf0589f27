import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'
import { type Batch, type BatchId, batchId, type Request } from './batch.ts'
import type { Outcome } from './effect.ts'
import type { Outbox } from './outbox.ts'
import type { Sessions } from './session.ts'

/** The requests of this node's clients: who waits for an answer, gets it, and which requests still need a batch. Bounded. */
export class Intake {
  readonly #options: IntakeOptions
  /** By client, who has one request open at a time. */
  readonly #waiting = new Map<string, Request>()
  readonly #open = new Map<BatchId, Batch>()
  #unsealed: Request[] = []
  #units = 0
  #seq = 0

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Requests accepted and not yet answered. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Own batches that no slot has decided yet, oldest first. */
  get open(): readonly Batch[] {
    return [...this.#open.values()]
  }

  /**
   * Takes the request, or says why not. One that waits already is taken again without effect; the next one of its client takes its
   * place, for nobody waits for it any more.
   */
  accept(request: Request): string | undefined {
    assert(request.command.isWellFormed(), 'a command with half a surrogate pair')
    const { requests, requestUnits } = this.#options.limits
    const earlier = this.#waiting.get(request.client)
    if (earlier !== undefined && earlier.seq >= request.seq) return undefined
    if (this.#waiting.size >= requests) return `${requests} requests wait for agreement`
    if (this.#units + sizeOf(request) > requestUnits) {
      return `the requests that wait for agreement have reached ${requestUnits} units`
    }
    if (earlier !== undefined) this.#giveUp(earlier)
    this.#waiting.set(request.client, request)
    this.#units += sizeOf(request)
    this.#unsealed.push(request)
    return undefined
  }

  /** The next batch, made at `slot`, unless nothing waits for one or too many are open. */
  seal(slot: SlotNumber): Batch | undefined {
    if (this.#unsealed.length === 0 || this.#open.size >= OPEN_MAX) return undefined
    const { origin, boot } = this.#options
    const seq = ++this.#seq
    const requests = this.#unsealed.slice(0, this.#batchLength())
    this.#unsealed = this.#unsealed.slice(requests.length)
    const id = batchId(origin, boot, seq)
    const batch = { id, origin, seq, stamp: slot, requests }
    this.#open.set(id, batch)
    return batch
  }

  /** A slot has decided the batch, own or not. */
  close(id: BatchId): void {
    this.#open.delete(id)
  }

  /** Answers what the sessions of a later state know, and closes the own batches of which nothing is left to do. */
  settleKnown(sessions: Sessions): void {
    for (const request of [...this.#waiting.values()]) {
      const known = sessions.known(request)
      if (known) this.settle(request, known)
    }
    for (const { id, requests } of this.open) {
      if (!requests.some((request) => this.#waits(request))) this.close(id)
    }
  }

  /** Answers the client, if it waits for this request here. */
  settle(request: Request, outcome: Outcome): void {
    if (!this.#waits(request)) return
    this.#waiting.delete(request.client)
    this.#units -= sizeOf(request)
    this.reply(request, outcome)
  }

  reply({ client, seq }: Request, outcome: Outcome): void {
    this.#options.out.push({ kind: 'reply', client, seq, outcome })
  }

  #giveUp(request: Request): void {
    this.#units -= sizeOf(request)
    this.#unsealed = this.#unsealed.filter((other) => other !== request)
  }

  #waits({ client, seq }: Request): boolean {
    return this.#waiting.get(client)?.seq === seq
  }

  #batchLength(): number {
    const { batchRequests, batchUnits } = this.#options.limits
    let units = 0
    let length = 0
    for (const request of this.#unsealed) {
      units += sizeOf(request)
      if (length > 0 && (length === batchRequests || units > batchUnits)) break
      length++
    }
    return length
  }
}

type IntakeOptions = {
  readonly origin: NodeId
  readonly boot: string
  readonly out: Outbox
  readonly limits: {
    readonly requests: number
    readonly requestUnits: number
    readonly batchRequests: number
    readonly batchUnits: number
  }
}

/** One batch is being decided while the next one travels. */
const OPEN_MAX = 2

function sizeOf(request: Request): number {
  return request.command.length
}
