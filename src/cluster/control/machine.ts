/**
 * The control state as the log's state machine.
 *
 * Programs of different versions apply one log (docs/decisions/009-commands-of-newer-versions.md). A command says which format it has, and the state has a gate: the highest
 * format that is enabled.
 *
 * 1. Above the gate a command is refused by every program, also by one that knows it.
 * 2. The gate rises only to what all members have announced to know, and whoever joins later must know it too.
 * 3. A program that still meets an enabled format it does not know stops in front of it: to skip it would be to differ.
 */
import type { NodeId } from '../../base/ids.ts'
import { type Applied, type Electorate, electorate, type StateMachine } from '../rabia/index.ts'
import { COMMAND_FORMAT, encodeResult, type OrderedCommand, type OrderedResult } from './ordered.ts'
import { ControlState } from './state.ts'

export class ControlMachine implements StateMachine {
  readonly state = new ControlState()
  readonly #knows: number
  readonly #announced = new Map<NodeId, number>()
  #electorate: Electorate
  #gate = FIRST_FORMAT

  /** `members` vote in the first slot. `knows` is the highest format this program knows. */
  constructor(members: readonly NodeId[], knows = COMMAND_FORMAT) {
    this.#electorate = electorate(1, members)
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
    return this.#electorate
  }

  #execute(command: OrderedCommand): OrderedResult {
    switch (command.kind) {
      case 'write': {
        const decision = this.state.decide(command)
        if (decision.kind === 'refused') return decision.conflict
        if (decision.kind === 'answered') return { kind: 'written', revision: decision.revision }
        this.state.apply(decision.transition)
        return { kind: 'written', revision: decision.transition.revision }
      }
      case 'members':
        return this.#change(electorate(command.epoch + 1, command.members))
      case 'announce':
        this.#announced.set(command.node, command.knows)
        return { kind: 'done' }
      case 'enable':
        if (!this.#isKnownBy(this.#electorate.members, command.upTo)) {
          return { kind: 'refused', why: 'format-not-known-by-all' }
        }
        this.#gate = Math.max(this.#gate, command.upTo)
        return { kind: 'done' }
    }
  }

  #change(next: Electorate): OrderedResult {
    const { epoch, members } = this.#electorate
    if (next.epoch !== epoch + 1) return { kind: 'refused', why: 'other-epoch' }
    const added = next.members.filter((node) => !members.includes(node))
    const removed = members.filter((node) => !next.members.includes(node))
    if (added.length + removed.length !== 1 || next.members.length === 0) {
      return { kind: 'refused', why: 'not-one-node' }
    }
    if (!this.#isKnownBy(added, this.#gate)) {
      return { kind: 'refused', why: 'format-not-known-by-all' }
    }
    this.#electorate = next
    return { kind: 'done' }
  }

  #isKnownBy(nodes: readonly NodeId[], format: number): boolean {
    return nodes.every((node) => (this.#announced.get(node) ?? FIRST_FORMAT) >= format)
  }
}

/** What every program knows. */
const FIRST_FORMAT = 1

function applied(result: OrderedResult): Applied {
  return { kind: 'applied', result: encodeResult(result) }
}
