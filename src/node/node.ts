import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { closeInOrder } from '../base/closing.ts'
import { AetherError } from '../base/fault.ts'
import type { RequestId } from '../base/ids.ts'
import type { SliceContext } from '../slice/index.ts'
import { localDisk } from '../storage/disk.ts'
import { API_MOUNT, apiHandler } from './api.ts'
import { Authenticator } from './auth.ts'
import { BringUp } from './bring-up.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { consensusMeter, showCluster } from './cluster-metrics.ts'
import type { Config } from './config.ts'
import { Guard, isLoopback, isWildcard } from './guard.ts'
import { HttpServer } from './http.ts'
import { NodeMetrics } from './metrics.ts'
import { operationListener } from './operation.ts'
import { showReplication } from './replication-metrics.ts'
import { HostedSlice } from './slice-host.ts'
import { VERSION } from './version.ts'
import { VitalSigns } from './vital-signs.ts'

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
  /** Where clients reach it; it answers, though perhaps only that it is not ready. */
  readonly url: string
  /** Resolves when the node serves. Pending while it waits for other nodes, and for good when it is closed before. */
  readonly ready: Promise<Readiness>
  /** Resolves with the reason when the node cannot become ready, or can no longer be trusted with data: it has to stop. */
  readonly failed: Promise<unknown>
  /** Resolves when the node is to be closed and started again. */
  readonly restart: Promise<void>
  /**
   * Says that it takes no work, gives its roles to others while it serves on, lets requests in flight end, then closes
   * everything. Call it once.
   */
  close(): Promise<void>
}

export type Readiness = {
  /** The administrator's token if this node has made it: show it once. */
  readonly freshToken: string | undefined
}

/**
 * The composition root, where all parts meet and nowhere else. Acquires in order: data directory, port, the other nodes; and
 * what needs the control state once that answers: tokens, slices. Closing releases in the opposite order. Rejects with an
 * AetherError for what an operator can mend, and with the system's error when the port is taken.
 */
export async function openNode(options: NodeOptions): Promise<AetherNode> {
  const { config, logger } = options
  mkdirSync(config.data, { recursive: true, mode: 0o700 })
  const metrics = new NodeMetrics(VERSION)
  const cluster = await openCluster(config, logger, consensusMeter(metrics.registry))
  try {
    showCluster(metrics.registry, {
      status: () => cluster.members.status(),
      dropped: cluster.dropped,
      partitions: cluster.partitions,
    })
    showReplication(metrics.registry, () => cluster.health())
    return await openOn(cluster, metrics, options)
  } catch (cause) {
    await cluster.close()
    throw cause
  }
}

async function openOn(
  cluster: Cluster,
  metrics: NodeMetrics,
  options: NodeOptions,
): Promise<AetherNode> {
  const { config, logger } = options
  const authenticator = new Authenticator(anonymousAccess(config))
  const http = new HttpServer({
    guard: new Guard(config.host, config.hosts),
    authenticator,
    metrics,
    logger,
    requestLog: config.requestLog,
    tls: tlsOf(config),
    fallback: operationListener({ metrics, notReady: () => notReady() }),
  })
  const slice = await findSlice(cluster, { metrics, http }, options)
  const notReady = () => {
    if (http.isDraining) return 'the node is stopping'
    const obstacle = cluster.obstacle() ?? cluster.shortfall()
    if (obstacle !== undefined) return obstacle
    return slice.state === 'ACTIVE' ? undefined : 'artifact-repo is not active'
  }
  const isReady = () => notReady() === undefined
  const vitals = vitalSigns(cluster, config, isReady)
  const bringUp = new BringUp({ cluster, slice, authenticator, newRequestId, boot: vitals.boot })
  http.mount(
    API_MOUNT,
    apiHandler({
      version: VERSION,
      isReady,
      control: cluster.control,
      map: cluster.map,
      members: cluster.members,
      restarts: bringUp.restarts,
      newRequestId,
    }),
  )
  const port = await http.listen(config.host, config.port)
  try {
    await vitals.start()
    await cluster.start()
  } catch (cause) {
    vitals.stop()
    await http.close()
    throw cause
  }
  const url = urlOf(config, port)
  const ready = bringUp.run()
  const failure = new Promise<unknown>((resolve) => {
    ready.then(() => logger.info({ url, version: VERSION, data: config.data }, 'ready'), resolve)
  })
  return {
    url,
    ready,
    failed: Promise.race([cluster.failed, failure]),
    restart: bringUp.restarts.granted,
    close: () =>
      closeInOrder([
        async () => {
          http.drain()
          vitals.say()
        },
        () => cluster.handOver(),
        () => http.close(),
        () => bringUp.stop(),
        () => slice.stop(),
        async () => vitals.stop(),
        () => cluster.close(),
      ]),
  }
}

function vitalSigns(cluster: Cluster, { data }: Config, isReady: () => boolean): VitalSigns {
  return new VitalSigns({
    isReady,
    freeSpace: () => localDisk.freeSpace(data),
    chunks: () => cluster.health().chunks,
    lagging: () => cluster.health().replicas.lagging,
    say: (vitals) => cluster.setVitals(vitals),
  })
}

/** The artifact service, not started; it mounts itself when it is. */
function findSlice(
  cluster: Cluster,
  { metrics, http }: { readonly metrics: NodeMetrics; readonly http: HttpServer },
  { config, logger, slices = BUNDLED_SLICES }: NodeOptions,
): Promise<HostedSlice> {
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
  const modules = join(config.data, 'slices')
  return HostedSlice.find({ bundled: slices, modules, logger, contextOf }, 'artifact-repo')
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
