import type { Report } from '../report.ts'
import type { Transport, TransportOptions } from '../wire/index.ts'
import type { HomeOptions } from './home.driver.ts'

/** What a `ClusterMember` is opened with. */
export type ClusterMemberOptions = HomeOptions & {
  /** `host:port` under which the other members reach this node; empty when it listens to nobody. */
  readonly address: string
  /** Makes the transport; absent for a node that is alone. */
  readonly connect?: (callbacks: TransportCallbacks) => Transport
  readonly report: Report
}

/** What the member itself answers of a transport's options; the rest is the node's. */
export type TransportCallbacks = Pick<
  TransportOptions,
  'counts' | 'hello' | 'admit' | 'onFrame' | 'onConnected' | 'onDisconnected' | 'onRefused'
> &
  Required<Pick<TransportOptions, 'onUnreachable' | 'onDrain'>>
