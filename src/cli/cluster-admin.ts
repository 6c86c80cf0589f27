import { err, ok, type Result } from '../base/result.ts'
import type { ClusterStatus } from '../node/index.ts'
import { formatStatus } from './cluster-status.ts'
import { badUsage, type Failure, refused } from './failure.ts'
import type { Outcome, Session } from './session.ts'

/** `aether cluster status`: who belongs to the cluster, as the asked node sees it. */
export async function clusterStatus(session: Session): Outcome {
  const status = await askStatus(session)
  if (!status.ok) return status
  return ok({ data: status.value, text: formatStatus(status.value) })
}

/** `aether cluster add n4`: takes in a node that waits to join. */
export async function clusterAdd(id: string, session: Session): Outcome {
  if (!isNodeId(id)) return err(notAnId(id))
  const status = await ask(session, 'POST', '/api/v1/cluster/members', { id })
  if (!status.ok) return status
  const text = `${id} is a member. It fetches the state now and votes once it has caught up, if fewer than five do.`
  return ok({ data: status.value, text: `${text}\n\n${formatStatus(status.value)}` })
}

/** `aether cluster remove n4`: for good; the node may come back only with an empty data directory. */
export async function clusterRemove(id: string, session: Session): Outcome {
  if (!isNodeId(id)) return err(notAnId(id))
  const status = await ask(session, 'DELETE', `/api/v1/cluster/members/${id}`)
  if (!status.ok) return status
  const text = `${id} is no member any more and stops. It may join again with an empty data directory.`
  return ok({ data: status.value, text: `${text}\n\n${formatStatus(status.value)}` })
}

/** The status as the server has it now. */
export function askStatus(session: Session): Promise<Result<ClusterStatus, Failure>> {
  return ask(session, 'GET', '/api/v1/cluster')
}

async function ask(
  { server }: Session,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<Result<ClusterStatus, Failure>> {
  const answer = await server.ask(method, path, body)
  if (!answer.ok) return answer
  if (isStatus(answer.value)) return ok(answer.value)
  return err(refused(`${server.url} is no node of Aether`, 'Name one with --server <url>.'))
}

/** Enough of a look to tell an answer of Aether from that of any other server. */
function isStatus(value: unknown): value is ClusterStatus {
  if (typeof value !== 'object' || value === null) return false
  const { members, waiting } = value as { members?: unknown; waiting?: unknown }
  return Array.isArray(members) && Array.isArray(waiting)
}

function isNodeId(id: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(id)
}

function notAnId(id: string): Failure {
  return badUsage(`"${id}" is no name of a node`, 'Names are in the first column of the status.')
}
