import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { AetherError } from '../base/fault.ts'
import type { RequestId } from '../base/ids.ts'
import type { SliceContext } from '../slice/index.ts'
import { API_MOUNT, apiHandler } from './api.ts'
import { Authenticator, type FreshToken, openTokens } from './auth.ts'
import { type Cluster, openCluster } from './cluster.ts'
import type { Config } from './config.ts'
import { Guard, isLoopback, isWildcard } from './guard.ts'
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
  const notReady = () => {
    if (http.isDraining) return 'the node is stopping'
    return slice?.state === 'ACTIVE' ? undefined : 'artifact-repo is not active'
  }
  const http = new HttpServer({
    guard: new Guard(config.host, config.hosts),
    authenticator: new Authenticator(tokens, anonymousAccess(config)),
    metrics,
    logger,
    requestLog: config.requestLog,
    tls: tlsOf(config),
    fallback: operationListener({
      metrics,
      notReady,
    }),
  })
  http.mount(
    API_MOUNT,
    apiHandler({
      version: VERSION,
      isReady: () => notReady() === undefined,
      control: cluster.control,
      members: cluster.members,
      newRequestId,
    }),
  )
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
      logger,
      contextOf,
    },
    'artifact-repo',
  )
  await slice.start()
  const port = await listen(http, config, fresh).catch(async (cause: unknown) => {
    await slice.stop()
    throw cause
  })
  const url = urlOf(config, port)
  logger.info({ url, version: VERSION, data: config.data }, 'ready')
  return {
    url,
    freshToken: fresh?.text,
    failed: cluster.failed,
    async close() {
      await http.close()
      await slice.stop()
      await cluster.close()
    },
  }
}

/** The port. Only a node that can be reached keeps its new token: after a failed start nobody would have seen it. */
async function listen(
  http: HttpServer,
  { host, port }: Config,
  fresh: FreshToken | undefined,
): Promise<number> {
  const taken = await http.listen(host, port)
  try {
    await fresh?.keep()
    return taken
  } catch (cause) {
    await http.close()
    throw cause
  }
}

/** Open on loopback, where only this machine's users get in; closed everywhere else. */
function anonymousAccess(config: Config): 'all' | 'read' | 'none' {
  if (isLoopback(config.host)) return 'all'
  return config.anonymousRead ? 'read' : 'none'
}

function tlsOf({ tlsCertificate, tlsKey }: Config): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined
  try {
    const tls = { cert: readFileSync(tlsCertificate), key: readFileSync(tlsKey) }
    createSecureContext(tls)
    return tls
  } catch (cause) {
    throw new AetherError(
      'tls-refused',
      `tls_certificate ${tlsCertificate} and tls_key ${tlsKey} are of no use: ${(cause as Error).message}`,
      'Name a PEM file with the certificate chain and one with its key, without a passphrase.',
      cause,
    )
  }
}

/** An address that other machines can use too, since it is shown to be copied. */
function urlOf(config: Config, port: number): string {
  const scheme = config.tlsCertificate === undefined ? 'http' : 'https'
  const name = isWildcard(config.host) ? (config.hosts[0] ?? hostname().toLowerCase()) : config.host
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** 122 random bits: unique without asking anyone. Node draws them in batches, so that one costs little. */
function newRequestId(): RequestId {
  return randomUUID() as RequestId
}
