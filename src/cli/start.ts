import type { StartFlags, Surroundings } from './session.ts'

/** `aether start`: runs a node in this process until it stops; gives its exit code. With `json` it says in one where it is. */
export async function start(
  flags: StartFlags,
  json: boolean,
  { startNode, env, stdout, stderr }: Surroundings,
): Promise<number> {
  const node = await startNode({ flags, env, stdout, stderr, json })
  return node.stopped
}
