/**
 * A cluster of nodes in containers of the image that `npm run image` builds. They reach each other over a network of their
 * own, from which a node can be cut off, and have their HTTP face on another one, so that a client still sees what a node
 * says that its peers do not.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { GenericContainer, getContainerRuntimeClient, Network, Wait } from 'testcontainers'
import { sendRequest } from '../fixture/cluster.ts'

/** The image of this version; `npm run test:containers` has built it. */
export const IMAGE = `aether:${versionOfPackage()}`

export class ContainerCluster {
  readonly nodes: ContainerNode[] = []
  /** The header of an administrator. */
  credentials: Readonly<Record<string, string>> = {}
  readonly #networks: { remove(): Promise<unknown> }[] = []

  /** Starts nodes with these ids, which are their names in the network too; resolves when they are one cluster. */
  static async form(ids: readonly string[]): Promise<ContainerCluster> {
    const cluster = new ContainerCluster()
    try {
      await cluster.#start(ids)
      await cluster.ready()
      await cluster.#authorize()
      return cluster
    } catch (cause) {
      const logs = await cluster.logs()
      await cluster.close()
      throw new Error(`the cluster does not form\n${logs}`, { cause })
    }
  }

  /** Resolves when every node takes requests that need the cluster. */
  async ready(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ready()))
  }

  /** The ends of all logs, for who has to find out why something failed. */
  async logs(): Promise<string> {
    const tails = this.nodes.map(async (node) => `${node.id}:\n${(await node.log()).slice(-3_000)}`)
    return (await Promise.all(tails)).join('\n')
  }

  /** Removes all containers, their volumes and their networks. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()))
    await Promise.all(this.#networks.map((network) => network.remove()))
  }

  async #start(ids: readonly string[]): Promise<void> {
    const client = await getContainerRuntimeClient()
    const front = await new Network().start()
    this.#networks.push({ remove: () => front.stop() })
    // Internal: no port is published through it, which would be another one after each cut.
    const peers = await client.network.create({ Name: randomUUID(), Internal: true })
    this.#networks.push(peers)
    const started = ids.map(async (id) => {
      const container = new NodeContainer(id, ids, peers)
      const running = await container.withNetwork(front).start()
      const engine = client.container.getById(running.getId())
      const node = new ContainerNode(id, engine, peers, running.getHost())
      this.nodes.push(node)
      await node.locate()
    })
    // All have to have ended before anything is removed.
    for (const { status, reason } of (await Promise.allSettled(
      started,
    )) as PromiseRejectedResult[]) {
      if (status === 'rejected') throw reason
    }
    this.nodes.sort((a, b) => a.id.localeCompare(b.id))
  }

  /** One of the nodes has made the administrator's token and shown it once. */
  async #authorize(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS
    while (performance.now() < deadlineMs) {
      const logs = (await Promise.all(this.nodes.map((node) => node.log()))).join('\n')
      for (const [token] of logs.matchAll(/aether_[\w-]{20,}/g)) {
        const headers = { Authorization: `Bearer ${token}` }
        const asked = this.nodes.map((node) =>
          sendRequest(`${node.origin}/api/v1/control/user/absent`, { headers }),
        )
        const answers = await Promise.all(asked)
        if (!answers.every(({ status }) => status === 404)) continue
        this.credentials = headers
        return
      }
      await sleep(POLL_MS)
    }
    throw new Error('no token is known to all nodes')
  }
}

/** One node; its faults are those that an engine can make. */
export class ContainerNode {
  readonly id: string
  readonly #container: Engine
  readonly #peers: PeerNetwork
  readonly #host: string
  #origin = ''

  constructor(id: string, container: Engine, peers: PeerNetwork, host: string) {
    this.id = id
    this.#container = container
    this.#peers = peers
    this.#host = host
  }

  /** Where clients reach it: another port after each start. */
  get origin(): string {
    return this.#origin
  }

  async locate(): Promise<void> {
    const { NetworkSettings } = await this.#container.inspect()
    const port = NetworkSettings.Ports[`${HTTP_PORT}/tcp`]?.[0]?.HostPort
    if (port === undefined) throw new Error(`${this.id} has no port on this machine`)
    this.#origin = `http://${this.#host}:${port}`
  }

  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS
    for (;;) {
      const answer = await sendRequest(`${this.origin}/health/ready`).catch(() => undefined)
      if (answer?.status === 200) return
      if (performance.now() > deadlineMs)
        throw new Error(`${this.id} is not ready: ${answer?.body}`)
      await sleep(POLL_MS)
    }
  }

  /** Takes it off the network of its peers; its HTTP face stays. */
  async disconnect(): Promise<void> {
    await this.#peers.disconnect({ Container: this.#container.id })
  }

  async connect(): Promise<void> {
    await connectAs(this.id, this.#container.id, this.#peers)
  }

  async pause(): Promise<void> {
    await this.#container.pause()
  }

  async resume(): Promise<void> {
    await this.#container.unpause()
  }

  async kill(): Promise<void> {
    await this.#container.kill()
    await this.#container.wait()
  }

  /** Asks it to end; gives its exit code, which is 137 when it had to be forced. */
  async stop(): Promise<number> {
    await this.#container.stop({ t: STOP_S })
    return (await this.#container.inspect()).State.ExitCode
  }

  /** Starts it again with the disk it had; it is not ready yet. */
  async start(): Promise<void> {
    await this.#container.start()
    await this.locate()
  }

  /** What it has written since it was made, in all its lives. */
  async log(): Promise<string> {
    return textOf(await this.#container.logs({ stdout: true, stderr: true, follow: false }))
  }

  async remove(): Promise<void> {
    await this.#container.remove({ force: true, v: true })
  }
}

type Client = Awaited<ReturnType<typeof getContainerRuntimeClient>>
type Engine = ReturnType<Client['container']['getById']>
type PeerNetwork = Awaited<ReturnType<Client['network']['create']>>

/** In the network of its peers before its first step, so that it finds their names at once. */
class NodeContainer extends GenericContainer {
  readonly #id: string
  readonly #peers: PeerNetwork

  constructor(id: string, ids: readonly string[], peers: PeerNetwork) {
    super(IMAGE)
    this.#id = id
    this.#peers = peers
    this.withExposedPorts(HTTP_PORT)
      .withCopyContentToContainer([
        { target: '/etc/aether/aether.toml', content: configurationOf(id, ids) },
        { target: '/etc/aether/cluster.secret', content: SECRET },
      ])
      .withResourcesQuota({ memory: MEMORY_GIB, cpu: 1 })
      .withWaitStrategy(Wait.forHttp('/health/live', HTTP_PORT))
      .withStartupTimeout(READY_MS)
  }

  protected override async containerCreated(containerId: string): Promise<void> {
    await connectAs(this.#id, containerId, this.#peers)
  }
}

async function connectAs(name: string, container: string, network: PeerNetwork): Promise<void> {
  await network.connect({ Container: container, EndpointConfig: { Aliases: [name] } })
}

/** An engine sends both streams in frames: which one, three bytes of nothing, the size, the text. */
function textOf(frames: Buffer): string {
  let text = ''
  for (let at = 0; at < frames.length; ) {
    const start = at + 8
    at = start + frames.readUInt32BE(at + 4)
    text += frames.toString('utf8', start, at)
  }
  return text
}

function configurationOf(id: string, ids: readonly string[]): string {
  return `request_log = false
[cluster]
id = "${id}"
secret_file = "cluster.secret"
listen = "0.0.0.0:${CLUSTER_PORT}"
[cluster.peers]
${ids.map((peer) => `${peer} = "${peer}:${CLUSTER_PORT}"`).join('\n')}
`
}

function versionOfPackage(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

const HTTP_PORT = 8080
const CLUSTER_PORT = 8090

/** No secret: it guards containers in a network of a test. */
const SECRET = 'a secret that all nodes of the test share\n'

/** Several times what a node of this test needs; no run may take the machine's memory. */
const MEMORY_GIB = 0.5

/** Far above what anything takes, so that a busy machine fails nothing. */
const READY_MS = 60_000
const STOP_S = 30

const POLL_MS = 50
