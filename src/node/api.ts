import type { RequestId } from '../base/ids.ts'
import type { ControlStore, DistributedMap } from '../base/port.ts'
import type { ClusterAdmin } from '../cluster/membership/index.ts'
import type { Exchange, HttpHandler } from '../slice/index.ts'
import { type ApiRefusal, challenge, methodNotAllowed, notFound } from './api-refusal.ts'
import { ClusterApi } from './cluster-api.ts'
import { controlApi } from './control-api.ts'
import { sendJson } from './json.ts'
import { mapApi } from './map-api.ts'
import type { RestartWishes } from './restart.ts'

export type ApiParts = {
  readonly version: string
  readonly isReady: () => boolean
  readonly control: ControlStore
  readonly map: DistributedMap
  readonly members: ClusterAdmin
  readonly restarts: RestartWishes
  readonly newRequestId: () => RequestId
}

/** Where `apiHandler` is mounted. */
export const API_MOUNT = '/api/'

/** The platform's own interface: JSON for tools, every refusal a problem that says what to do. */
export function apiHandler(parts: ApiParts): HttpHandler {
  const control = controlApi(parts.control, parts.newRequestId)
  const map = mapApi(parts.map, parts.newRequestId)
  const cluster = new ClusterApi(parts.members, parts.restarts)
  const serve = (exchange: Exchange): Answered => {
    const path = pathOf(exchange.request.url ?? '')
    if (path.startsWith(CONTROL)) return control.serve(exchange, path.slice(CONTROL.length))
    if (path.startsWith(MAP)) return map.serve(exchange, path.slice(MAP.length))
    if (path === CLUSTER || path.startsWith(`${CLUSTER}/`)) {
      return cluster.serve(exchange, path.slice(CLUSTER.length))
    }
    return serveStatus(exchange, path, parts)
  }
  return async (exchange) => {
    const refusal = await serve(exchange)
    if (refusal !== undefined) exchange.refuse(refusal.problem, refusal.headers)
  }
}

type Answered = Promise<ApiRefusal | undefined>

const CONTROL = '/api/v1/control/'
const MAP = '/api/v1/map/'
const CLUSTER = '/api/v1/cluster'

async function serveStatus(
  { request, response, principal }: Exchange,
  path: string,
  { version, isReady }: ApiParts,
): Answered {
  if (!principal.may('read')) return challenge(principal)
  if (path !== '/api/v1/status') {
    return notFound(
      `There are /api/v1/status, ${CLUSTER}, ${CONTROL}user/<key> and ${MAP}user/<key>/<key>.`,
    )
  }
  const { method } = request
  if (method !== 'GET' && method !== 'HEAD') return methodNotAllowed('GET, HEAD')
  sendJson(response, 200, { version, ready: isReady() }, method)
  return undefined
}

/** A target in absolute form (RFC 9112 §3.2.2) has an authority in front, which the guard has checked. */
function pathOf(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/]*/i, '')
}
