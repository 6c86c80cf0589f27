/**
 * What clients do while nodes fail. A workload writes items, each once, under a number; the ledger keeps what was
 * acknowledged and compares it with what each node says afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type HttpAnswer, type HttpOptions, sendRequest } from '../fixture/cluster.ts'
import type { ContainerCluster, ContainerNode } from './cluster.ts'

/** Requests to one node. Both give the node's answer, whatever it is, and reject when none comes. */
export type Workload = {
  readonly name: string
  /** 2xx acknowledges the item. It may take several requests, of which the last one or the first that fails counts. */
  write(node: ContainerNode, item: number): Promise<HttpAnswer>
  /** The body of a 200 has to be what `bodyOf` says. */
  read(node: ContainerNode, item: number): Promise<HttpAnswer>
  bodyOf(item: number): string
}

/** Keys of the control store. */
export function controlKeys({ credentials }: ContainerCluster): Workload {
  const send = (node: ContainerNode, item: number, options: HttpOptions = {}) =>
    sendRequest(`${node.origin}/api/v1/control/user/item/${item}`, {
      ...options,
      headers: credentials,
      timeoutMs: ANSWER_MS,
    })
  const bodyOf = (item: number) => `value of ${item}`
  return {
    name: 'control keys',
    bodyOf,
    write: (node, item) => send(node, item, { method: 'PUT', body: bodyOf(item) }),
    read: (node, item) => send(node, item),
  }
}

/** Numbers the items of a workload and remembers those that were acknowledged. */
export class Ledger {
  readonly acknowledged: number[] = []
  readonly #workload: Workload
  #last = 0

  constructor(workload: Workload) {
    this.#workload = workload
  }

  /** Writes the next item; gives its number if it was acknowledged. */
  async write(node: ContainerNode): Promise<number | undefined> {
    this.#last += 1
    const item = this.#last
    const answer = await this.#workload.write(node, item).catch(() => undefined)
    if (answer === undefined || answer.status >= 300) return undefined
    this.acknowledged.push(item)
    return item
  }

  /** Resolves when `count` items have been acknowledged, each by the next one of the nodes; they have to be in time. */
  async writeMany(nodes: readonly ContainerNode[], count: number): Promise<void> {
    const deadlineMs = performance.now() + PROGRESS_MS
    for (let done = 0, at = 0; done < count; at += 1) {
      const node = nodes[at % nodes.length] as ContainerNode
      if ((await this.write(node)) !== undefined) {
        done += 1
        continue
      }
      if (performance.now() > deadlineMs) {
        throw new Error(`only ${done} of ${count} writes in ${PROGRESS_MS} ms, last by ${node.id}`)
      }
      await sleep(RETRY_MS)
    }
  }

  /** One client for each node writes, whatever becomes of it, until the function that this gives is called. */
  writeOn(nodes: readonly ContainerNode[]): () => Promise<void> {
    const stop = new AbortController()
    const clients = nodes.map(async (node) => {
      while (!stop.signal.aborted) {
        const written = await this.write(node)
        await sleep(written === undefined ? RETRY_MS : PACE_MS)
      }
    })
    return async () => {
      stop.abort()
      await Promise.all(clients)
    }
  }

  /** Every node says of every acknowledged item what was written. */
  async verify(nodes: readonly ContainerNode[]): Promise<void> {
    for (const node of nodes) {
      const wrong: string[] = []
      const rest = this.acknowledged.values()
      const reader = async () => {
        for (const item of rest) {
          const { status, body } = await this.#workload.read(node, item)
          if (status !== 200 || body !== this.#workload.bodyOf(item)) {
            wrong.push(`${item}: ${status} ${body.slice(0, 200)}`)
          }
        }
      }
      await Promise.all(Array.from({ length: READERS }, reader))
      expect(wrong, `acknowledged and not there on ${node.id}`).toEqual([])
    }
  }
}

/** Longer than a node waits for a quorum, so that a client hears its refusal. */
const ANSWER_MS = 15_000

/** Within this there is a quorum again after whatever a test does. */
const PROGRESS_MS = 30_000

const RETRY_MS = 50

/** Leaves a few hundred items to compare for each fault: the faults are what is tested, not the rate. */
const PACE_MS = 20

const READERS = 8
