import type { NodeId } from '../../base/ids.ts'
import type { FrameCounts } from './count.ts'

/**
 * Carries payloads between the nodes of a cluster. Best effort: a payload may be lost, never altered, repeated or taken
 * from a stranger, and those of one channel arrive in the order in which they were sent.
 *
 * Every node dials each of its peers and sends on the connection it has dialed; it receives on those it has accepted.
 */
export interface Transport {
  /** Opens the listener; resolves with where it is (the port when 0 was asked for), rejects when it cannot. */
  listen(): Promise<Address>
  /** Ends every connection and the listener. No callback comes after it has resolved. */
  close(): Promise<void>
  /**
   * With whom to be connected; this node itself may be among them. At once ends every connection to or from anybody
   * else, or from another incarnation than the one named; then dials whoever is new.
   */
  setPeers(peers: readonly Peer[]): void
  /**
   * Sends `payload`, which belongs to the transport and must never change again; it may be sent to several peers. False
   * when it was not taken, because there is no connection or its queue is full; in the second case `onDrain` tells when
   * to try again.
   */
  send(to: NodeId, channel: Channel, payload: Uint8Array): boolean
  /** Whether the connection that this node sends on to `peer` is up. */
  isConnected(peer: NodeId): boolean
}

/** What a transport is made with. Callbacks are called one at a time and must not throw. */
export type TransportOptions = {
  /** Known to the nodes of the cluster alone; at least `SECRET_BYTES_MIN`. */
  readonly secret: Uint8Array
  readonly listen: Address
  readonly tls?: TransportTls
  readonly limits?: Partial<TransportLimits>
  /** Where dropped frames are counted; `frameCounts()` makes one. Whoever finds a payload malformed counts it here too. */
  readonly counts: FrameCounts
  /** What this node says of itself, asked at each handshake. */
  hello(): Hello
  /**
   * Whether to exchange frames with the node that has proved to be of the cluster's secret and says `hello`. Asked for
   * dialed and accepted connections alike; no frame goes either way before the answer. `setPeers` has the last word. A
   * rejection ends the connection. A node that dials says which incarnation of this one it knows as a member, if any:
   * `sought`.
   */
  admit(hello: Hello, sought?: string): Admission | Promise<Admission>
  /** `payload` is the receiver's; it is a view that keeps alive the memory around it. */
  onMessage(from: NodeId, channel: Channel, payload: Uint8Array): void
  /** `send` reaches `peer` from now on. */
  onConnected(peer: NodeId): void
  /** `send` does not reach `peer` any more; why, for the operator. */
  onDisconnected(peer: NodeId, reason: string): void
  /**
   * An attempt to reach `peer` has failed; it is repeated. Called for each attempt. `isRefused`: its machine answers, and
   * nobody listens there.
   */
  onUnreachable?(peer: NodeId, reason: string, isRefused: boolean): void
  /** `peer`, authenticated and at `epoch`, does not admit this node. The attempt is repeated all the same. */
  onRefused(peer: NodeId, reason: RefusalReason, epoch: number): void
  /** A queue to `peer` that was full has room, other than that of consensus. */
  onDrain?(peer: NodeId): void
}

/** A member as the transport sees it; without an incarnation, `admit` alone decides on that. */
export type Peer = {
  readonly id: NodeId
  /** `host:port`; an IPv6 host is in brackets. */
  readonly address: string
  readonly incarnation: string | undefined
}

/** What a node says of itself in a handshake. */
export type Hello = {
  readonly cluster: string
  /** A hash of the declared roster; only of a founder whose incarnation is not bound yet. */
  readonly roster: string | undefined
  readonly node: NodeId
  readonly incarnation: string
  /** Where it listens, `host:port`. */
  readonly address: string
  /** Of the membership it knows. */
  readonly epoch: number
  /** It was told to join and has never been a member: it goes on asking until it is added. */
  readonly isJoining: boolean
}

export type Admission =
  | { readonly admit: true }
  | { readonly admit: false; readonly reason: RefusalReason }

export type RefusalReason = (typeof REFUSAL_REASONS)[number]

/** Why a node that knows the secret is not admitted; the place in this list is what goes over the wire. */
export const REFUSAL_REASONS = [
  'not-a-member',
  'other-incarnation',
  'removed',
  'foreign-cluster',
  'foreign-roster',
] as const

export type Address = { readonly host: string; readonly port: number }

/** The parts of TLS, each PEM: nodes present the certificate and accept those that `authority` has signed. */
export type TransportTls = {
  readonly certificate: Uint8Array
  readonly key: Uint8Array
  readonly authority: Uint8Array
}

/**
 * What a message is about: 1 to 255. Consensus and heartbeats go first and share a queue, then come
 * replicas and the map with another, and all others share a bulk queue.
 */
export type Channel = number

export const CONSENSUS_CHANNEL: Channel = 1
export const HEARTBEAT_CHANNEL: Channel = 2
/** What the replicas of partitions say to each other. */
export const REPLICA_CHANNEL: Channel = 3
/** Calls of the map from a node to the primary of a partition. */
export const MAP_CHANNEL: Channel = 4
/** Chunks of blobs. */
export const CHUNK_CHANNEL: Channel = 5

/** An attacker tries shorter ones off line, from one recorded handshake. */
export const SECRET_BYTES_MIN = 32

export type TransportLimits = {
  /** Payload bytes that wait for the connection to a peer, by kind of channel; more are dropped. */
  readonly consensusQueueBytes: number
  readonly mapQueueBytes: number
  readonly bulkQueueBytes: number
  /** Connections that have not proved the secret yet; one more pushes the oldest out. */
  readonly strangers: number
  /** The same of one remote address, so that a host that floods pushes out its own. */
  readonly strangersPerHost: number
  /** From connecting to the first frame. */
  readonly handshakeMs: number
  /** How often a connection is tried; it has ended when the other side was silent for three times this. */
  readonly pingMs: number
  /** Pause before the second attempt to reach a peer; it doubles with each, up to the longest. */
  readonly backOffMs: number
  readonly backOffMaxMs: number
}
