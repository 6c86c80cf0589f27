/** What simulated clients work on: named registers, as a replicated state machine and as its sequential model. */
import type { NodeId } from '../../src/base/ids.ts'
import {
  type Member,
  Membership,
  type MembershipChange,
  type MembershipSnapshot,
} from '../../src/cluster/control/members.ts'
import type {
  Applied,
  Electorate,
  SlotNumber,
  StateMachine,
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

/** As above; its result is `DONE`, or why the change is refused. */
export function encodeChange(tag: string, change: MembershipChange): string {
  return JSON.stringify({ tag, change })
}

export const DONE = 'done'

/** A state machine that a simulated node may run. */
export interface Replica extends StateMachine {
  readonly membership: Membership
  /** What a register holds. */
  read(key: string): string
  /** The change of members as a command; `tag` is different for every one. */
  encodeChange(tag: string, change: MembershipChange): string
}

/** One replica of all registers, and of who is a member. */
export class Registers implements Replica {
  readonly values = new Map<string, string>()
  readonly membership: Membership
  readonly #on: RegisterListener

  /** Without `founders` it has no state until it is restored. */
  constructor(founders: readonly NodeId[], on: RegisterListener) {
    this.membership = new Membership(rosterOf(founders))
    this.#on = on
  }

  apply(command: string, slot: SlotNumber): Applied {
    const { tag, input, change } = JSON.parse(command) as Command
    this.#on.executed(tag)
    if (change === undefined) return { kind: 'applied', result: this.#write(input) }
    const { epoch } = this.membership
    const refusal = this.membership.apply(change)
    if (this.membership.epoch > epoch) this.#on.changed(slot, this.membership.snapshot())
    return { kind: 'applied', result: refusal ?? DONE }
  }

  read(key: string): string {
    return this.values.get(key) ?? UNWRITTEN
  }

  encodeChange(tag: string, change: MembershipChange): string {
    return encodeChange(tag, change)
  }

  electorate(): Electorate {
    return this.membership.electorate
  }

  snapshot(): string {
    return JSON.stringify({ values: [...this.values], membership: this.membership.snapshot() })
  }

  restore(snapshot: string): void {
    const { values, membership } = JSON.parse(snapshot) as State
    this.values.clear()
    for (const [key, value] of values) this.values.set(key, value)
    this.membership.restore(membership)
  }

  #write(input: RegisterInput): RegisterOutput {
    const before = this.read(input.key)
    if (input.kind === 'get') return before
    const takesPlace = input.kind === 'put' || input.expected === before
    if (takesPlace) this.values.set(input.key, input.value)
    return input.kind === 'put' ? '' : String(takesPlace)
  }
}

export type RegisterListener = {
  /** The operation with this tag is being carried out. */
  executed(tag: string): void
  /** The slot has led to these members. */
  changed(slot: SlotNumber, membership: MembershipSnapshot): void
}

/** Founders that are not bound to a disk yet; an address here is the name of the machine. */
export function rosterOf(founders: readonly NodeId[]): readonly Member[] {
  return founders.map((id) => ({ id, incarnation: undefined, address: id, role: 'voter' }))
}

type Command = { readonly tag: string } & (
  | { readonly input: RegisterInput; readonly change?: undefined }
  | { readonly input?: undefined; readonly change: MembershipChange }
)

type State = {
  readonly values: readonly (readonly [key: string, value: string])[]
  readonly membership: MembershipSnapshot
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
