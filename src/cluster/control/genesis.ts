import { genesis, type Snapshot } from '../rabia/index.ts'
import { ControlMachine } from './machine.ts'
import type { Member } from './members.ts'
import type { ControlState } from './state.ts'

/**
 * What a cluster begins with: its founders and, if a node that was alone until now goes on with it, the control state
 * that this node has. All founders must begin with the same.
 */
export function controlGenesis(roster: readonly Member[], state?: ControlState): Snapshot {
  const machine = new ControlMachine(roster)
  if (state) machine.state.restore(state.snapshot())
  return genesis(machine)
}
