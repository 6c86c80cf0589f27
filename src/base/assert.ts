/** Thrown by `assert`: the program itself is wrong, and the node stops rather than go on. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Stops the node when `condition` is false. On in production: replicas exist for that. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
