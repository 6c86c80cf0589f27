import { z } from 'zod'
import type { NodeId } from '../base/ids.ts'
import type { ClusterAdmin } from '../cluster/membership/index.ts'
import type { Exchange } from '../slice/index.ts'
import {
  type ApiRefusal,
  badRequest,
  challenge,
  methodNotAllowed,
  notFound,
} from './api-refusal.ts'
import { addRefusal, removeRefusal, restartRefusal } from './cluster-refusal.ts'
import { sendJson } from './json.ts'
import { announcesMore, readBody } from './request-body.ts'
import type { RestartWishes } from './restart.ts'

/**
 * The cluster over HTTP: who belongs to it for every reader; its changes, and restarts of its nodes, for administrators. The status is what the
 * asked node knows, so it answers without a quorum too; a change is answered when it is committed.
 */
export class ClusterApi {
  readonly #admin: ClusterAdmin
  readonly #restarts: Pick<RestartWishes, 'wish'>

  constructor(admin: ClusterAdmin, restarts: Pick<RestartWishes, 'wish'>) {
    this.#admin = admin
    this.#restarts = restarts
  }

  /** Answers a request for what is at `rest` below `/api/v1/cluster`, or gives the reason not to. */
  async serve(exchange: Exchange, rest: string): Promise<ApiRefusal | undefined> {
    const { request, response, principal } = exchange
    const { method } = request
    if (!principal.may('read')) return challenge(principal)
    if (rest === '') {
      if (method !== 'GET' && method !== 'HEAD') return methodNotAllowed('GET, HEAD')
      sendJson(response, 200, this.#admin.status(), method)
      return undefined
    }
    if (rest === MEMBERS) {
      if (method !== 'POST') return methodNotAllowed('POST')
      return principal.may('administer') ? this.#add(exchange) : challenge(principal)
    }
    if (rest === RESTART) {
      if (method !== 'POST') return methodNotAllowed('POST')
      return principal.may('administer') ? this.#restart(exchange) : challenge(principal)
    }
    if (rest.startsWith(MEMBER)) {
      if (method !== 'DELETE') return methodNotAllowed('DELETE')
      if (!principal.may('administer')) return challenge(principal)
      return this.#remove(exchange, rest.slice(MEMBER.length) as NodeId)
    }
    return notFound(`There are ${PLACES}.`)
  }

  async #add(exchange: Exchange): Promise<ApiRefusal | undefined> {
    const body = await bodyOf(exchange, Addition)
    if (body === 'cut') return undefined
    if (body === undefined) return NOT_AN_ADDITION
    const id = body.id as NodeId
    const added = await this.#admin.add(id)
    if (!added.ok) return addRefusal(id, added.error)
    sendJson(exchange.response, 201, added.value)
    return undefined
  }

  async #restart(exchange: Exchange): Promise<ApiRefusal | undefined> {
    const body = await bodyOf(exchange, Restart)
    if (body === 'cut') return undefined
    if (body === undefined) return NOT_A_RESTART
    const node = body.node as NodeId
    const { members } = this.#admin.status()
    const ids = members.map(({ id }) => id)
    const member = members.find(({ id }) => id === node)
    if (member === undefined) return restartRefusal(node, { kind: 'not-a-member', members: ids })
    const boot = body.boot ?? member.vitals?.boot
    if (member.state === 'down' || boot === undefined) return restartRefusal(node, { kind: 'down' })
    const wished = await this.#restarts.wish(node, boot, ids)
    if (!wished.ok) return restartRefusal(node, wished.error)
    sendJson(exchange.response, 202, { node, boot })
    return undefined
  }

  async #remove({ response }: Exchange, id: NodeId): Promise<ApiRefusal | undefined> {
    const removed = await this.#admin.remove(id)
    if (!removed.ok) return removeRefusal(id, removed.error)
    sendJson(response, 200, removed.value)
    return undefined
  }
}

const MEMBERS = '/members'
const MEMBER = '/members/'
const RESTART = '/restart'

const PLACES = '/api/v1/cluster, …/members, …/members/<node> and …/restart'

/** An id has at most 63 letters; there is room for white space and nothing else. */
const BODY_BYTES_MAX = 1_024

const NOT_AN_ADDITION = badRequest('The body names the node to add: {"id":"n4"}.')
const NOT_A_RESTART = badRequest(
  'The body names the node to restart: {"node":"n2"}, and its process, as the status has it, with "boot" if it is to be that one.',
)

const Addition = z.strictObject({ id: z.string().min(1) })

const Restart = z.strictObject({
  node: z.string().min(1),
  boot: z.string().min(1).max(64).optional(),
})

/** Undefined for what is none, `cut` when the client has gone. */
async function bodyOf<T>(
  { request, acceptBody }: Exchange,
  schema: z.ZodType<T>,
): Promise<T | 'cut' | undefined> {
  if (announcesMore(request, BODY_BYTES_MAX)) return undefined
  acceptBody()
  const body = await readBody(request, BODY_BYTES_MAX)
  if (!body.ok) return body.error.kind === 'cut' ? 'cut' : undefined
  try {
    return schema.safeParse(JSON.parse(body.value.toString())).data
  } catch {
    return undefined
  }
}
