import type { Effect } from './effect.ts'
import type { LogRecord } from './record.ts'

/** What is on its way to the log, in order. Decisions need no sync of their own and go with the next ballot. */
export class Journal {
  #unwritten: LogRecord[] = []
  #unconfirmed: Persist[] = []
  #token = 0
  #full: 'no' | 'refused' | 'retried' = 'no'

  /** The disk has no room: nothing new is begun until what it refused is durable. */
  get isFull(): boolean {
    return this.#full !== 'no'
  }

  /** Records that are not known to be durable. */
  get backlog(): number {
    let records = this.#unwritten.length
    for (const persist of this.#unconfirmed) records += persist.records.length
    return records
  }

  /** Writes `record` together with the next one. */
  add(record: LogRecord): void {
    this.#unwritten.push(record)
  }

  /** The effect that writes everything added so far. */
  write(): Persist {
    const persist: Persist = { kind: 'persist', token: ++this.#token, records: this.#unwritten }
    this.#unwritten = []
    this.#unconfirmed.push(persist)
    return persist
  }

  /** The effects due when time has passed: what the full disk refused, or else what waits for company. */
  flush(): readonly Persist[] {
    if (this.#full === 'refused') {
      this.#full = 'retried'
      return [...this.#unconfirmed]
    }
    return this.#unwritten.length > 0 ? [this.write()] : []
  }

  /** Everything up to `token` is durable. */
  confirm(token: number): void {
    this.#unconfirmed = this.#unconfirmed.filter((persist) => persist.token > token)
    if (this.#full === 'retried') this.#full = 'no'
  }

  /** The disk had no room for `token`, nor has it for what follows. */
  refuse(token: number): void {
    if (this.#unconfirmed.some((persist) => persist.token >= token)) this.#full = 'refused'
  }
}

type Persist = Extract<Effect, { kind: 'persist' }>
