/** A string or number that only its own constructor makes, so that two kinds are never mixed up. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name }

/** The index of a partition: 0 to 1,023 of strong spaces, from there to 2,047 of eventual ones. */
export type PartitionId = Brand<number, 'PartitionId'>

/** A configured, stable name of a node. */
export type NodeId = Brand<string, 'NodeId'>

/**
 * Chosen by whoever starts a write and kept for its retries: a second write with the same id changes nothing and
 * gets the first one's answer. Unique among all clients of the cluster.
 */
export type RequestId = Brand<string, 'RequestId'>

/** A SHA-256 digest as 64 lowercase hex digits. */
export type Digest = Brand<string, 'Digest'>

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text)
}
