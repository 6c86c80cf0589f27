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
import { addRefusal, removeRefusal } from './cluster-refusal.ts'
import { sendJson } from './json.ts'
import { announcesMore, readBody } from './request-body.ts'

/**
 * The cluster over HTTP: who belongs to it for every reader, and its changes for administrators. The status is what the
 * asked node knows, so it answers without a quorum too; a change is answered when it is committed.
 */
export class ClusterApi {
  readonly #admin: ClusterAdmin

  constructor(admin: ClusterAdmin) {
    this.#admin = admin
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
    if (rest.startsWith(MEMBER)) {
      if (method !== 'DELETE') return methodNotAllowed('DELETE')
      if (!principal.may('administer')) return challenge(principal)
      return this.#remove(exchange, rest.slice(MEMBER.length) as NodeId)
    }
    return notFound('There are /api/v1/cluster, /api/v1/cluster/members and …/members/<node>.')
  }

  async #add({ request, response, acceptBody }: Exchange): Promise<ApiRefusal | undefined> {
    if (announcesMore(request, BODY_BYTES_MAX)) return NOT_AN_ID
    acceptBody()
    const body = await readBody(request, BODY_BYTES_MAX)
    if (!body.ok) return body.error.kind === 'cut' ? undefined : NOT_AN_ID
    const id = idOf(body.value.toString())
    if (id === undefined) return NOT_AN_ID
    const added = await this.#admin.add(id)
    if (!added.ok) return addRefusal(id, added.error)
    sendJson(response, 201, added.value)
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

/** An id has at most 63 letters; there is room for white space and nothing else. */
const BODY_BYTES_MAX = 1_024

const NOT_AN_ID = badRequest('The body names the node to add: {"id":"n4"}.')

const Addition = z.strictObject({ id: z.string().min(1) })

function idOf(body: string): NodeId | undefined {
  try {
    return Addition.safeParse(JSON.parse(body)).data?.id as NodeId | undefined
  } catch {
    return undefined
  }
}
