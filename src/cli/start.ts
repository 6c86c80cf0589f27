import type { StartFlags, Surroundings } from './session.ts'

/** `aether start`: runs a node in this process until it stops; gives its exit code. */
export async function start(
  flags: StartFlags,
  { startNode, env, stdout, stderr }: Surroundings,
): Promise<number> {
  const node = await startNode({ flags, env, stdout, stderr })
  return node.stopped
}
