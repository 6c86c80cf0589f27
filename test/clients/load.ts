import { type Client, hex } from '../http/client.ts'
import type { Random } from './random.ts'

/** What a server has acknowledged, and so must never lose. */
export class Ledger {
  /** SHA-256 of the bytes, by path. */
  readonly files = new Map<string, string>()
  /** Versions whose metadata upload was acknowledged, by the artifact's directory. */
  readonly versions = new Map<string, Set<string>>()
  /** Uploads that were begun and not answered. */
  readonly open = new Map<string, string>()
  /** Answers that no deployer should get. */
  readonly refused: string[] = []

  /** The acknowledged files that are not there byte for byte, with checksums and in the listing. */
  async lostFiles(client: Client, isChecked: (path: string) => boolean): Promise<string[]> {
    const lost: string[] = []
    const byDirectory = Map.groupBy(this.files, ([path]) =>
      path.slice(0, path.lastIndexOf('/') + 1),
    )
    for (const [directory, files] of byDirectory) {
      const checked = files.filter(([path]) => isChecked(path))
      if (checked.length === 0) continue
      const listing = (await client.get(directory)).body
      for (const [path, sha256] of checked) {
        const { status, body } = await client.get(path)
        const sha1 = (await client.get(`${path}.sha1`)).body.toString()
        const isWhole = status === 200 && hex('sha256', body) === sha256
        const isListed = listing.includes(`href="${path.slice(directory.length)}"`)
        if (isWhole && isListed && sha1 === hex('sha1', body)) continue
        lost.push(`${path}: ${status}, ${body.length} bytes, sha1 ${sha1}, listed ${isListed}`)
      }
    }
    return lost
  }

  /** The acknowledged versions that the metadata do not name. */
  async lostVersions(client: Client): Promise<string[]> {
    const lost: string[] = []
    for (const [artifact, versions] of this.versions) {
      const path = `${artifact}/maven-metadata.xml`
      const { body } = await client.get(path)
      const sha1 = (await client.get(`${path}.sha1`)).body.toString()
      if (sha1 !== hex('sha1', body)) lost.push(`${path} has not the SHA-1 ${sha1}`)
      for (const version of versions) {
        if (!body.includes(`<version>${version}</version>`)) lost.push(`${path} lacks ${version}`)
      }
    }
    return lost
  }

  /** The uploads without an answer that are neither absent nor whole; they are forgotten then. */
  async halfFiles(client: Client): Promise<string[]> {
    const half: string[] = []
    for (const [path, sha256] of this.open) {
      const { status, body } = await client.get(path)
      const isWhole = status === 200 && hex('sha256', body) === sha256
      if (status !== 404 && !isWhole) half.push(`${path}: ${status}, ${body.length} bytes`)
    }
    this.open.clear()
    return half
  }
}

export type Deployer = {
  /** Those with an even number share one artifact and contend for its metadata. */
  readonly number: number
  /** A part of every version, so that no two rounds deploy the same. */
  readonly round: number
  readonly random: Random
}

/** Deploys version after version, as Maven does, until the server is gone. */
export async function deployUntilCut(
  client: Client,
  ledger: Ledger,
  { number, round, random }: Deployer,
): Promise<void> {
  const name = number % 2 === 0 ? 'shared' : `own${number}`
  const artifact = `releases/org/crash/${name}`
  const send = async (path: string, body: string | Buffer) => {
    const { status, reason } = await client.put(path, body)
    if (status > 201) ledger.refused.push(`${path}: ${status} ${reason}`)
  }
  const deployFile = async (path: string, bytes: Buffer) => {
    const sha256 = hex('sha256', bytes)
    ledger.open.set(path, sha256)
    await send(path, bytes)
    ledger.open.delete(path)
    ledger.files.set(path, sha256)
    await send(`${path}.sha1`, hex('sha1', bytes))
    await send(`${path}.md5`, hex('md5', bytes))
  }
  try {
    for (let count = 1; ; count++) {
      const version = `${round}.${number}.${count}`
      const stem = `${artifact}/${version}/${name}-${version}`
      await deployFile(`${stem}.jar`, artifactBytes(stem, random))
      await deployFile(
        `${stem}.pom`,
        Buffer.from(`<project><version>${version}</version></project>`),
      )
      await send(`${artifact}/maven-metadata.xml`, metadataOf(name, version))
      ledger.versions.set(artifact, (ledger.versions.get(artifact) ?? new Set()).add(version))
    }
  } catch (cause) {
    // The connection was cut: that is the end for which this waits. Anything else is a failure.
    if (!(cause instanceof Error && 'code' in cause)) throw cause
  }
}

const KiB = 1_024
const MiB = 1_024 * KiB

/** Most files are small, as in real deploys; every third has 200 KB to 6 MB, which is up to two chunks. */
function artifactBytes(name: string, random: Random): Buffer {
  const isSmall = random.below(3) > 0
  const size = isSmall ? random.below(60 * KiB) : 200 * KiB + random.below(6 * MiB - 200 * KiB)
  return Buffer.concat([Buffer.from(name), random.bytes(size)])
}

/** Names only its own version: what the other deployers did meanwhile must not be lost by it. */
function metadataOf(name: string, version: string): string {
  return (
    `<metadata><groupId>org.crash</groupId><artifactId>${name}</artifactId><versioning>` +
    `<release>${version}</release><versions><version>${version}</version></versions>` +
    '</versioning></metadata>'
  )
}
