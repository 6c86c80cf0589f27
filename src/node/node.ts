import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { RequestId } from '../base/ids.ts'
import type { SliceContext } from '../slice/index.ts'
import { Authenticator, openTokens } from './auth.ts'
import { type Cluster, openCluster } from './cluster.ts'
import type { Config } from './config.ts'
import { Guard, isLoopback } from './guard.ts'
import { HttpServer } from './http.ts'
import { NodeMetrics } from './metrics.ts'
import { operationListener } from './operation.ts'
import { HostedSlice } from './slice-host.ts'
import { VERSION } from './version.ts'

/** The jars that came with this distribution. */
const BUNDLED_SLICES = fileURLToPath(new URL('../../lib/infra', import.meta.url))

export type NodeOptions = {
  readonly config: Config
  readonly logger: Logger
  /** Instead of the bundled jars: for tests of altered ones. */
  readonly slices?: string
}

/** A running node. */
export type AetherNode = {
  /** Where clients reach it. */
  readonly url: string
  /** The administrator's token if this start has made it: show it once. */
  readonly freshToken: string | undefined
  /** Resolves with the reason when the node can no longer be trusted with data and has to stop. */
  readonly failed: Promise<unknown>
  /** Takes no new work, lets requests in flight end, then closes everything. Call it once. */
  close(): Promise<void>
}

/**
 * The composition root, where all parts meet and nowhere else. Acquires in order (data directory, cluster state, slices,
 * port); closing releases in the opposite order. Rejects with an AetherError for what an operator can mend, and with the
 * system's error when the port is taken.
 */
export async function openNode(options: NodeOptions): Promise<AetherNode> {
  const { config, logger } = options
  mkdirSync(config.data, { recursive: true, mode: 0o700 })
  const cluster = await openCluster(config, logger)
  try {
    return await openOn(cluster, options)
  } catch (cause) {
    await cluster.close()
    throw cause
  }
}

async function openOn(cluster: Cluster, options: NodeOptions): Promise<AetherNode> {
  const { config, logger } = options
  const metrics = new NodeMetrics(VERSION)
  const { tokens, fresh } = await openTokens(cluster.control, newRequestId)
  let slice: HostedSlice | undefined
  const http = new HttpServer({
    guard: new Guard(config.host, config.hosts),
    authenticator: new Authenticator(tokens, anonymousAccess(config)),
    metrics,
    logger,
    requestLog: config.requestLog,
    tls: tlsOf(config),
    fallback: operationListener({
      metrics,
      version: VERSION,
      notReady: () => (slice?.state === 'ACTIVE' ? undefined : 'artifact-repo is not active'),
    }),
  })
  const contextOf = (identity: SliceContext['identity']): SliceContext => ({
    identity,
    configuration: { repositories: config.repositories, uploadBytesMax: config.uploadBytesMax },
    log: logger.child({ slice: identity.name }),
    metrics: metrics.forSlices(),
    clock: { nowMs: () => Date.now() },
    control: cluster.control,
    map: cluster.map,
    blobs: cluster.blobs,
    http,
    newRequestId,
  })
  slice = await HostedSlice.find(
    {
      bundled: options.slices ?? BUNDLED_SLICES,
      modules: join(config.data, 'slices'),
      control: cluster.control,
      logger,
      contextOf,
    },
    'artifact-repo',
  )
  await slice.start()
  const port = await http.listen(config.host, config.port)
  const url = urlOf(config, port)
  logger.info({ url, version: VERSION, data: config.data }, 'ready')
  return {
    url,
    freshToken: fresh,
    failed: cluster.failed,
    async close() {
      await http.close()
      await slice.stop()
      await cluster.close()
    },
  }
}

/** Open on loopback, where only this machine's users get in; closed everywhere else. */
function anonymousAccess(config: Config): 'all' | 'read' | 'none' {
  if (isLoopback(config.host)) return 'all'
  return config.anonymousRead ? 'read' : 'none'
}

function tlsOf({ tlsCertificate, tlsKey }: Config): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined
  return { cert: readFileSync(tlsCertificate), key: readFileSync(tlsKey) }
}

function urlOf(config: Config, port: number): string {
  const scheme = config.tlsCertificate === undefined ? 'http' : 'https'
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  return `${scheme}://${host}:${port}`
}

/** 128 random bits: unique without asking anyone. */
function newRequestId(): RequestId {
  return randomBytes(16).toString('base64url') as RequestId
}
