/** What a build tool uploads, as values: the files of one version, and the metadata that name it. */
import { createHash } from 'node:crypto'
import { pomOf } from '../bench/deploy.ts'
import { noise } from '../http/client.ts'
import type { Random } from '../sim/random.ts'

export type Upload = { readonly path: string; readonly bytes: Buffer; readonly sha256: string }

export type Build = {
  /** The artifact's directory, repository included. */
  readonly artifact: string
  readonly version: string
  /** Jar and POM, in the order in which they are sent. */
  readonly files: readonly Upload[]
  /** Where metadata are read, extended and written, one after the other. */
  readonly metadata: readonly string[]
}

export type ReleaseName = {
  readonly artifactId: string
  readonly version: string
  /** Makes the bytes others than those of whoever builds the same version. */
  readonly builder: string
}

export function releaseOf(random: Random, { artifactId, version, builder }: ReleaseName): Build {
  const artifact = `releases/${GROUP_PATH}/${artifactId}`
  const stem = `${artifact}/${version}/${artifactId}-${version}`
  return {
    artifact,
    version,
    files: filesOf(random, stem, { artifactId, version, builder }),
    metadata: [`${artifact}/maven-metadata.xml`],
  }
}

/** Build `number` of the version `1.0-SNAPSHOT`, a second after the one before. */
export function snapshotOf(random: Random, artifactId: string, number: number): Build {
  const artifact = `snapshots/${GROUP_PATH}/${artifactId}`
  const version = '1.0-SNAPSHOT'
  const stem = `${artifact}/${version}/${artifactId}-1.0-${timestampOf(number)}-${number}`
  return {
    artifact,
    version,
    files: filesOf(random, stem, { artifactId, version, builder: `${number}` }),
    metadata: [`${artifact}/${version}/maven-metadata.xml`, `${artifact}/maven-metadata.xml`],
  }
}

/** The metadata that a client found (nothing if there were none), with its own version added. */
export function extended(found: Buffer | undefined, { artifact, version }: Build): Buffer {
  const versions = new Set([...versionsIn(found), version])
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><metadata><groupId>${GROUP}</groupId>` +
      `<artifactId>${artifact.slice(artifact.lastIndexOf('/') + 1)}</artifactId><versioning>` +
      `<versions>${[...versions].map((each) => `<version>${each}</version>`).join('')}</versions>` +
      '<lastUpdated>20260101000000</lastUpdated></versioning></metadata>',
  )
}

/** The metadata of a version, with its newest build. */
export function snapshotMetadata({ artifact, version, files }: Build): Buffer {
  const artifactId = artifact.slice(artifact.lastIndexOf('/') + 1)
  const [, timestamp, number] = /-(\d{8}\.\d{6})-(\d+)\.jar$/.exec(files[0]?.path ?? '') ?? []
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><metadata modelVersion="1.1.0"><groupId>${GROUP}</groupId>` +
      `<artifactId>${artifactId}</artifactId><version>${version}</version><versioning>` +
      `<snapshot><timestamp>${timestamp}</timestamp><buildNumber>${number}</buildNumber></snapshot>` +
      '<lastUpdated>20260101000000</lastUpdated></versioning></metadata>',
  )
}

export function versionsIn(metadata: Buffer | undefined): string[] {
  return [...`${metadata ?? ''}`.matchAll(/<version>([^<]+)<\/version>/g)].map((one) => `${one[1]}`)
}

/** The number of the newest build that the metadata of a version name; 0 if none. */
export function buildNumberIn(metadata: Buffer): number {
  return Number(/<buildNumber>(\d+)<\/buildNumber>/.exec(`${metadata}`)?.[1] ?? 0)
}

export function hex(algorithm: 'sha256' | 'sha1' | 'md5', bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

const GROUP = 'org.nemesis'
const GROUP_PATH = GROUP.replaceAll('.', '/')

const KiB = 1_024
const MiB = 1_024 * KiB

/** Of all jars; the others are as large as most real ones. */
const LARGE = 0.03
const SMALL_BYTES = { min: 2 * KiB, max: 60 * KiB }
/** From a file of its own to several chunks. */
const LARGE_BYTES = { min: 100 * KiB, max: 9 * MiB }

const POOL = noise(LARGE_BYTES.max + MiB, 'nemesis')

function filesOf(
  random: Random,
  stem: string,
  { artifactId, version, builder }: ReleaseName,
): readonly Upload[] {
  const { min, max } = random.chance(LARGE) ? LARGE_BYTES : SMALL_BYTES
  const at = random.int(0, MiB)
  const name = Buffer.from(`${stem} ${builder}\n`)
  const jar = Buffer.concat([name, POOL.subarray(at, at + random.skewed(min, max))])
  const pom = Buffer.from(pomOf(GROUP, artifactId, version))
  return [
    { path: `${stem}.jar`, bytes: jar, sha256: hex('sha256', jar) },
    { path: `${stem}.pom`, bytes: pom, sha256: hex('sha256', pom) },
  ]
}

function timestampOf(second: number): string {
  const time = new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString()
  return time.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '.')
}
