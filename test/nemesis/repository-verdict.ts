/** What a repository has to show when all is well again, whichever node is asked. */
import type { ClusterNode } from '../fixture/cluster.ts'
import { buildNumberIn, hex, versionsIn } from './build.ts'
import type { Found, Ledger } from './ledger.ts'
import type { MavenClient } from './maven-client.ts'

export type RepositoryVerdict = {
  /** Files that were acknowledged, and so were found byte for byte with right checksums at every node. */
  readonly files: number
  /** Paths without an acknowledged upload that are there all the same. */
  readonly unacknowledged: number
  readonly versions: number
  readonly faults: readonly string[]
}

export async function judgeRepository(
  ledger: Ledger,
  client: MavenClient,
  nodes: readonly ClusterNode[],
): Promise<RepositoryVerdict> {
  const paths = ledger.paths()
  const faults: string[] = []
  let unacknowledged = 0
  await each(paths, async (path) => {
    const found = await Promise.all(nodes.map((node) => find(client, node, path, faults)))
    const misfit = ledger.misfit(path, found)
    if (misfit !== undefined) faults.push(misfit)
    else if (found[0]?.sha256 !== undefined && ledger.acknowledged(path) === undefined)
      unacknowledged++
  })
  let versions = 0
  await each(ledger.artifacts(), async (artifact) => {
    versions += ledger.versions(artifact).length
    for (const node of nodes) await checkVersions(ledger, client, node, artifact, faults)
  })
  await each(
    [...newestBuilds(paths.filter((path) => ledger.acknowledged(path)))],
    async (build) => {
      for (const node of nodes) await checkBuild(client, node, build, faults)
    },
  )
  return { files: ledger.acknowledgedPaths().length, unacknowledged, versions, faults }
}

const TOGETHER = 16

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const workers = Array.from({ length: TOGETHER }, async () => {
    for (const item of left) await work(item)
  })
  await Promise.all(workers)
}

/** The file with its checksums as one node shows them. */
async function find(
  client: MavenClient,
  node: ClusterNode,
  path: string,
  faults: string[],
): Promise<Found> {
  const body = await get(client, node, path)
  if (body instanceof Error) faults.push(body.message)
  if (!(body instanceof Buffer)) return { sha256: undefined }
  for (const algorithm of ['sha1', 'md5'] as const) {
    const sums = await get(client, node, `${path}.${algorithm}`)
    if (`${sums}` !== hex(algorithm, body))
      faults.push(`${path}.${algorithm} at ${node.id}: ${sums}`)
  }
  return { sha256: hex('sha256', body) }
}

async function checkVersions(
  ledger: Ledger,
  client: MavenClient,
  node: ClusterNode,
  artifact: string,
  faults: string[],
): Promise<void> {
  const path = `${artifact}/maven-metadata.xml`
  const body = await get(client, node, path)
  const listed = new Set(body instanceof Buffer ? versionsIn(body) : [])
  const lacking = ledger.versions(artifact).filter((version) => !listed.has(version))
  if (lacking.length > 0) faults.push(`${path} at ${node.id} lacks ${lacking}`)
  const sums = await get(client, node, `${path}.sha1`)
  if (body instanceof Buffer && `${sums}` !== hex('sha1', body))
    faults.push(`${path}.sha1 at ${node.id}: ${sums}`)
}

async function checkBuild(
  client: MavenClient,
  node: ClusterNode,
  [directory, number]: readonly [string, number],
  faults: string[],
): Promise<void> {
  const path = `${directory}/maven-metadata.xml`
  const body = await get(client, node, path)
  // A later build of which nobody knows may be there too.
  if (!(body instanceof Buffer) || buildNumberIn(body) < number)
    faults.push(`${path} at ${node.id} does not know build ${number}`)
}

/** The highest acknowledged build by the directory of its version. */
function newestBuilds(paths: readonly string[]): Map<string, number> {
  const newest = new Map<string, number>()
  for (const path of paths) {
    const match = /^(snapshots\/.*-SNAPSHOT)\/[^/]*-(\d+)\.pom$/.exec(path)
    if (match === null) continue
    const [, directory = '', number] = match
    newest.set(directory, Math.max(newest.get(directory) ?? 0, Number(number)))
  }
  return newest
}

/** The bytes; undefined for 404. A node that does not answer although all is well is a fault. */
async function get(
  client: MavenClient,
  node: ClusterNode,
  path: string,
): Promise<Buffer | undefined | Error> {
  const answer = await client.once(node, 'GET', path).catch((cause: Error) => cause)
  if (answer instanceof Error) return new Error(`GET ${path} at ${node.id}: ${answer.message}`)
  if (answer.status === 200) return answer.body
  if (answer.status === 404) return undefined
  return new Error(`GET ${path} at ${node.id}: ${answer.status} ${answer.body}`)
}
