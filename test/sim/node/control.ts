/** The shipped control state as what simulated nodes run. */
import type { NodeId } from '../../../src/base/ids.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import type { MembershipChange } from '../../../src/cluster/control/members.ts'
import { encodeOrdered } from '../../../src/cluster/control/ordered.ts'
import type { Applied, SlotNumber } from '../../../src/cluster/rabia/index.ts'
import { type RegisterListener, type Replica, rosterOf } from '../register.ts'

export class SimulatedControl extends ControlMachine implements Replica {
  readonly #on: RegisterListener

  /** Without `founders` it has no state until it is restored. */
  constructor(founders: readonly NodeId[], on: RegisterListener) {
    super(rosterOf(founders))
    this.#on = on
  }

  override apply(text: string, slot: SlotNumber = 0): Applied {
    const { epoch } = this.membership
    this.#on.executed(text)
    const applied = super.apply(text)
    if (this.membership.epoch > epoch) this.#on.changed(slot, this.membership.snapshot())
    return applied
  }

  read(key: string): string {
    return this.state.get(key)?.value ?? ''
  }

  /** The tag makes the command one of its own. */
  encodeChange(tag: string, change: MembershipChange): string {
    return encodeOrdered(Object.assign({ tag }, change))
  }
}
