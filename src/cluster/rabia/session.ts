import type { SlotNumber } from './ballot.ts'
import type { Request } from './batch.ts'
import type { Outcome } from './effect.ts'
import type { Applied } from './machine.ts'

/**
 * What makes every request take effect once (R12): per client the number and result of its last request. Part of the
 * replicated state: all nodes hold the same sessions in the same order and forget the same one.
 */
export class Sessions {
  readonly #byClient = new Map<string, Session>()
  readonly #limit: number
  /** The last slot in which a forgotten session was used. */
  #floor: SlotNumber = 0

  /** At most `limit` sessions; the least recently used is forgotten. Equal on all nodes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#byClient.size
  }

  /** The outcome of a request that needs no new slot, if it is known. */
  known({ client, seq }: Request): Known | undefined {
    const session = this.#byClient.get(client)
    return session && knownTo(session, seq)
  }

  /**
   * Applies `request` as part of a batch sealed at `stamp` and decided in `slot`, unless it was before. Of a client
   * without a session it must be the first request, in a batch younger than anything forgotten: else it might be the
   * second copy of one whose session is gone.
   */
  execute(request: Request, at: Place, apply: () => Applied): Executed {
    const { client, seq } = request
    const session = this.#byClient.get(client)
    const known = session && knownTo(session, seq)
    if (known) return known
    if (!session && (seq > 1 || at.stamp <= this.#floor)) return { kind: 'expired' }
    const applied = apply()
    if (applied.kind === 'stalled') return applied
    // The text of then, which V8 has internalized already: that of the request is new each time.
    const name = session?.client ?? client
    this.#byClient.delete(name)
    this.#byClient.set(name, { client: name, seq, result: applied.result, slot: at.slot })
    if (this.#byClient.size > this.#limit) this.#forgetOldest()
    return applied
  }

  /** What `restore` takes back: the same on all nodes that executed the same. */
  snapshot(): SessionTable {
    const sessions = [...this.#byClient].map(
      ([client, { seq, result, slot }]) => [client, seq, result, slot] as const,
    )
    return { floor: this.#floor, sessions }
  }

  restore({ floor, sessions }: SessionTable): void {
    this.#floor = floor
    this.#byClient.clear()
    for (const [client, seq, result, slot] of sessions) {
      this.#byClient.set(client, { client, seq, result, slot })
    }
  }

  #forgetOldest(): void {
    for (const [client, session] of this.#byClient) {
      this.#byClient.delete(client)
      this.#floor = session.slot
      return
    }
  }
}

/** All sessions, the least recently used first: `[client, seq, result, slot]`. */
export type SessionTable = {
  readonly floor: SlotNumber
  readonly sessions: readonly (readonly [
    client: string,
    seq: number,
    result: string,
    slot: SlotNumber,
  ])[]
}

type Session = {
  readonly client: string
  readonly seq: number
  readonly result: string
  readonly slot: SlotNumber
}

type Place = { readonly stamp: SlotNumber; readonly slot: SlotNumber }

type Known = Exclude<Outcome, { kind: 'busy' }>

type Executed = Known | Extract<Applied, { kind: 'stalled' }>

function knownTo(session: Session, seq: number): Known | undefined {
  if (seq > session.seq) return undefined
  return seq === session.seq ? { kind: 'applied', result: session.result } : { kind: 'superseded' }
}
