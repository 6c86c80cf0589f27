import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { RETRY_SOON } from './api-refusal.ts'
import { welcome } from './banner.ts'
import type { NodeMetrics } from './metrics.ts'

export type OperationParts = {
  readonly metrics: NodeMetrics
  /** Why the node cannot serve now; undefined when it can. */
  readonly notReady: () => string | undefined
}

/** What operators and their tools ask: is it alive, may it get traffic, what does it measure. No artifact passes here. */
export function operationListener(parts: OperationParts): RequestListener {
  const app = new Hono()
  app.get('/', (context) => context.text(welcome(new URL(context.req.url).origin, undefined)))
  app.get('/health/live', (context) => context.json({ status: 'live' }))
  app.get('/health/ready', (context) => {
    const reason = parts.notReady()
    return reason === undefined
      ? context.json({ status: 'ready' })
      : context.json({ status: 'not-ready', reason }, 503)
  })
  app.get('/metrics', async (context) => {
    const { contentType, body } = await parts.metrics.text()
    return context.body(body, 200, { 'Content-Type': contentType })
  })
  app.notFound((context) => {
    const reason = parts.notReady()
    // What a service would answer for is not "not found" while it is not there: Maven would believe it.
    const problem =
      reason === undefined ? NOT_FOUND : { status: 503, title: 'Not ready', detail: `${reason}.` }
    const headers = { 'Content-Type': 'application/problem+json' }
    return context.body(
      JSON.stringify({ type: 'about:blank', ...problem }),
      reason === undefined ? 404 : 503,
      reason === undefined ? headers : { ...headers, ...RETRY_SOON },
    )
  })
  return getRequestListener(app.fetch)
}

const NOT_FOUND = {
  status: 404,
  title: 'Not found',
  detail: 'There are /repository/<name>/…, /api/v1/…, /health/live, /health/ready and /metrics.',
}
