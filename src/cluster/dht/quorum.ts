/** What a partition promises: `eventual` answers when the primary has a write, and may lose it with it. */
export type Consistency = 'strong' | 'eventual'

/**
 * How many of `count` replicas it takes. Any `read` (or `seal`) of them include one of any `write`:
 * so no write that was answered is overlooked. Eventual partitions give that up.
 */
export type Quorums = { readonly write: number; readonly read: number; readonly seal: number }

/** The quorums are of all replicas, whoever of them is visible. */
export function quorumsOf(count: number, consistency: Consistency): Quorums {
  if (consistency === 'eventual') return { write: 1, read: 1, seal: 1 }
  const write = Math.floor(count / 2) + 1
  return { write, read: count - write + 1, seal: count - write + 1 }
}
