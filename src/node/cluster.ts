import type { Logger } from 'pino'
import type { BlobStore, ControlStore, DistributedMap } from '../base/port.ts'
import type { Config } from './config.ts'

/** The cluster as the node uses it; on one node it has one member. */
export type Cluster = {
  readonly map: DistributedMap
  readonly blobs: BlobStore
  readonly control: ControlStore
  readonly failed: Promise<unknown>
  close(): Promise<void>
}

export async function openCluster(_config: Config, _logger: Logger): Promise<Cluster> {
  throw new Error('waiting')
}
