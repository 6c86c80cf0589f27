/** The two clusters under measurement, three processes each, as their clients see them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterFixture, sendRequest } from '../fixture/cluster.ts'
import { freePort } from '../fixture/port.ts'
import { PinnedProcess } from './process.ts'
import { untilReady } from './server.ts'

export type Contender = {
  readonly name: 'aether' | 'etcd'
  /** The script that writes to it, and what that wants to know besides what all are told. */
  readonly script: { readonly name: 'value-put' | 'etcd-put'; readonly args: readonly string[] }
  readonly members: readonly Member[]
  /** Headers that every request needs. */
  readonly headers: Readonly<Record<string, string>>
  /** The member that orders all writes, if there is such a one. */
  leader(): Promise<Member | undefined>
  /** Writes one value through `member`; resolves with whether it was committed. */
  put(member: Member, key: string, value: string, connection: Connection): Promise<boolean>
  get(member: Member, key: string): Promise<string | undefined>
  close(): Promise<void>
}

export type Member = {
  readonly origin: string
  pid(): number
  kill(): Promise<void>
  /** After `kill`; resolves when it takes writes again. */
  restart(): Promise<void>
}

type Connection = NonNullable<Parameters<typeof sendRequest>[1]>

const NAMES = ['n1', 'n2', 'n3']

/** Where a value is, with its key for `%s`; in the map each key is a partition key. */
const PATHS = { control: '/api/v1/control/user/bench/%s', map: '/api/v1/map/user/%s/value' }

/** `store` is where the values go: the control state, which all nodes agree on, or the map, which is partitioned. */
export async function startAetherCluster(
  directory: string,
  nodeFlags: readonly string[] = [],
  store: keyof typeof PATHS = 'control',
): Promise<Contender> {
  mkdirSync(directory)
  const cluster = await ClusterFixture.found(NAMES, { directory, nodeFlags: () => nodeFlags })
  const nodes = NAMES.map((name) => cluster.node(name))
  await Promise.all(nodes.map((node) => node.start()))
  await Promise.all(nodes.map((node) => node.ready()))
  await cluster.authorize()
  const headers = cluster.credentials
  const url = ({ origin }: Member, key: string) => origin + PATHS[store].replace('%s', key)
  return {
    name: 'aether',
    script: { name: 'value-put', args: [PATHS[store]] },
    headers,
    members: nodes.map((node) => ({
      origin: node.origin,
      pid: () => node.pid,
      kill: () => node.kill(),
      async restart() {
        await node.start()
        await node.ready()
      },
    })),
    leader: async () => undefined,
    async put(member, key, value, connection) {
      const { status } = await sendRequest(url(member, key), {
        ...connection,
        headers,
        method: 'PUT',
        body: value,
      })
      return status >= 200 && status < 300
    },
    async get(member, key) {
      const { status, body } = await sendRequest(url(member, key), { headers })
      return status === 200 ? body : undefined
    },
    async close() {
      // Node writes a profile only when it ends by itself.
      if (nodeFlags.length > 0) for (const node of cluster.running()) await node.stop()
      await cluster.close()
    },
  }
}

/** With the settings that it comes with. */
export async function startEtcdCluster(directory: string): Promise<Contender> {
  mkdirSync(directory)
  const members = await Promise.all(NAMES.map(async (name) => new EtcdMember(directory, name)))
  for (const member of members) await member.choosePorts()
  const roster = members.map((member) => `${member.name}=${member.peer}`).join(',')
  await Promise.all(members.map((member) => member.start(roster)))
  return {
    name: 'etcd',
    script: { name: 'etcd-put', args: [] },
    headers: { 'Content-Type': 'application/json' },
    members,
    async leader() {
      for (const member of members) {
        const status = await call(member, 'maintenance/status', {})
        if (status.leader === status.header?.member_id) return member
      }
      return undefined
    },
    async put(member, key, value, connection) {
      const body = JSON.stringify({ key: base64(`user/bench/${key}`), value: base64(value) })
      const { status } = await sendRequest(`${member.origin}/v3/kv/put`, {
        ...connection,
        method: 'POST',
        body,
      })
      return status === 200
    },
    async get(member, key) {
      const answer = await call(member, 'kv/range', { key: base64(`user/bench/${key}`) })
      const found = answer.kvs?.[0]
      return found && Buffer.from(found.value, 'base64').toString()
    },
    async close() {
      await Promise.all(members.map((member) => member.kill()))
    },
  }
}

export function etcdVersion(): string {
  return execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? ''
}

class EtcdMember implements Member {
  readonly name: string
  origin = ''
  peer = ''
  readonly #directory: string
  #roster = ''
  #process: PinnedProcess | undefined

  constructor(directory: string, name: string) {
    this.#directory = directory
    this.name = name
  }

  async choosePorts(): Promise<void> {
    this.origin = `http://127.0.0.1:${await freePort()}`
    this.peer = `http://127.0.0.1:${await freePort()}`
  }

  async start(roster: string): Promise<void> {
    this.#roster = roster
    await this.restart()
  }

  pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`)
    return this.#process.pid
  }

  async kill(): Promise<void> {
    const program = this.#process
    if (program === undefined) return
    this.#process = undefined
    program.child.kill('SIGKILL')
    await program.stop()
  }

  async restart(): Promise<void> {
    const program = new PinnedProcess(
      [
        'etcd',
        ...['--name', this.name, '--data-dir', join(this.#directory, this.name)],
        ...['--listen-client-urls', this.origin, '--advertise-client-urls', this.origin],
        ...['--listen-peer-urls', this.peer, '--initial-advertise-peer-urls', this.peer],
        ...['--initial-cluster', this.#roster, '--initial-cluster-state', 'new'],
      ],
      {},
    )
    this.#process = program
    await untilReady(`${this.origin}/health`, program)
  }
}

/** What of it is used; numbers of 64 bits are text. */
type EtcdAnswer = {
  readonly header?: { readonly member_id: string }
  readonly leader?: string
  readonly kvs?: readonly { readonly value: string }[]
}

async function call(member: Member, method: string, body: object): Promise<EtcdAnswer> {
  const answer = await sendRequest(`${member.origin}/v3/${method}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  return JSON.parse(answer.body)
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
