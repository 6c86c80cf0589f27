/**
 * The control state as the log's state machine.
 *
 * Programs of different versions apply one log (docs/decisions/009-commands-of-newer-versions.md). A command says which format it has, and the state has a gate: the highest
 * format that is enabled.
 *
 * 1. Above the gate a command is refused by every program, also by one that knows it.
 * 2. The gate rises only to what all voters have announced to know, and whoever gets a vote later must know it too.
 * 3. A program that still meets an enabled format it does not know stops in front of it: to skip it would be to differ.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Applied, Electorate, StateMachine } from '../rabia/index.ts'
import {
  type Member,
  Membership,
  type MembershipChange,
  type MembershipSnapshot,
} from './members.ts'
import { COMMAND_FORMAT, encodeResult, type OrderedCommand, type OrderedResult } from './ordered.ts'
import { ControlState, type ControlStateSnapshot } from './state.ts'

export class ControlMachine implements StateMachine {
  readonly state = new ControlState()
  readonly membership: Membership
  readonly #knows: number
  #announced = new Map<NodeId, number>()
  #gate = FIRST_FORMAT

  /** `roster` are the founders; nobody when the state is to come from a snapshot. `knows` is the highest format this program knows. */
  constructor(roster: readonly Member[] = [], knows = COMMAND_FORMAT) {
    this.membership = new Membership(roster)
    this.#knows = knows
  }

  apply(text: string): Applied {
    const command = JSON.parse(text) as OrderedCommand & { readonly format: number }
    if (command.format > this.#gate) {
      return applied({ kind: 'refused', why: 'format-not-enabled' })
    }
    if (command.format > this.#knows) {
      const reason = `a command of format ${command.format}, this program knows ${this.#knows}`
      return { kind: 'stalled', reason }
    }
    return applied(this.#execute(command))
  }

  electorate(): Electorate {
    return this.membership.electorate
  }

  snapshot(): string {
    const content: Content = {
      gate: this.#gate,
      announced: [...this.#announced],
      membership: this.membership.snapshot(),
      state: this.state.snapshot(),
    }
    return JSON.stringify(content)
  }

  restore(snapshot: string): void {
    const { gate, announced, membership, state } = JSON.parse(snapshot) as Content
    this.#gate = gate
    this.#announced = new Map(announced)
    this.membership.restore(membership)
    this.state.restore(state)
  }

  #execute(command: OrderedCommand): OrderedResult {
    switch (command.kind) {
      case 'write': {
        const outcome = this.state.execute(command)
        return outcome.kind === 'full' ? { kind: 'refused', why: 'state-full' } : outcome
      }
      case 'add':
      case 'promote':
      case 'remove':
      case 'bind':
      case 'move':
        return this.#change(command)
      case 'announce':
        this.#announced.set(command.node, command.knows)
        return { kind: 'done' }
      case 'enable':
        if (!this.#isKnownBy(this.electorate().members, command.upTo)) {
          return { kind: 'refused', why: 'format-not-known-by-all' }
        }
        this.#gate = Math.max(this.#gate, command.upTo)
        return { kind: 'done' }
    }
  }

  #change(change: MembershipChange): OrderedResult {
    if (change.kind === 'promote' && !this.#isKnownBy([change.node], this.#gate)) {
      return { kind: 'refused', why: 'format-not-known-by-all' }
    }
    const why = this.membership.apply(change)
    return why === undefined ? { kind: 'done' } : { kind: 'refused', why }
  }

  #isKnownBy(nodes: readonly NodeId[], format: number): boolean {
    return nodes.every((node) => (this.#announced.get(node) ?? FIRST_FORMAT) >= format)
  }
}

type Content = {
  readonly gate: number
  readonly announced: readonly (readonly [NodeId, number])[]
  readonly membership: MembershipSnapshot
  readonly state: ControlStateSnapshot
}

/** What every program knows. */
const FIRST_FORMAT = 1

function applied(result: OrderedResult): Applied {
  return { kind: 'applied', result: encodeResult(result) }
}
