import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import type { NodeId } from '../base/ids.ts'
import { err, ok, type Result } from '../base/result.ts'
import { parseAddress, SECRET_BYTES_MIN } from '../cluster/wire/index.ts'
import { isWildcard } from './guard.ts'

/**
 * The section `[cluster]`: this node is one of several. What it names was checked, its files are read.
 *
 * The peers of a founder are the roster that forms the cluster, itself included; those of a joining node are whom it asks.
 * Once a node is a member, the committed members count, and the section only tells where it listens and what it knows to be true.
 */
export type ClusterConfig = {
  readonly name: string
  readonly id: NodeId
  /** At least 32 bytes that all nodes share; without the white space at the end of its file. */
  readonly secret: Uint8Array
  /** The node waits to be added to an existing cluster and never forms one. */
  readonly join: boolean
  /** `host:port` to listen on. */
  readonly listen: string
  /** `host:port` under which the other nodes reach this one. */
  readonly address: string
  /** `host:port` of each node by its id. */
  readonly peers: ReadonlyMap<NodeId, string>
  /** Where this node is: the replicas of a partition are put into different ones. Without it the node is a zone of its own. */
  readonly zone: string | undefined
  readonly tls: ClusterTls | undefined
}

/** PEM: the certificate chain and key of this node, and the authority that signed those of all nodes. */
export type ClusterTls = {
  readonly certificate: Buffer
  readonly key: Buffer
  readonly authority: Buffer
}

/** Short enough for every log line and key, and the same on every file system and in every tool. */
const Name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lowercase letters, digits and -, at most 63')

const Address = z.string().refine((text) => isAddress(text), 'must be host:port')

/** The section as it is written. */
export const ClusterSection = z.strictObject({
  /** Nodes of another name are refused. */
  name: Name.default('aether'),
  /** This node's name for good: it is stored in its data directory. */
  id: Name,
  /** Relative to the configuration file, as are the files of TLS. */
  secretFile: z.string().min(1),
  join: z.boolean().default(false),
  listen: Address.optional(),
  zone: Name.optional(),
  tlsCertificate: z.string().min(1).optional(),
  tlsKey: z.string().min(1).optional(),
  tlsAuthority: z.string().min(1).optional(),
  peers: z.record(Name, Address),
})

/** More than five voters make every decision slower and none safer; further nodes join as learners. */
const FOUNDERS_MAX = 5

const LISTEN_DEFAULT = '127.0.0.1:8090'

/** Checks what the section says as a whole and reads its files, which are relative to `file`. */
export function readClusterConfig(
  section: z.output<typeof ClusterSection>,
  file: string,
): Result<ClusterConfig, string> {
  const { name, join, zone } = section
  const id = section.id as NodeId
  const peers = new Map(
    Object.entries(section.peers).map(([peer, address]) => [peer as NodeId, address]),
  )
  const own = peers.get(id)
  const listen = section.listen ?? own ?? LISTEN_DEFAULT
  const address = own ?? listen
  const problem = problemOf({ id, join, peers, address })
  if (problem !== undefined) return err(problem)
  const directory = dirname(resolve(file))
  const secret = readSecret(resolve(directory, section.secretFile))
  if (!secret.ok) return secret
  const tls = readTls(section, directory)
  if (!tls.ok) return tls
  return ok({ name, id, secret: secret.value, join, listen, address, peers, zone, tls: tls.value })
}

type Roster = Pick<ClusterConfig, 'id' | 'join' | 'peers' | 'address'>

function problemOf({ id, join, peers, address }: Roster): string | undefined {
  if (!join && !peers.has(id)) {
    return `cluster.peers has no entry for this node, ${id} = "host:port"; a node that joins an existing cluster says join = true`
  }
  if (join && [...peers.keys()].every((peer) => peer === id)) {
    return 'cluster.peers names no other node: with join = true at least one member of the cluster'
  }
  if (!join && peers.size > FOUNDERS_MAX) {
    return `cluster.peers has ${peers.size} nodes; a cluster is formed by at most ${FOUNDERS_MAX}, further ones join`
  }
  if (new Set(peers.values()).size < peers.size) return 'cluster.peers has an address twice'
  if (isWildcard(parseAddress(address)?.host ?? '')) {
    return `the other nodes cannot reach ${address}: cluster.peers needs ${id} = "host:port" with an address of this machine`
  }
  return undefined
}

/** Others have to know the port: none that the system chooses. */
function isAddress(text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && address.port > 0
}

function readSecret(path: string): Result<Uint8Array, string> {
  const file = readFile('cluster.secret_file', path)
  if (!file.ok) return file
  // White space at the end is how an editor or `echo` leaves a file, and not the same on every machine.
  const secret = Buffer.from(file.value.toString('latin1').trimEnd(), 'latin1')
  if (secret.length >= SECRET_BYTES_MIN) return ok(secret)
  return err(
    `the secret in ${path} has ${secret.length} bytes and needs ${SECRET_BYTES_MIN}: make one with \`openssl rand -hex 32 > ${path}\` and copy it to every node`,
  )
}

function readTls(
  section: z.output<typeof ClusterSection>,
  directory: string,
): Result<ClusterTls | undefined, string> {
  const { tlsCertificate, tlsKey, tlsAuthority } = section
  const given = [tlsCertificate, tlsKey, tlsAuthority].filter((path) => path !== undefined)
  if (given.length === 0) return ok(undefined)
  if (tlsCertificate === undefined || tlsKey === undefined || tlsAuthority === undefined) {
    return err('cluster.tls_certificate, cluster.tls_key and cluster.tls_authority go together')
  }
  const certificate = readFile('cluster.tls_certificate', resolve(directory, tlsCertificate))
  if (!certificate.ok) return certificate
  const key = readFile('cluster.tls_key', resolve(directory, tlsKey))
  if (!key.ok) return key
  const authority = readFile('cluster.tls_authority', resolve(directory, tlsAuthority))
  if (!authority.ok) return authority
  return ok({ certificate: certificate.value, key: key.value, authority: authority.value })
}

function readFile(setting: string, path: string): Result<Buffer, string> {
  try {
    return ok(readFileSync(path))
  } catch (cause) {
    return err(`${setting}: ${(cause as Error).message}`)
  }
}
