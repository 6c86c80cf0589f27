/** A property that the cluster does not have. */
export class PropertyViolation extends Error {
  override readonly name = 'PropertyViolation'
  readonly property: Property

  constructor(property: Property, message: string) {
    super(`${property}: ${message}`)
    this.property = property
  }
}

/**
 * - `single-configuration`: an epoch has one membership, which begins with one slot.
 * - `electorate`: ballots come from voters of the slot's epoch, and its decision has the votes of enough of them.
 * - `no-regress`: what a node has applied never goes back, except that a crash loses what was not durable.
 * - `compaction`: a log loses only what its node's durable snapshot covers and a quorum has applied.
 * - `single-primary`: in an epoch one node leads a partition, and nobody else acknowledges anything.
 * - `durability`: what was acknowledged is read from every node after healing.
 */
export type Property =
  | 'agreement'
  | 'prefix-digest'
  | 'equivocation'
  | 'log-before-send'
  | 'exactly-once'
  | 'order'
  | 'single-configuration'
  | 'electorate'
  | 'snapshot'
  | 'no-regress'
  | 'compaction'
  | 'bounded-memory'
  | 'bounded-disk'
  | 'no-refusal'
  | 'linearizability'
  | 'single-primary'
  | 'durability'
  | 'progress'

export function fail(property: Property, message: string): never {
  throw new PropertyViolation(property, message)
}
