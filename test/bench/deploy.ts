import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchBytes, type Server, store, verify } from './server.ts'
import type { Load } from './wrk.ts'

/**
 * Artifacts deployed at a time. Each gets one version after the other, so their metadata grows to a few dozen versions.
 * Far more than connections: see lua/deploy.lua.
 */
const ARTIFACTS = 256
/** More than any server here reaches on one core; the bodies of a run are made in advance. */
const DEPLOYS_PER_SECOND_MAX = 4_000
const JARS = 16
const JAR_BYTES = 20_000
const POM_BYTES = 3_000

/** Nine PUTs and one GET: jar, pom and metadata, each with two checksum files, and the metadata read before. */
export const REQUESTS_PER_DEPLOY = 10

/** The recorded `mvn deploy` of one release, for the artifacts of one run. */
export type DeployRun = {
  readonly load: Load
  /** Gives every artifact its first version, so that the client finds metadata to extend. */
  seed(server: Server): Promise<void>
  verify(server: Server): Promise<void>
}

/** Makes the bodies of a run, with correct checksums. Several servers may get the same run. */
export function deployRun(directory: string, run: string, durationS: number): DeployRun {
  const groupId = `bench.${run}`
  const path = `/repository/releases/bench/${run}`
  const bodies = join(directory, run)
  mkdirSync(bodies)
  const jars = Array.from({ length: JARS }, () =>
    randomBytes((JAR_BYTES * 3) / 4).toString('base64'),
  )
  const rounds = Math.ceil((durationS * DEPLOYS_PER_SECOND_MAX) / ARTIFACTS) + 1
  const poms: string[] = []
  const metadata: string[] = []
  for (let round = 0; round < rounds; round++) {
    for (let artifact = 0; artifact < ARTIFACTS; artifact++) {
      poms.push(pomOf(groupId, `a${artifact}`, `1.${round}`))
      metadata.push(metadataOf(groupId, `a${artifact}`, round))
    }
  }
  for (const [name, contents] of Object.entries({ jars, poms, metadata })) {
    writeFileSync(join(bodies, name), contents.map(withSums).join(''))
  }
  const fileOf = (artifact: number, round: number) => {
    const [name, version] = [`a${artifact}`, `1.${round}`]
    return `${path}/${name}/${version}/${name}-${version}`
  }
  const jarOf = (artifact: number, round: number) =>
    Buffer.from(jars[(round * ARTIFACTS + artifact) % JARS] ?? '')
  const pomAt = (artifact: number, round: number) =>
    Buffer.from(poms[round * ARTIFACTS + artifact] ?? '')
  return {
    load: { script: 'deploy', path, args: [path, String(ARTIFACTS), bodies] },
    async seed(server) {
      for (let artifact = 0; artifact < ARTIFACTS; artifact++) {
        await store(server, `${fileOf(artifact, 0)}.jar`, jarOf(artifact, 0))
        await store(server, `${fileOf(artifact, 0)}.pom`, pomAt(artifact, 0))
        const hint = Buffer.from(metadata[artifact] ?? '')
        await store(server, `${path}/a${artifact}/maven-metadata.xml`, hint)
      }
    },
    async verify(server) {
      await verify(server, `${fileOf(0, 1)}.jar`, jarOf(0, 1))
      await verify(server, `${fileOf(0, 1)}.pom`, pomAt(0, 1))
      await verify(server, `${fileOf(0, 1)}.pom.sha1`, Buffer.from(hex('sha1', pomAt(0, 1))))
      const listed = (await fetchBytes(server, `${path}/a0/maven-metadata.xml`)).toString()
      if (!listed.includes('<version>1.1</version>')) {
        throw new Error(`${server.name} does not list what was deployed:\n${listed}`)
      }
    },
  }
}

/** A POM of about 3 KB, as they are in the wild. One line, since the bodies of a run are kept as lines. */
export function pomOf(groupId: string, artifactId: string, version: string): string {
  const coordinates = `<groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>`
  let dependencies = ''
  for (let count = 0; dependencies.length < POM_BYTES - 500; count++) {
    dependencies += `<dependency><groupId>org.example.library</groupId><artifactId>part-${count}</artifactId><version>2.${count}.1</version><scope>compile</scope></dependency>`
  }
  return (
    '<?xml version="1.0" encoding="UTF-8"?><project xmlns="http://maven.apache.org/POM/4.0.0">' +
    `<modelVersion>4.0.0</modelVersion>${coordinates}<packaging>jar</packaging>` +
    `<name>${artifactId}</name><dependencies>${dependencies}</dependencies></project>`
  )
}

function metadataOf(groupId: string, artifactId: string, last: number): string {
  let versions = ''
  for (let round = 0; round <= last; round++) versions += `<version>1.${round}</version>`
  return (
    `<?xml version="1.0" encoding="UTF-8"?><metadata><groupId>${groupId}</groupId>` +
    `<artifactId>${artifactId}</artifactId><versioning><release>1.${last}</release>` +
    `<versions>${versions}</versions><lastUpdated>20260101000000</lastUpdated></versioning></metadata>`
  )
}

function withSums(body: string): string {
  return `${body}\t${hex('sha1', body)}\t${hex('md5', body)}\n`
}

function hex(algorithm: 'sha1' | 'md5', body: string | Uint8Array): string {
  return createHash(algorithm).update(body).digest('hex')
}
