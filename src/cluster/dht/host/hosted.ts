import type { PartitionId } from '../../../base/ids.ts'
import type { Placement, Replica, Role } from '../replica/index.ts'

/** A replica that is open, and what it does. */
export type Hosted = {
  readonly partition: PartitionId
  readonly replica: Replica
  role: Role
  placement?: Placement
  /** In this life it has had all that its primary had, and has missed nothing since, as far as it knows. */
  isCurrent: boolean
}
