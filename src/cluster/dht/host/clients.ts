import type { Unavailable, Version } from '../../../base/port.ts'
import type { Result } from '../../../base/result.ts'
import type { Answer, NotServing } from '../replica/index.ts'

/** Those who wait for an answer of a replica, by the number that it knows them by. */
export class Clients {
  readonly #waiting = new Map<number, (result: ClientResult) => void>()
  #last = 0

  /** Gives a number to `ask`; gives the answer at once when it comes before `ask` returns. */
  ask(ask: (client: number) => void): ClientResult | Promise<ClientResult> {
    const client = ++this.#last
    let early: ClientResult | undefined
    this.#waiting.set(client, (result) => {
      early = result
    })
    ask(client)
    if (early !== undefined) return early
    const { promise, resolve } = Promise.withResolvers<ClientResult>()
    this.#waiting.set(client, resolve)
    return promise
  }

  answer({ client, result }: Answer): void {
    this.#waiting.get(client)?.(result)
    this.#waiting.delete(client)
  }

  /** Answers all who wait. */
  answerAll(result: ClientResult): void {
    for (const answer of this.#waiting.values()) answer(result)
    this.#waiting.clear()
  }
}

export type ClientResult = Answer['result']

/** How a write of a partition ends here. */
export type WriteOutcome = ClientResult

/** How a read ends here: with the last write that it may have seen. */
export type ReadOutcome = Result<Version, Unavailable | NotServing>
