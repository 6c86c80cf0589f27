import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import { sendRequest } from '../fixture/cluster.ts'
import { ContainerCluster, type ContainerNode } from './cluster.ts'
import { controlKeys, Ledger, type Workload } from './workload.ts'

/** What clients do; each meets every fault. */
const WORKLOADS: readonly [string, (cluster: ContainerCluster) => Workload][] = [
  ['control keys', controlKeys],
]

/** A fault of one node, how it shows to a client of that node, and its end. */
type Fault = {
  begin(node: ContainerNode): Promise<void>
  shows(node: ContainerNode, workload: Workload, written: number): Promise<void>
  end(node: ContainerNode): Promise<void>
}

const FAULTS: readonly [string, Fault][] = [
  [
    'cut off from the network',
    {
      begin: (node) => node.disconnect(),
      // It is there, and neither vouches for what it has nor takes anything.
      shows: async (node, workload, written) => {
        const [read, write] = await Promise.all([
          workload.read(node, written),
          workload.write(node, NEVER_WRITTEN),
        ])
        expect(read.status).toBe(503)
        expect([503, 504]).toContain(write.status)
      },
      end: (node) => node.connect(),
    },
  ],
  [
    'paused',
    {
      begin: (node) => node.pause(),
      shows: async (node) => {
        await expect(live(node)).rejects.toThrow('no answer in time')
      },
      end: (node) => node.resume(),
    },
  ],
  [
    'killed',
    {
      begin: (node) => node.kill(),
      shows: async (node) => {
        await expect(live(node)).rejects.toThrow()
      },
      end: (node) => node.start(),
    },
  ],
]

let cluster: ContainerCluster

beforeAll(async () => {
  cluster = await ContainerCluster.form(['n1', 'n2', 'n3'])
})

afterAll(async () => {
  await cluster?.close()
})

describe.each(WORKLOADS)('with %s', (_name, make) => {
  let workload: Workload
  let ledger: Ledger

  beforeAll(() => {
    workload = make(cluster)
    ledger = new Ledger(workload)
  })

  test('what one node acknowledges is read from every node at once', async () => {
    tellLogsOnFailure()
    for (const node of cluster.nodes) {
      const written = await ledger.write(node)
      expect(written, node.id).toBeDefined()
      await ledger.verify(cluster.nodes)
    }
  })

  test.each(FAULTS)('two nodes go on while one is %s, and it catches up', async (_fault, fault) => {
    tellLogsOnFailure()
    // Another victim for each fault, so that none has an easy role by chance.
    const [victim, ...others] = rotated(
      cluster.nodes,
      FAULTS.findIndex(([, one]) => one === fault),
    )
    if (victim === undefined) throw new Error('no nodes')
    const stopClients = ledger.writeOn(cluster.nodes)
    try {
      await ledger.writeMany(cluster.nodes, SOME)
      await fault.begin(victim)
      await ledger.writeMany(others, SOME)
      await fault.shows(victim, workload, ledger.acknowledged.at(-1) as number)
      await ledger.writeMany(others, SOME)
      await fault.end(victim)
      await victim.ready()
      await ledger.writeMany([victim], SOME)
    } finally {
      await stopClients()
    }
    await ledger.verify(cluster.nodes)
  })

  test('nothing acknowledged is lost when all are killed at once', async () => {
    tellLogsOnFailure()
    const stopClients = ledger.writeOn(cluster.nodes)
    try {
      await ledger.writeMany(cluster.nodes, SOME)
      await Promise.all(cluster.nodes.map((node) => node.kill()))
      await Promise.all(cluster.nodes.map((node) => node.start()))
      await cluster.ready()
      await ledger.writeMany(cluster.nodes, SOME)
    } finally {
      await stopClients()
    }
    await ledger.verify(cluster.nodes)
  })
})

test('a container that is asked to stop ends well, and goes on where it stopped', async () => {
  const [node] = cluster.nodes
  expect(await node?.stop()).toBe(0)
  await node?.start()
  await node?.ready()
})

function live(node: ContainerNode) {
  return sendRequest(`${node.origin}/health/live`, { timeoutMs: SILENCE_MS })
}

function tellLogsOnFailure(): void {
  onTestFailed(async () => console.error(await cluster.logs()))
}

function rotated<T>(items: readonly T[], by: number): T[] {
  return [...items.slice(by), ...items.slice(0, by)]
}

/** Enough for every client and node to have had a part. */
const SOME = 20

/** How long a node says nothing before it counts as silent. */
const SILENCE_MS = 1_000

/** An item that no ledger numbers. */
const NEVER_WRITTEN = 0
