/** What the rest of the map uses of a replica: its steps, what goes in and comes out, and how its records are read. */
export type {
  Answer,
  Forgotten,
  MapRead,
  MapWrite,
  NotServing,
  Placement,
  ReplicaEffect,
  ReplicaInput,
  Role,
} from './effect.ts'
export type { Run } from './log.ts'
export {
  type Append,
  type AppendedWrite,
  isForDisk,
  type Pull,
  type RecordPage,
  type ReplicaMessage,
} from './message.ts'
export { decodeRecord } from './record.ts'
export { readHistory } from './recovery.ts'
export { Replica } from './replica.ts'
