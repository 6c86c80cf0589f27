import { readFile } from 'node:fs/promises'
import { basename, resolve as resolvePath } from 'node:path'
import { utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import {
  artifactPath,
  baseVersionOf,
  type Coordinates,
  formatCoordinates,
  isSnapshot,
  parsePom,
  renderMetadata,
} from '../maven/index.ts'
import {
  type CoordinateFlags,
  checkProject,
  chooseCoordinates,
  type Target,
} from './coordinates.ts'
import { badUsage, type Failure, fileFailure, refused } from './failure.ts'
import { type EmbeddedProject, readEmbeddedProjects } from './jar.ts'
import { type Part, partOfBytes, partOfFile } from './part.ts'
import { gradleSnippet, mavenSnippet, synthesizePom } from './pom.ts'
import { Progress } from './progress.ts'
import type { Outcome, Session } from './session.ts'

export type DeployFlags = CoordinateFlags & {
  /** Of the synthesised POM; the file's extension when absent. */
  readonly packaging?: string
  /** A file to use instead of the POM in the jar. */
  readonly pom?: string
}

/** `aether deploy <jar>`: stores a file with its POM and checksums, and prints how to depend on it. */
export async function deploy(file: string, flags: DeployFlags, session: Session): Outcome {
  const path = resolvePath(session.surroundings.cwd, file)
  const projects = await findProjects(path, flags, session)
  if (!projects.ok) return projects
  const target = chooseCoordinates(basename(file), projects.value, flags)
  if (!target.ok) return target
  const checked = checkProject(target.value, flags)
  if (!checked.ok) return checked
  const { coordinates } = target.value
  const parts = await collectParts(path, target.value, flags)
  if (!parts.ok) return parts
  const repository =
    session.repository ?? (isSnapshot(coordinates.version) ? 'snapshots' : 'releases')
  const stored = await storeParts(parts.value, coordinates, repository, session)
  if (!stored.ok) return stored
  return ok(report(coordinates, repository, session, stored.value))
}

/** A part and whether its bytes went over the wire; the server may have had them. */
type Stored = Part & { readonly uploaded: boolean }

/** The archives in which a build tool leaves a project descriptor. */
const ARCHIVE = /\.(jar|war|ear|rar|zip|aar|nar|hpi)$/

async function findProjects(
  path: string,
  flags: DeployFlags,
  session: Session,
): Promise<Result<readonly EmbeddedProject[], Failure>> {
  if (flags.pom === undefined) return ARCHIVE.test(path) ? readEmbeddedProjects(path) : ok([])
  let pom: Uint8Array
  try {
    pom = await readFile(resolvePath(session.surroundings.cwd, flags.pom))
  } catch (error) {
    return err(fileFailure(flags.pom, error))
  }
  const facts = parsePom(pom)
  if (!facts.ok) return err(refused(`${flags.pom} is not a POM: ${facts.error.detail}`))
  // A property's reference says nothing; then the flags have to.
  const { groupId = flags.group, artifactId = flags.artifact, version } = facts.value
  if (groupId === undefined || artifactId === undefined) {
    return err(badUsage(`${flags.pom} does not say what it is`, 'Add --group and --artifact.'))
  }
  return ok([{ groupId, artifactId, version, pom }])
}

async function collectParts(
  path: string,
  { coordinates, project }: Target,
  flags: DeployFlags,
): Promise<Result<readonly Part[], Failure>> {
  const main = await partOfFile(artifactPath(coordinates), path)
  if (!main.ok || coordinates.extension === 'pom') return main.ok ? ok([main.value]) : main
  const { groupId, artifactId, version, extension } = coordinates
  const packaging = flags.packaging ?? extension
  const pom = project?.pom ?? utf8(synthesizePom(coordinates, packaging))
  const pomPath = artifactPath({ groupId, artifactId, version, extension: 'pom' })
  return ok([main.value, partOfBytes(pomPath, pom)])
}

/**
 * Stores the parts in the order in which Maven does it. The artifact's metadata comes last: with it the server knows that
 * the version is complete.
 */
async function storeParts(
  parts: readonly Part[],
  coordinates: Coordinates,
  repository: string,
  session: Session,
): Promise<Result<readonly Stored[], Failure>> {
  const missing = await findMissing(parts, coordinates, repository, session)
  if (!missing.ok) return missing
  for (const part of missing.value) {
    const stored = await storePart(part, repository, session)
    if (!stored.ok) return stored
  }
  const { groupId, artifactId } = coordinates
  const metadata = renderMetadata({
    groupId,
    artifactId,
    versions: [baseVersionOf(coordinates.version)],
    lastUpdated: new Date().toISOString().replace(/\D/g, '').slice(0, 14),
    snapshotVersions: [],
    plugins: [],
  })
  const directory = `${groupId.replaceAll('.', '/')}/${artifactId}`
  const url = session.server.urlOf(repository, `${directory}/maven-metadata.xml`)
  const committed = await session.server.put(url, metadata)
  if (!committed.ok) return committed
  return ok(parts.map((part) => ({ ...part, uploaded: missing.value.includes(part) })))
}

/** The parts to send: those of which the server does not have the very bytes. */
async function findMissing(
  parts: readonly Part[],
  { version, classifier }: Coordinates,
  repository: string,
  session: Session,
): Promise<Result<readonly Part[], Failure>> {
  const missing: Part[] = []
  for (const part of parts) {
    const stat = await session.server.stat(session.server.urlOf(repository, part.path))
    if (!stat.ok) return stat
    // A file with a classifier joins a version that may have its POM already; that one stands.
    const isForeignPom = classifier !== undefined && part !== parts[0]
    const isThere = isForeignPom ? stat.value !== undefined : stat.value?.sha256 === part.sha256
    if (!isThere) missing.push(part)
  }
  // The files of one snapshot build belong together, so a changed one brings the others along.
  return ok(isSnapshot(version) && missing.length > 0 ? parts : missing)
}

async function storePart(
  part: Part,
  repository: string,
  session: Session,
): Promise<Result<void, Failure>> {
  const url = session.server.urlOf(repository, part.path)
  const progress = new Progress(session, basename(part.path), part.sizeBytes)
  const uploaded = await session.server.upload(url, {
    file: part.path,
    sizeBytes: part.sizeBytes,
    open: part.open,
    onProgress: (sentBytes) => progress.show(sentBytes),
  })
  progress.end()
  if (!uploaded.ok) return uploaded
  for (const algorithm of ['sha1', 'sha256'] as const) {
    const checksum = await session.server.put(`${url}.${algorithm}`, part[algorithm])
    if (!checksum.ok) return checksum
  }
  return ok(undefined)
}

function report(
  coordinates: Coordinates,
  repository: string,
  { server }: Session,
  stored: readonly Stored[],
) {
  const name = formatCoordinates(coordinates)
  const isNew = stored.some(({ uploaded }) => uploaded)
  const files = stored.map(({ path, sizeBytes, sha1, sha256, uploaded }) => {
    return { path, sizeBytes, sha1, sha256, uploaded }
  })
  const text = [
    `${name} ${isNew ? 'is deployed to' : 'is already in'} ${repository} of ${server.url}`,
    `\npom.xml:\n${indent(mavenSnippet(coordinates))}`,
    `\nbuild.gradle:\n${indent(gradleSnippet(coordinates))}`,
  ]
  const data = { coordinates, name, repository, server: server.url, files }
  return { data, text: text.join('\n') }
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
