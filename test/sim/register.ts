/** What simulated clients work on: named registers, as a replicated state machine and as its sequential model. */
import type { NodeId } from '../../src/base/ids.ts'
import {
  type Applied,
  type Electorate,
  electorate,
  type StateMachine,
} from '../../src/cluster/rabia/index.ts'
import type { SequentialModel } from './linearizability.ts'

export type RegisterInput =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | {
      readonly kind: 'swap'
      readonly key: string
      readonly expected: string
      readonly value: string
    }

/** A get answers with the value, a put with nothing, a swap with whether it took place. */
export type RegisterOutput = string

/** What a register holds before the first write. */
export const UNWRITTEN = ''

/** `tag` is different for every operation of a simulation. */
export function encodeCommand(tag: string, input: RegisterInput): string {
  return JSON.stringify({ tag, input })
}

/** One replica of all registers. */
export class Registers implements StateMachine {
  readonly values = new Map<string, string>()
  readonly #electorate: Electorate
  readonly #onApply: (tag: string) => void

  constructor(members: readonly NodeId[], onApply: (tag: string) => void) {
    this.#electorate = electorate(1, members)
    this.#onApply = onApply
  }

  apply(command: string): Applied {
    const { tag, input } = JSON.parse(command) as { tag: string; input: RegisterInput }
    this.#onApply(tag)
    const before = this.read(input.key)
    if (input.kind === 'get') return { kind: 'applied', result: before }
    const takesPlace = input.kind === 'put' || input.expected === before
    if (takesPlace) this.values.set(input.key, input.value)
    return { kind: 'applied', result: input.kind === 'put' ? '' : String(takesPlace) }
  }

  read(key: string): string {
    return this.values.get(key) ?? UNWRITTEN
  }

  electorate(): Electorate {
    return this.#electorate
  }

  snapshot(): string {
    return JSON.stringify([...this.values])
  }

  restore(snapshot: string): void {
    this.values.clear()
    for (const [key, value] of JSON.parse(snapshot)) this.values.set(key, value)
  }
}

export const registerModel: SequentialModel<string, RegisterInput, RegisterOutput> = {
  initial: UNWRITTEN,
  partition: (input) => input.key,
  step(state, input, output) {
    switch (input.kind) {
      case 'get':
        return output === undefined || output === state ? state : undefined
      case 'put':
        return input.value
      case 'swap': {
        const takesPlace = state === input.expected
        if (output !== undefined && output !== String(takesPlace)) return undefined
        return takesPlace ? input.value : state
      }
    }
  },
  digest: (state) => state,
}
