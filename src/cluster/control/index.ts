export { readEngineState, removeEngineState } from './engine-state.ts'
export { excluded, removed, rolledBack } from './exclusion.ts'
export { ControlMachine } from './machine.ts'
export {
  type Member,
  type Membership,
  type MembershipChange,
  type MembershipRefusal,
  type MembershipSnapshot,
  VOTERS_MAX,
} from './members.ts'
export { ReplicatedControlStore } from './replicated.ts'
