/** A client that deploys and resolves through several nodes, and repeats what fails in passing as build tools do. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '../fixture/cluster.ts'

export type MavenClientOptions = {
  /** The nodes to turn to now. */
  nodes(): readonly ClusterNode[]
  credentials(): Readonly<Record<string, string>>
  /** How often a request is sent before it counts as given up. */
  readonly attemptsMax?: number
  readonly timeoutMs?: number
}

/**
 * `answered`: the last word of a server. `given-up`: each attempt failed in passing, so a request that changes something may
 * have been carried out, may be later, or never.
 */
export type Exchange =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: Buffer
      /** The node that answered. */
      readonly node: string
    }
  | { readonly kind: 'given-up'; readonly said: string; readonly sinceMs: number }

export class MavenClient {
  retries = 0
  readonly #options: MavenClientOptions
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 512 })

  constructor(options: MavenClientOptions) {
    this.#options = options
  }

  /** `path` is below `/repository/`; the first attempt goes to the node at this place of the list, the next to the next. */
  async send(method: 'GET' | 'PUT', path: string, at: number, body?: Buffer): Promise<Exchange> {
    const { attemptsMax = ATTEMPTS_MAX } = this.#options
    let said = 'there is no node'
    const sinceMs = performance.now()
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const nodes = this.#options.nodes()
      const node = nodes[(at + attempt) % nodes.length]
      if (node === undefined) break
      const answer = await this.once(node, method, path, body).catch((cause: Error) => cause)
      if (!(answer instanceof Error) && !PASSING.has(answer.status))
        return { kind: 'answered', ...answer, node: node.id }
      said = `${node.id}: ${answer instanceof Error ? answer.message : `${answer.status} ${answer.body}`}`
      this.retries++
      const afterS = answer instanceof Error ? 0 : answer.retryAfterS
      await sleep(Math.max(Math.min(afterS, RETRY_AFTER_S_MAX) * 1_000, PAUSE_MS * (attempt + 1)))
    }
    return { kind: 'given-up', said, sinceMs }
  }

  /** One attempt at one node; rejects when no whole answer comes in time. */
  once(node: ClusterNode, method: string, path: string, body?: Buffer): Promise<Answer> {
    const { timeoutMs = TIMEOUT_MS } = this.#options
    const length = body === undefined ? {} : { 'Content-Length': body.length }
    const headers = { ...this.#options.credentials(), ...length }
    return new Promise((resolve, reject) => {
      const outgoing = request(
        `${node.origin}/repository/${path}`,
        { method, headers, agent: this.#agent },
        (incoming) => {
          const parts: Buffer[] = []
          incoming.on('data', (part: Buffer) => parts.push(part))
          incoming.on('error', reject)
          incoming.on('end', () => {
            const { statusCode = 0, headers } = incoming
            const retryAfterS = Number(headers['retry-after'] ?? 0)
            if (incoming.complete)
              resolve({ status: statusCode, body: Buffer.concat(parts), retryAfterS })
          })
          incoming.on('close', () => {
            if (!incoming.complete) reject(new Error('the answer ends early'))
          })
        },
      )
      const timer = setTimeout(() => outgoing.destroy(new Error('no answer in time')), timeoutMs)
      outgoing.on('error', reject)
      outgoing.on('close', () => clearTimeout(timer))
      outgoing.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

type Answer = { readonly status: number; readonly body: Buffer; readonly retryAfterS: number }

/** Answers that may be others a moment later, or elsewhere: a full disk is one node's. */
const PASSING = new Set([502, 503, 504, 507])

/** With the pauses some ten seconds: what one fault takes, not two of them. */
const ATTEMPTS_MAX = 8

const PAUSE_MS = 200

/** A server may ask for more; tests do not wait for it. */
const RETRY_AFTER_S_MAX = 1

/** A node that is paused answers when it goes on, which is sooner. */
const TIMEOUT_MS = 10_000
