import type { TransportOptions } from '../wire/index.ts'

/** What the member itself answers of a transport's options; the rest is the node's. */
export type TransportCallbacks = Pick<
  TransportOptions,
  'counts' | 'hello' | 'admit' | 'onMessage' | 'onConnected' | 'onDisconnected' | 'onRefused'
> &
  Required<Pick<TransportOptions, 'onUnreachable' | 'onDrain'>>
