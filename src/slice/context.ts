import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { RequestId } from '../base/ids.ts'
import type { BlobStore, ControlStore, DistributedMap } from '../base/port.ts'
import type { Problem } from './problem.ts'

/**
 * All that a slice may use, handed to `start`. Nothing in it tells how many nodes there are, and no module state of the
 * platform crosses over: only these functions and plain values.
 */
export type SliceContext = {
  readonly identity: SliceIdentity
  /** The slice's own section of the configuration, as plain JSON values; the slice validates it. */
  readonly configuration: unknown
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  readonly control: ControlStore
  readonly map: DistributedMap
  readonly blobs: BlobStore
  readonly http: HttpMounts
  /** A new id, unique in the cluster; keep it for the retries of one write. */
  newRequestId(): RequestId
}

/** `artifact` is `groupId:artifactId:version` of the jar, `digest` its SHA-256 in hex. */
export type SliceIdentity = {
  readonly name: string
  readonly artifact: string
  readonly digest: string
}

/** Structured logging; fields are logged as they are, so never pass a secret. */
export type Log = {
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

export type LogFields = Readonly<Record<string, unknown>>

/** Counters by their Prometheus name; a name belongs to one slice. */
export type Metrics = {
  counter<Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
  ): (labels: Readonly<Record<Label, string>>, by?: number) => void
}

export type HttpMounts = {
  /** Sends every request whose raw target begins with `prefix` (`/name/`) to `handler`, until the slice stops. */
  mount(prefix: string, handler: HttpHandler): void
}

/**
 * Answers one request completely. The raw request and response of the platform's HTTP server, since wrapping them
 * halves the throughput. A rejection is answered with 500 by the node, or ends the connection if the head was sent.
 */
export type HttpHandler = (exchange: Exchange) => Promise<void> | void

export type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly principal: Principal
  readonly requestId: string
  /**
   * Call this after every decision that needs no body and before the first read of it. It answers `Expect:
   * 100-continue`; until then the client holds the body back.
   */
  acceptBody(): void
  /**
   * Answers with the problem and makes sure that the client reads it, even one that is in the middle of sending a body.
   * Nothing of the answer may have been sent before.
   */
  refuse(problem: Problem, headers?: Readonly<Record<string, string>>): void
}

export type Action = 'read' | 'deploy' | 'delete' | 'administer'

/** Who asks, as the node has authenticated it; the handler that serves the route decides with `may`. */
export type Principal = {
  /** A token's name, or `anonymous`. Never the token. */
  readonly name: string
  readonly isAnonymous: boolean
  may(action: Action): boolean
}
